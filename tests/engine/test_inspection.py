"""Device code is read where kernels are built, by a process that is kept apart."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pytest_kernelbench.engine.building.inspection import inspected
from pytest_kernelbench.engine.building.resources import cuobjdump
from pytest_kernelbench.engine.isolation.launcher import CandidateLauncher
from pytest_kernelbench.engine.isolation.sandbox import base_environment

NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
SOURCE = """
extern "C" __global__ void twice(float* x) {
  __shared__ float kept[512];
  kept[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = 2 * kept[511 - threadIdx.x];
}
"""


@pytest.fixture(scope="module")
def launcher():
    made = CandidateLauncher(base_environment(CUDA_VISIBLE_DEVICES=""))
    yield made
    made.close()


@pytest.mark.skipif(NVCC is None or cuobjdump() is None, reason="needs CUDA's tools")
def test_what_nvcc_made_is_told_with_the_occupancy_on_the_device(launcher, tmp_path):
    source = tmp_path / "twice.cu"
    source.write_text(SOURCE)
    build = tmp_path / "build"
    build.mkdir()
    words = ["-arch=sm_90", "-shared", "-Xcompiler", "-fPIC", str(source), "-o"]
    subprocess.run([NVCC, *words, str(build / "twice.so")], check=True)
    (twice,) = inspected(build, launcher, "9.0")
    assert (twice.function, twice.shared_bytes) == ("twice", 2048)
    assert 0 < twice.registers <= 32
    assert (twice.spilled_bytes, twice.occupancy) == (0, 1.0)
    assert inspected(build, launcher, "") == ()


def test_where_nothing_was_compiled_there_is_nothing_to_tell(launcher, tmp_path):
    assert inspected(tmp_path, launcher, "9.0") == ()


def test_an_executor_that_is_closed_meanwhile_is_no_trouble(tmp_path):
    closed = CandidateLauncher(base_environment())
    closed.close()
    assert inspected(tmp_path, closed, "9.0") == ()
