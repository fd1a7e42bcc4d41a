"""How many variants a minute a search gets through on one GPU, each checked and timed.

    python benchmarks/search_loop.py [--variants 100] [--device cuda]

Variants of a Triton softmax: every source differs, so each is compiled and judged as if
it had never been seen. Prints the rate from the first submission to the last result,
and where the time of an evaluation goes.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import statistics
import time

from pytest_kernelbench import EvalResult, Evaluator

VARIANT = """\
# variant {number}
import torch
import triton
import triton.language as tl

@triton.jit
def softmax(x, out, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * columns
    largest = tl.full([BLOCK], float("-inf"), tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=float("-inf"))
        largest = tl.maximum(largest, value)
    top = tl.max(largest, axis=0)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=float("-inf"))
        total += tl.exp(value - top)
    scale = 1 / tl.sum(total, axis=0)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row + at, mask=at < columns, other=float("-inf"))
        tl.store(out + row + at, tl.exp(value - top) * scale, mask=at < columns)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        softmax[(x.shape[0],)](
            x, out, x.shape[1], BLOCK={block}, num_warps={warps}, num_stages={stages}
        )
        return out
"""


def variants(count: int) -> list[str]:
    choices = itertools.product((256, 512, 1024, 2048, 4096), (2, 4, 8, 16), (1, 2, 3))
    return [
        VARIANT.format(number=number, block=block, warps=warps, stages=stages)
        for number, (block, warps, stages) in zip(
            range(count), itertools.cycle(choices), strict=False
        )
    ]


def main() -> None:
    words = argparse.ArgumentParser(description="The rate of a search on one device.")
    words.add_argument("--variants", type=int, default=100)
    words.add_argument("--device")
    chosen = words.parse_args()
    pairs = [(source, "builtin/softmax") for source in variants(chosen.variants)]
    with Evaluator(device=chosen.device) as evaluator:
        started = time.perf_counter()
        results = list(evaluator.evaluate_many(pairs))
        seconds = time.perf_counter() - started
    _report(results, seconds)


def _report(results: list[EvalResult], seconds: float) -> None:
    verdicts = collections.Counter(result.verdict.value for result in results)
    print(f"{len(results)} variants in {seconds:.1f} s: {dict(verdicts)}")
    print(f"{len(results) / seconds * 60:.0f} a minute")
    stages = {name for result in results for name in result.stages}
    for name in sorted(stages):
        spent = [result.stages.get(name, 0.0) for result in results]
        print(f"  {name:10} median {statistics.median(spent):.3f} s")
    trials = [len(result.trials) for result in results]
    print(f"  verified calls an evaluation: median {statistics.median(trials):.0f}")
    best = max(results, key=lambda result: result.score)
    print(f"best: {best.feedback(0).replace(chr(10), ', ')}")


if __name__ == "__main__":
    main()
