"""Thresholds turned into verdicts: pure functions from result to result.

A threshold fails only when the interval at the run's error rate excludes it; between,
the verdict is ``AMBIGUOUS``. A verdict about correctness is never touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_kernelbench.model import EvalResult, Options, Verdict


def judge(result: EvalResult, options: Options) -> EvalResult:
    """Turn a PASS that misses a threshold into SLOW, or AMBIGUOUS where undecided."""
    if result.verdict is not Verdict.PASS:
        return result
    findings = [
        _speedup_finding(result, options.min_speedup),
        _runtime_finding(result, options.max_runtime),
    ]
    for verdict in (Verdict.SLOW, Verdict.AMBIGUOUS):
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
                reasons.insert(0, result.reason)
            reason = "; ".join(reasons)
            return msgspec.structs.replace(result, verdict=verdict, reason=reason)
    return result


def require_assurance(result: EvalResult, level: str | None) -> EvalResult:
    """Turn a success that was kept apart less strongly than asked into INTEGRITY."""
    if level is None or not _vouched(result) or (result.assurance or "L0") >= level:
        return result
    reason = (
        f"assurance {result.assurance or 'unknown'}, "
        f"at least {level} required (--kb-min-assurance)"
    )
    return msgspec.structs.replace(result, verdict=Verdict.INTEGRITY, reason=reason)


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
