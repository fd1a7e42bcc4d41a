"""A kernel beside its base, and once more where the first time does not settle it.

A kernel that seems slower is measured again, with new processes on both sides: where
code and buffers of a process happen to lie moves its time, and a true slowdown does
not go away. What goes wrong while the base is there, and may be the base's doing, is
decided by the kernel alone.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pytest_kernelbench.model import (
    Change,
    EvalRequest,
    EvalResult,
    Interval,
    Kernel,
    Verdict,
)

_ON_BOTH = (Verdict.CRASH, Verdict.TIMEOUT, Verdict.OOM, Verdict.INTEGRITY)
"""What a base could bring upon a kernel by what it does to the device they share."""


def beside_base(
    request: EvalRequest, evaluate: Callable[[EvalRequest], EvalResult]
) -> EvalResult:
    """Evaluate, and again if need be.

    Args:
        request: with a base or without.
        evaluate: carries out a request, each time with other seeds.
    """
    first = evaluate(request)
    if request.base is None:
        return first
    if first.verdict in _ON_BOTH and "base" in first.stages:
        alone = evaluate(msgspec.structs.replace(request, base=None))
        why = f"beside its base it was {first.verdict}: {first.reason}"
        return _noted(_with_time_of(first, alone), not_compared(request.base, why))
    if first.change is None or first.change.verdict != "SLOWER":
        return first
    second = evaluate(request)
    return _with_time_of(first, _agreed(first, second, first.change))


def not_compared(base: Kernel, why: str) -> str:
    """The note on a kernel that has a base and was not compared with it."""
    return f"not compared with {reference_of(base)}: {why}"


def reference_of(base: Kernel) -> str:
    """What a base is called: the revision that it is from."""
    return base.path.partition(":")[0]


def _agreed(first: EvalResult, second: EvalResult, slower: Change) -> EvalResult:
    """What both measurements bear out."""
    if second.verdict is not Verdict.PASS:
        return second
    change = second.change
    if change is not None and change.verdict == "SLOWER":
        milder = max(first, second, key=_speedup)
        return _noted(milder, _measured_twice(slower, change))
    unsure = msgspec.structs.replace(
        slower,
        verdict="AMBIGUOUS",
        speedup=_hull(
            slower.speedup, slower.speedup if change is None else change.speedup
        ),
    )
    result = msgspec.structs.replace(second, change=unsure)
    return result if change is None else _noted(result, _measured_twice(slower, change))


def _speedup(result: EvalResult) -> float:
    return 0.0 if result.change is None else result.change.speedup.value


def _measured_twice(first: Change, second: Change) -> str:
    values = f"{first.speedup.value:.3f}x and {second.speedup.value:.3f}x"
    return f"measured twice against {first.against}: {values}"


def _hull(one: Interval, other: Interval) -> Interval:
    value = (one.value * other.value) ** 0.5
    low, high = min(one.low, other.low), max(one.high, other.high)
    return Interval(value=value, low=low, high=high)


def _noted(result: EvalResult, note: str) -> EvalResult:
    notes = tuple(dict.fromkeys((*result.notes, note)))
    return msgspec.structs.replace(result, notes=notes)


def _with_time_of(first: EvalResult, last: EvalResult) -> EvalResult:
    elapsed = (first.elapsed_seconds or 0.0) + (last.elapsed_seconds or 0.0)
    return msgspec.structs.replace(
        last, elapsed_seconds=elapsed, build_seconds=first.build_seconds
    )
