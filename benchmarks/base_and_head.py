"""How often base against head is wrong, and how small a change it finds.

    python benchmarks/base_and_head.py changes [--language cuda] [--only "3% more"]
    python benchmarks/base_and_head.py examples [--times 20]

``changes`` needs a CUDA device and nvcc or Triton. A softmax is compared with itself,
and with versions that do a share of its rows once more, which costs a little less than
that share. ``examples`` compares each of the examples with itself on the CPU, as often as
asked. A comment tells base from head, so that each is built by itself. One line a
comparison, and at the end what came of how many.
"""

from __future__ import annotations

import argparse
import collections
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pytest_kernelbench.executors.local import LocalExecutor  # noqa: E402
from pytest_kernelbench.gates import judge  # noqa: E402
from pytest_kernelbench.kernels import read_kernel  # noqa: E402
from pytest_kernelbench.model import (  # noqa: E402
    EvalRequest,
    EvalResult,
    Kernel,
    Options,
    Problem,
)
from pytest_kernelbench.problems import ProblemLibrary, problem_for  # noqa: E402
from pytest_kernelbench.problems.builtin import sized_for  # noqa: E402

ALLOWED = 0.03
MORE = (0.01, 0.03, 0.04, 0.06)

PROBLEM = """\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.softmax(x, dim=-1)


def get_inputs():
    return [torch.randn(16384, 1024)]
"""

TRITON = """\
import torch
import triton
import triton.language as tl

MORE = {more}


@triton.jit
def softmax_row(output, input, rows, columns, BLOCK: tl.constexpr):
    row = (tl.program_id(0) % rows).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    values = tl.load(input + row * columns + column, inside, other=float("-inf"))
    powers = tl.exp(values - tl.max(values, axis=0))
    tl.store(output + row * columns + column, powers / tl.sum(powers, axis=0), inside)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        rows, columns = x.shape
        programs = rows + round(MORE * rows)
        softmax_row[(programs,)](y, x, rows, columns, BLOCK=1024, num_warps=4)
        return y
"""


CUDA = """\
import torch
from torch.utils.cpp_extension import load_inline

MORE = {more}

source = '''
#include <torch/extension.h>

__device__ float over_block(float value, bool largest, float* shared) {{
  for (int other = 16; other; other /= 2) {{
    float theirs = __shfl_xor_sync(0xffffffff, value, other);
    value = largest ? fmaxf(value, theirs) : value + theirs;
  }}
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  value = shared[0];
  for (int warp = 1; warp < blockDim.x / 32; ++warp)
    value = largest ? fmaxf(value, shared[warp]) : value + shared[warp];
  __syncthreads();
  return value;
}}

__global__ void softmax_row(const float4* input, float4* output, int rows) {{
  __shared__ float shared[32];
  size_t at = (size_t)(blockIdx.x % rows) * blockDim.x + threadIdx.x;
  float4 v = input[at];
  float top = over_block(fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)), true, shared);
  v = {{expf(v.x - top), expf(v.y - top), expf(v.z - top), expf(v.w - top)}};
  float total = over_block(v.x + v.y + v.z + v.w, false, shared);
  output[at] = {{v.x / total, v.y / total, v.z / total, v.w / total}};
}}

torch::Tensor softmax(torch::Tensor x, int64_t programs) {{
  auto y = torch::empty_like(x);
  softmax_row<<<programs, x.size(1) / 4>>>(
      (const float4*)x.data_ptr<float>(), (float4*)y.data_ptr<float>(), x.size(0));
  return y;
}}
'''
module = load_inline(
    "softmax_rows",
    "torch::Tensor softmax(torch::Tensor x, int64_t programs);",
    source,
    functions=["softmax"],
)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return module.softmax(x, x.shape[0] + round(MORE * x.shape[0]))
"""
LANGUAGES = {"cuda": CUDA, "triton": TRITON}


def changes(language: str, equal: int, times: int) -> Iterator[tuple[str, EvalRequest]]:
    problem = Problem(id="softmax", name="softmax", source=PROBLEM, origin="softmax")
    template = LANGUAGES[language]
    base = Kernel(
        path="base:head.py", source=template.format(more=0.0), backend=language
    )
    cases = [("equal", base.source + "# head\n", equal)]
    cases += [(f"{more:.0%} more", template.format(more=more), times) for more in MORE]
    for name, source, count in cases:
        for number in range(count):
            yield (
                name,
                EvalRequest(
                    kernel=Kernel(path="head.py", source=source, backend=language),
                    base=base,
                    problem=problem,
                    device="cuda",
                    options=Options(
                        seed=number, trials=2, max_time=1.0, max_regression=ALLOWED
                    ),
                ),
            )


def examples(times: int) -> Iterator[tuple[str, EvalRequest]]:
    library = ProblemLibrary.open([], root=ROOT)
    for path in sorted((ROOT / "examples").glob("*_kernel.py")):
        source = read_kernel(path)
        if source.backend in ("cuda", "triton"):
            continue
        problem = problem_for(
            source, library=library, problem_map=(), rootdir=ROOT, trust_directives=True
        )
        kernel = source.kernel(path.name)
        base = Kernel(
            path=f"base:{path.name}",
            source=kernel.source + "\n# base\n",
            backend=kernel.backend,
        )
        for number in range(times):
            yield (
                path.stem,
                EvalRequest(
                    kernel=kernel,
                    base=base,
                    problem=sized_for(problem, "cpu"),
                    device="cpu",
                    options=Options(
                        seed=number, trials=1, max_time=0.5, max_regression=ALLOWED
                    ),
                ),
            )


def told(name: str, result: EvalResult, seconds: float) -> str:
    change = result.change
    seen = "-"
    if change is not None:
        ratio = change.speedup
        seen = (
            f"{change.verdict} {ratio.value:.4f} [{ratio.low:.4f}, {ratio.high:.4f}] "
            f"noise {change.noise:.4f}"
        )
    notes = "; ".join(result.notes)
    return f"{name:<12} {result.verdict:<10} {seen}  {seconds:.1f} s  {result.reason} {notes}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("changes", "examples"))
    parser.add_argument("--language", choices=LANGUAGES, default="triton")
    parser.add_argument("--equal", type=int, default=40)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", default="", help="cases that begin so")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin none later")
    asked = parser.parse_args()
    requests = (
        changes(asked.language, asked.equal, asked.times)
        if asked.what == "changes"
        else examples(asked.times)
    )
    words = collections.defaultdict[str, collections.Counter[str]](collections.Counter)
    ratios = collections.defaultdict[str, list[float]](list)
    began = time.monotonic()
    executor = LocalExecutor()
    try:
        for name, request in requests:
            if not name.startswith(asked.only):
                continue
            if time.monotonic() - began > asked.seconds:
                break
            started = time.monotonic()
            result = judge(executor.submit(request).result(), request.options)
            print(told(name, result, time.monotonic() - started), flush=True)
            words[name][result.change.verdict if result.change else "-"] += 1
            words[name][result.verdict] += 1
            if result.change:
                ratios[name].append(result.change.speedup.value)
    finally:
        executor.close()
    for name, counts in words.items():
        seen = ", ".join(f"{word} {count}" for word, count in counts.most_common())
        middle = statistics.median(ratios[name]) if ratios[name] else float("nan")
        print(f"{name}: {seen}; median {middle:.4f}")


if __name__ == "__main__":
    main()
