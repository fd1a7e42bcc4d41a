"""Registers, spills, shared memory and occupancy are those that the driver tells."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from pytest_kernelbench.doctor import gather, judge
from pytest_kernelbench.engine.building.occupancy import occupancy
from pytest_kernelbench.engine.building.resources import cuobjdump, parsed
from pytest_kernelbench.executors.gpus import visible_gpus

SOURCE = r"""
template <int N> __device__ void work(float* x, int n) {
  float v[N];
  #pragma unroll
  for (int i = 0; i < N; i++) v[i] = x[i * n + threadIdx.x];
  for (int k = 0; k < n; k++) {
    #pragma unroll
    for (int i = 0; i < N; i++) v[i] = v[i] * v[(i + 1) % N] + x[k];
  }
  #pragma unroll
  for (int i = 0; i < N; i++) x[i * n + threadIdx.x] = v[i];
}
#define WORK(N) extern "C" __global__ void work##N(float* x, int n) { work<N>(x, n); }
WORK(4) WORK(20) WORK(60) WORK(120) WORK(300)
#define SHARE(B) extern "C" __global__ void share##B(float* x) { \
  __shared__ char kept[B]; kept[threadIdx.x % B] = x[threadIdx.x]; \
  __syncthreads(); x[threadIdx.x] = kept[(threadIdx.x * 7) % B]; }
SHARE(100) SHARE(5000) SHARE(48000)
"""
MOST_THREADS, SHARED_BYTES, LOCAL_BYTES, REGISTERS = 0, 1, 3, 4
"""``CUfunction_attribute``."""


class Driver:
    """libcuda with the first GPU current and a module loaded."""

    def __init__(self, cubin: Path) -> None:
        self.library = ctypes.CDLL("libcuda.so.1")
        device, context, self.module = (
            ctypes.c_int(),
            ctypes.c_void_p(),
            ctypes.c_void_p(),
        )
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        self.call("cuModuleLoad", ctypes.byref(self.module), str(cubin).encode())

    def call(self, name: str, *arguments) -> None:
        assert getattr(self.library, name)(*arguments) == 0, name

    def function(self, name: str) -> ctypes.c_void_p:
        found = ctypes.c_void_p()
        self.call(
            "cuModuleGetFunction", ctypes.byref(found), self.module, name.encode()
        )
        return found

    def attribute(self, function, number: int) -> int:
        value = ctypes.c_int()
        self.call("cuFuncGetAttribute", ctypes.byref(value), number, function)
        return value.value

    def blocks(self, function, threads: int) -> int:
        value, ask = ctypes.c_int(), "cuOccupancyMaxActiveBlocksPerMultiprocessor"
        none = ctypes.c_size_t(0)
        self.call(ask, ctypes.byref(value), function, threads, none)
        return value.value


@pytest.fixture(scope="module")
def cubin(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("device_code")
    (directory / "k.cu").write_text(SOURCE)
    architecture = visible_gpus()[0].capability.replace(".", "")
    words = [
        "nvcc",
        f"-arch=sm_{architecture}",
        "-cubin",
        str(directory / "k.cu"),
        "-o",
    ]
    subprocess.run([*words, str(directory / "k.cubin")], check=True)
    return directory / "k.cubin"


def test_numbers_are_the_drivers_own(cubin):
    major, minor = map(int, visible_gpus()[0].capability.split("."))
    words = [cuobjdump(), "--dump-resource-usage", str(cubin)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    usages = parsed(said, major * 10 + minor)
    assert len(usages) == 8
    driver = Driver(cubin)
    compared = 0
    for usage in usages:
        function = driver.function(usage.name)
        assert driver.attribute(function, REGISTERS) == usage.registers
        assert driver.attribute(function, LOCAL_BYTES) == usage.spilled
        assert driver.attribute(function, SHARED_BYTES) == usage.shared
        most = driver.attribute(function, MOST_THREADS)
        for threads in (32, 64, 96, 128, 192, 256, 320, 512, 768, 1024):
            if threads <= most:
                share = occupancy(
                    (major, minor),
                    registers=usage.registers,
                    shared=usage.shared,
                    threads=threads,
                )
                full = {(7, 5): 1024, (8, 6): 1536, (8, 9): 1536}.get((major, minor))
                full = full or (1536 if major == 12 else 2048)
                blocks = driver.blocks(function, threads)
                assert share == pytest.approx(blocks * threads / full)
                compared += 1
    assert compared > 30


def test_a_kernel_in_cuda_has_its_device_functions_told(compiled):
    for name in ("inline", "file"):
        (function,) = compiled[name].resources
        assert function.registers > 0
        assert 0 < function.occupancy <= 1


def test_doctor_finds_the_gpu_and_tries_what_evaluations_need():
    facts = gather()
    assert facts.visible_gpus
    assert facts.driver.cuda is not None
    assert facts.ipc_trouble == "" or facts.gpus[0].processes
    assert "cuda" in judge(facts).works
