"""The race against KernelBench's own evaluator: seven kernels, the same GPU, one call.

    python benchmarks/race.py CHECKOUT [--ours-only] [--trials 5]

CHECKOUT is a clone of ScalingIntelligence/KernelBench: its evaluator, its problems and
four of its example kernels. It judges each kernel in a process of its own, as its
scripts do, with an empty build directory, five trials and a hundred samples. After it
ours gets all seven at once, first with an empty build cache and then, in a new session,
again. Before both, a process runs the problems once and reads torch's headers, so that
nobody has to wait for the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.their_evaluator import import_their_eval
from pytest_kernelbench import EvalResult, Evaluator, Problem
from pytest_kernelbench.executors.local import LocalExecutor

RELU = """\
import torch
from torch.utils.cpp_extension import load_inline

source = '''
#include <torch/extension.h>

__global__ void relu(const float* x, float* y, size_t n) {
  size_t i = (blockIdx.x * (size_t)blockDim.x + threadIdx.x) * 4;
  if (i >= n) return;
  float4 v = *(const float4*)(x + i);
  v.x = fmaxf(v.x, 0); v.y = fmaxf(v.y, 0); v.z = fmaxf(v.z, 0); v.w = fmaxf(v.w, 0);
  *(float4*)(y + i) = v;
}

torch::Tensor forward(torch::Tensor x) {
  auto y = torch::empty_like(x);
  size_t n = x.numel();
  relu<<<(n / 4 + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
'''
module = load_inline(
    "race_relu", "torch::Tensor forward(torch::Tensor x);", source, functions=["forward"]
)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return module.forward(x)
"""
SOFTMAX = """\
import torch
import triton
import triton.language as tl

@triton.jit
def softmax(x, out, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * columns
    top = tl.full([BLOCK], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=float("-inf"))
        larger = tl.maximum(top, value)
        total = total * tl.exp(top - larger) + tl.exp(value - larger)
        top = larger
    largest = tl.max(top, axis=0)
    scale = 1 / tl.sum(total * tl.exp(top - largest), axis=0)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=float("-inf"))
        tl.store(out + row + at, tl.exp(value - largest) * scale, mask=at < columns)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        softmax[(x.shape[0],)](x, out, x.shape[1], BLOCK=4096, num_warps=8)
        return out
"""
GELU = """\
import torch
import triton
import triton.language as tl

@triton.jit
def gelu(x, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n)
    inner = 0.7978845608028654 * (value + 0.044715 * value * value * value)
    tanh = 1 - 2 / (tl.exp(2 * inner) + 1)
    tl.store(out + at, 0.5 * value * (1 + tanh), mask=at < n)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        n = x.numel()
        gelu[(triton.cdiv(n, 4096),)](x, out, n, BLOCK=4096, num_warps=8)
        return out
"""


def entries(checkout: Path) -> dict[str, tuple[str, str, str]]:
    """Kernel, problem and backend of each, by name."""
    prompts = checkout / "src" / "kernelbench" / "prompts"
    level1 = checkout / "KernelBench" / "level1"

    def text(path: Path) -> str:
        return path.read_text(encoding="utf-8")

    def numbered(number: int) -> str:
        return text(next(level1.glob(f"{number}_*.py")))

    shots = prompts / "few_shot"
    add = text(prompts / "model_ex_add.py")
    tiled = text(shots / "model_ex_tiled_matmul.py")
    flash = text(shots / "model_ex_flash_attn.py")
    return {
        "add, CUDA": (text(prompts / "model_new_ex_add.py"), add, "cuda"),
        "add, Triton": (text(prompts / "model_new_ex_add_triton.py"), add, "triton"),
        "tiled matmul, CUDA": (
            text(shots / "model_new_ex_tiled_matmul.py"),
            tiled,
            "cuda",
        ),
        "flash attention, CUDA": (
            text(shots / "model_new_ex_flash_attn.py"),
            flash,
            "cuda",
        ),
        "level1/19 ReLU, CUDA": (RELU, numbered(19), "cuda"),
        "level1/23 Softmax, Triton": (SOFTMAX, numbered(23), "triton"),
        "level1/88 GELU, Triton": (GELU, numbered(88), "triton"),
    }


def _judge_theirs(checkout: Path, name: str, trials: int) -> None:
    import torch  # noqa: PLC0415

    kernel, problem, backend = entries(checkout)[name]
    result = import_their_eval(checkout).eval_kernel_against_ref(
        problem,
        kernel,
        num_correct_trials=trials,
        num_perf_trials=100,
        measure_performance=True,
        device=torch.device("cuda:0"),
        build_dir=tempfile.mkdtemp(),
        backend=backend,
    )
    correct = bool(result and result.compiled and result.correctness)
    print("RESULT " + json.dumps([correct, result.runtime if correct else None]))


def _theirs(checkout: Path, name: str, trials: int) -> tuple[float, str]:
    with tempfile.TemporaryDirectory() as extensions:
        started = time.perf_counter()
        words = [sys.executable, __file__, str(checkout), "--one", name]
        done = subprocess.run(
            [*words, "--trials", str(trials)],
            env={**os.environ, "TORCH_EXTENSIONS_DIR": extensions},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        return seconds, "no result"
    correct, runtime = json.loads(lines[-1].removeprefix("RESULT "))
    return seconds, f"{runtime * 1e3:.1f} us" if correct else "not correct"


_READ = """\
import pathlib, subprocess, sys, sysconfig, tempfile
import torch, triton
from torch.utils.cpp_extension import CUDA_HOME, include_paths
for problem in sys.stdin.read().split("\\0"):
    names = {}
    exec(problem, names)
    with torch.device("cuda"), torch.no_grad():
        names["Model"](*names["get_init_inputs"]())(*names["get_inputs"]())
