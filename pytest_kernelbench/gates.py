"""Thresholds turned into verdicts: pure functions from result to result.

A threshold fails only when the interval at the run's error rate excludes it; between,
the verdict is ``AMBIGUOUS``. A verdict about correctness is never touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_kernelbench.backends import only_calls_pytorch
from pytest_kernelbench.model import EvalRequest, EvalResult, Options, Verdict
from pytest_kernelbench.statistics import regression_limit
from pytest_kernelbench.syntax import SourceError, parse

NOT_COMPARED = "not compared"
"""How every reason begins for which a kernel was not held to what it was."""


def judge(result: EvalResult, options: Options) -> EvalResult:
    """Turn a PASS that misses a threshold into SLOW or REGRESSED, or AMBIGUOUS."""
    if result.verdict is not Verdict.PASS:
        return result
    findings = [
        _speedup_finding(result, options.min_speedup),
        _runtime_finding(result, options.max_runtime),
        _change_finding(result, options.max_regression),
    ]
    for verdict in (Verdict.SLOW, Verdict.REGRESSED, Verdict.AMBIGUOUS):
        reasons = [reason for found, reason in findings if found is verdict]
        if reasons:
            reason = "; ".join(reasons)
            if result.unscorable:
                reason = f"unscorable, as {result.unscorable}: {reason}"
            return msgspec.structs.replace(result, verdict=verdict, reason=reason)
    return result


def judge_change(
    result: EvalResult, findings: Sequence[tuple[Verdict, str]]
) -> EvalResult:
    """Turn what would pass into REGRESSED, or AMBIGUOUS, for having got worse.

    Args:
        result: Already judged by its own thresholds.
        findings: REGRESSED or AMBIGUOUS, and why.
    """
    if result.verdict not in (Verdict.PASS, Verdict.AMBIGUOUS):
        return result
    for verdict in (Verdict.REGRESSED, Verdict.AMBIGUOUS):
        reasons = [reason for found, reason in findings if found is verdict]
        if reasons:
            if result.reason and verdict is result.verdict:
                new = [reason for reason in reasons if reason not in result.reason]
                reasons = [result.reason, *new]
            reason = "; ".join(reasons)
            return msgspec.structs.replace(result, verdict=verdict, reason=reason)
    return result


def ungated(result: EvalResult, options: Options, *, compares: bool) -> str | None:
    """Why a kernel was not held to its limits; empty where it was.

    Args:
        result: Already judged.
        options: With its limits.
        compares: Whether kernels of this run are held to what they were.

    Returns:
        None where it has no limits.
    """
    limited = (options.min_speedup or options.max_runtime) is not None
    if not limited and not compares:
        return None
    if result.verdict is Verdict.NO_DEVICE:
        return f"NO-DEVICE: {result.reason}"
    if result.verdict.is_failure and result.verdict not in _OF_LIMITS:
        return result.verdict.value
    if result.runtime is None:
        return "no runtime was measured"
    if compares and result.change is None:
        said = (*result.notes, result.reason)
        return next((one for one in said if one.startswith(NOT_COMPARED)), NOT_COMPARED)
    return ""


_OF_LIMITS = (Verdict.SLOW, Verdict.REGRESSED)


def require_assurance(result: EvalResult, level: str | None) -> EvalResult:
    """Turn a success that was kept apart less strongly than asked into INTEGRITY."""
    if level is None or not _vouched(result) or (result.assurance or "L0") >= level:
        return result
    reason = (
        f"assurance {result.assurance or 'unknown'}, "
        f"at least {level} required (--kb-min-assurance)"
    )
    return msgspec.structs.replace(result, verdict=Verdict.INTEGRITY, reason=reason)


def require_kernel(result: EvalResult, request: EvalRequest) -> EvalResult:
    """Turn a success of what only calls PyTorch into INTEGRITY, where that is asked."""
    if not request.options.require_kernel or not _vouched(result):
        return result
    if request.kernel.language != "python" or not _is_pytorch(request.kernel.source):
        return result
    reason = "it has no kernel of its own, it only calls PyTorch (--kb-require-kernel)"
    return msgspec.structs.replace(result, verdict=Verdict.INTEGRITY, reason=reason)


def _is_pytorch(source: str) -> bool:
    try:
        return only_calls_pytorch(parse(source))
    except SourceError:
        return False  # yet it ran, so this is a newer Python's


def _vouched(result: EvalResult) -> bool:
    return result.verdict in (Verdict.PASS, Verdict.SLOW, Verdict.AMBIGUOUS)


def _speedup_finding(result: EvalResult, required: float | None) -> tuple[Verdict, str]:
    speedup = result.speedup
    if required is None:
        return Verdict.PASS, ""
    if speedup is None:
        return (
            Verdict.AMBIGUOUS,
            f"no speedup measured, at least {required:g}x required",
        )
    seen = f"speedup {speedup.value:.3g}x [{speedup.low:.3g}, {speedup.high:.3g}]"
    reason = f"{seen}, at least {required:g}x required"
    if (result.decisive_speedup or speedup).high < required:
        return Verdict.SLOW, reason
    return (Verdict.PASS if speedup.low >= required else Verdict.AMBIGUOUS), reason


def _runtime_finding(result: EvalResult, allowed: float | None) -> tuple[Verdict, str]:
    runtime, decisive = result.runtime, result.decisive_speedup
    if allowed is None:
        return Verdict.PASS, ""
    limit = f"at most {allowed * 1e6:g} us allowed"
    if runtime is None:
        return Verdict.AMBIGUOUS, f"no runtime measured, {limit}"
    low, high = runtime.low * 1e6, runtime.high * 1e6
    reason = f"runtime {runtime.median * 1e6:.4g} us [{low:.4g}, {high:.4g}], {limit}"
    # A runtime is no better known than the speedup that was measured with it.
    surely = runtime.median * (decisive.low / decisive.value if decisive else 1.0)
    if min(runtime.low, surely) > allowed:
        return Verdict.SLOW, reason
    return (Verdict.PASS if runtime.high <= allowed else Verdict.AMBIGUOUS), reason


def _change_finding(result: EvalResult, allowed: float | None) -> tuple[Verdict, str]:
    """Whether a kernel takes longer than the base that was timed beside it."""
    change = result.change
    if allowed is None:
        return Verdict.PASS, ""
    limit = f"at most {allowed * 100:g}% slower allowed"
    if change is None:
        return Verdict.AMBIGUOUS, f"{NOT_COMPARED}, {limit}"
    took = [(1 / x - 1) * 100 for x in (change.speedup.high, change.speedup.low)]
    middle = (1 / change.speedup.value - 1) * 100
    seen = f"takes {middle:+.1f}% [{took[0]:+.1f}, {took[1]:+.1f}] longer"
    reason = f"{seen} than in {change.against}, {limit}"
    lowest = regression_limit(allowed)
    if change.verdict == "SLOWER" and change.speedup.high < lowest:
        return Verdict.REGRESSED, reason
    return (Verdict.PASS if change.speedup.low >= lowest else Verdict.AMBIGUOUS), reason
