"""Kernels that are compiled, and where they can run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.executors import local
from pytest_kernelbench.model import Verdict

RELU = """\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)


def get_inputs():
    return [torch.randn(16, 64)]
"""

CPP = """\
// kernelbench: problem=relu
#include <torch/extension.h>

torch::Tensor forward(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  for (int64_t i = 0; i < x.numel(); ++i) to[i] = from[i] > 0 ? from[i] : 0;
  return y;
}
"""

INLINE = f'''\
import torch
from torch.utils.cpp_extension import load_inline

SOURCE = """{CPP.replace("forward(", "our_relu(")}"""
module = load_inline("our_relu", SOURCE, functions=["our_relu"])


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return module.our_relu(x)
'''

TRITON = """\
import torch
import triton
import triton.language as tl


@triton.jit
def relu(x, y, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < count)
    tl.store(y + at, tl.where(value > 0, value, 0.0), mask=at < count)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        relu[(triton.cdiv(x.numel(), 256),)](x, y, x.numel(), BLOCK=256)
        return y
"""


def objects(executor) -> dict[Path, int]:
    root = executor._build_root
    return {path: path.stat().st_mtime_ns for path in root.rglob("*.so")}


def test_a_cpp_kernel_is_built_once_and_its_object_is_used_again(engine):
    before = objects(engine.executor)
    first = engine.evaluate(INLINE, RELU, backend="cpp")
    assert (first.verdict, first.reason) == (Verdict.PASS, "")
    made = objects(engine.executor)
    assert len(made) == len(before) + 1
    again = engine.evaluate(INLINE, RELU, backend="cpp", seed=2)
    assert again.verdict is Verdict.PASS
    assert objects(engine.executor) == made


@pytest.mark.slow
def test_a_cpp_file_is_a_kernel_by_its_exported_function(engine):
    settings = {"path": "k/relu.cpp", "language": "cpp", "backend": "cpp"}
    result = engine.evaluate(CPP, RELU, **settings)
    assert (result.verdict, result.reason) == (Verdict.PASS, "")
    broken = engine.evaluate(CPP.replace("return y;", "return y"), RELU, **settings)
    assert broken.verdict is Verdict.BUILD
    assert "error: expected" in broken.log


def test_a_cpp_file_without_the_function_does_not_build(engine):
    source = CPP.replace("forward(", "backward(")
    result = engine.evaluate(source, RELU, path="k/relu.cpp", language="cpp")
    assert result.verdict is Verdict.BUILD
    assert "no function forward() and no PYBIND11_MODULE in relu.cpp" in result.reason


class TestTritonOnTheCpu:
    @pytest.fixture(autouse=True)
    def _triton(self):
        pytest.importorskip("triton")

    def test_is_interpreted_for_correctness_without_a_runtime(self, engine):
        result = engine.evaluate(TRITON, RELU, backend="triton", timing=True)
        assert (result.verdict, result.reason) == (Verdict.PASS, "")
        assert result.runtime is None
        assert result.speedup is None
        assert "interpreter" in " ".join(result.limits)

    def test_is_found_wrong(self, engine):
        source = TRITON.replace("value > 0", "value > 0.1")
        result = engine.evaluate(source, RELU, backend="triton")
        assert result.verdict is Verdict.WRONG


@pytest.mark.parametrize("backend", ["cuda", "hip", "tilelang"])
def test_a_kernel_for_gpus_has_no_device_on_the_cpu(engine, backend):
    result = engine.evaluate("import nothing_here", RELU, backend=backend)
    assert result.verdict is Verdict.NO_DEVICE
    assert result.reason == f"{backend} needs a GPU"
    assert result.built is None


def test_a_machine_without_a_gpu_has_no_device(engine, monkeypatch):
    monkeypatch.setattr(local, "visible_gpus", list)
    monkeypatch.setattr(engine.executor, "_gpus", None)
    result = engine.evaluate(engine.kernel_source(), device="cuda:1")
    assert result.verdict is Verdict.NO_DEVICE
    assert result.reason == "no NVIDIA GPU is visible here"


@pytest.mark.parametrize(
    ("missing", "expected"), [("torch", "torch is not installed"), ("triton", None)]
)
def test_what_is_not_installed_is_said_to_be_missing(
    engine, monkeypatch, missing, expected
):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == missing else real(name, *rest),
    )
    if expected is None:
        result = engine.evaluate(TRITON, RELU, backend="triton")
        assert result.verdict is Verdict.NO_DEVICE
        assert result.reason == "Triton is not installed"
        return
    with pytest.raises(ExecutorError, match=expected):
        engine.evaluate_good()