source = pathlib.Path(tempfile.mkdtemp(), "read.cu")
source.write_text("#include <torch/extension.h>")
paths = [*include_paths("cuda"), sysconfig.get_path("include")]
words = [f"{CUDA_HOME}/bin/nvcc", "-E", "-std=c++20", *("-I" + path for path in paths)]
subprocess.run([*words, str(source)], check=True)
"""


def _read_from_disk(problems: Iterable[str]) -> None:
    """Or whoever comes first would wait for it, and the others find it in memory."""
    given = "\0".join(problems)
    words = [sys.executable, "-c", _READ]
    subprocess.run(words, input=given, text=True, stdout=subprocess.DEVNULL, check=True)


def _ours(
    checkout: Path, cache: Path, trials: int
) -> tuple[float, dict[str, EvalResult]]:
    started = time.perf_counter()
    executor = LocalExecutor(cache_dir=cache)
    with Evaluator(device="cuda", executor=executor, trials=trials) as evaluator:
        futures = {
            name: evaluator.submit(
                kernel,
                Problem(id=name, name=name, source=problem, origin=f"{name}.py"),
            )
            for name, (kernel, problem, _) in entries(checkout).items()
        }
        results = {name: future.result() for name, future in futures.items()}
    return time.perf_counter() - started, results


def main() -> None:
    words = argparse.ArgumentParser(description="Seconds to judge seven kernels.")
    words.add_argument("checkout", type=Path)
    words.add_argument("--ours-only", action="store_true")
    words.add_argument("--trials", type=int, default=5)
    words.add_argument("--one", help=argparse.SUPPRESS)
    chosen = words.parse_args()
    if chosen.one:
        _judge_theirs(chosen.checkout, chosen.one, chosen.trials)
        return
    _read_from_disk(problem for _, problem, _ in entries(chosen.checkout).values())
    total = 0.0
    if not chosen.ours_only:
        for name in entries(chosen.checkout):
            seconds, said = _theirs(chosen.checkout, name, chosen.trials)
            total += seconds
            print(f"  {name:28} {seconds:6.1f} s  {said}", flush=True)
        print(f"KernelBench's evaluator: {total:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        cache.chmod(0o755)
        cold, results = _ours(chosen.checkout, cache, chosen.trials)
        _print_ours("ours, cold", cold, results)
        warm, results = _ours(chosen.checkout, cache, chosen.trials)
        _print_ours("ours, builds cached", warm, results)
    if total:
        print(f"ratio: cold {total / cold:.1f}, builds cached {total / warm:.1f}")


def _print_ours(title: str, seconds: float, results: dict[str, EvalResult]) -> None:
    print(f"{title}: {seconds:.1f} s")
    for name, result in results.items():
        took = {stage: round(spent, 2) for stage, spent in result.stages.items()}
        runtime = result.runtime.median * 1e6 if result.runtime else float("nan")
        print(f"  {name:28} {result.verdict} {runtime:.1f} us  {took} {result.reason}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
