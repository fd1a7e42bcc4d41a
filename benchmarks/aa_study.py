"""Equal kernels, and kernels that are slower by a known share: what is said of them?

    python benchmarks/aa_study.py [--evaluations 1000] [--slowed 20] [--seconds 600]

Equal kernels: how often the 95 % interval holds 1.0, and how many are called SLOW
against a threshold of 1.0 at the default chance of 1 % per run. Slowed kernels: how
many are called SLOW, with what was measured of the slowdown. After so many seconds the
equal ones are cut short. All GPUs that are visible take part.
"""

from __future__ import annotations

import argparse
import collections
import math
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.equal_kernels import ENTRIES, equal, numbered, problem, slowed
from pytest_kernelbench import EvalResult, Evaluator

_ALPHA = 0.01
_CLOCK = 1.98e9
"""Cycles per second that a spinning kernel counts on an H200."""
_LAUNCH = 2e-6
"""Seconds that a kernel takes which does not spin at all."""
_SLOWED = ("softmax 4096", "relu 64M", "matmul 4096")


def equals(
    evaluator: Evaluator, count: int, limit: float
) -> dict[str, list[EvalResult]]:
    pairs = [(equal(name, number), problem(name)) for name, number in numbered(count)]
    results = evaluator.evaluate_many(
        pairs, min_speedup=1.0, alpha=_ALPHA / count, ordered=True
    )
    found = collections.defaultdict(list)
    started = time.perf_counter()
    for (name, _), result in zip(numbered(count), results, strict=True):
        found[name].append(result)
        if time.perf_counter() - started > limit:
            break
    return found


def print_equals(seen: dict[str, list[EvalResult]]) -> None:
    found = {name: seen[name] for name in ENTRIES if name in seen}
    everything = [result for results in found.values() for result in results]
    print(f"{'':14} {'n':>4} {'median':>9} {'ratio':>7} {'sd':>7} {'holds 1':>8}  SLOW")
    for name, results in [*found.items(), ("all", everything)]:
        timed = [result for result in results if result.speedup]
        ratios = [result.speedup.value for result in timed if result.speedup]
        held = sum(_holds_one(result) for result in timed)
        slow = sum(result.verdict == "SLOW" for result in results)
        median = statistics.median(r.runtime.median for r in timed if r.runtime)
        print(
            f"{name:14} {len(results):4} {median * 1e6:7.1f}us "
            f"{statistics.median(ratios):7.4f} {statistics.pstdev(ratios):7.4f} "
            f"{held / len(timed):8.1%}  {slow}"
        )
    words = collections.Counter(result.verdict.value for result in everything)
    print(f"verdicts: {dict(words)}")
    for result in everything:
        if result.verdict not in ("PASS", "AMBIGUOUS"):
            print(f"  {result.problem}: {result.verdict}: {result.reason}")


def _holds_one(result: EvalResult) -> bool:
    assert result.speedup is not None
    return result.speedup.low <= 1.0 <= result.speedup.high


def _print_slowed(
    evaluator: Evaluator, known: dict[str, float], count: int, share: float
) -> None:
    for name in _SLOWED:
        cycles = int((share * known[name] - _LAUNCH) * _CLOCK)
        pairs = [(slowed(name, i, max(cycles, 1)), problem(name)) for i in range(count)]
        results = list(
            evaluator.evaluate_many(pairs, min_speedup=1.0, alpha=_ALPHA / count)
        )
        ratios = [result.speedup.value for result in results if result.speedup]
        seconds = statistics.median(result.stages["timing"] for result in results)
        slow = sum(result.verdict == "SLOW" for result in results)
        print(
            f"{name:14} slowed {1 - statistics.median(ratios):.2%}: "
            f"{slow} of {count} found, {seconds:.2f} s of timing each"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    words = argparse.ArgumentParser(description="What is said of equal kernels.")
    words.add_argument("--evaluations", type=int, default=1000)
    words.add_argument("--slowed", type=int, default=20)
    words.add_argument("--seconds", type=float, default=math.inf)
    words.add_argument("--share", type=float, default=0.02)
    chosen = words.parse_args(arguments)
    with Evaluator(device="cuda") as evaluator:
        started = time.perf_counter()
        found = equals(evaluator, chosen.evaluations, chosen.seconds)
        seconds = time.perf_counter() - started
        print_equals(found)
        count = sum(map(len, found.values()))
        print(f"{count / seconds * 60:.0f} a minute", flush=True)
        known = {
            name: statistics.median(r.runtime.median for r in results if r.runtime)
            for name, results in found.items()
        }
        if chosen.slowed:
            _print_slowed(evaluator, known, chosen.slowed, chosen.share)


if __name__ == "__main__":
    main()
