"""What a test tells of its evaluations: failures, properties, report attributes.

What rides on a report is builtin types only, as xdist can carry nothing else, and
text that came from a kernel or a compiler is escaped before it reaches a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_kernelbench.model import EvalResult, Trial, Verdict
from pytest_kernelbench.terms import Terms
from pytest_kernelbench.text import printable

PENDING = pytest.StashKey[list[dict[str, Any]]]()
UNEVALUATED = pytest.StashKey[str]()
SET_ASIDE = pytest.StashKey[str]()

_LOG_LINES = 40
_LINE_WIDTH = 200
_LIMITS = {
    Verdict.SLOW: ("min_speedup", "max_runtime"),
    Verdict.REGRESSED: ("max_regression",),
    Verdict.AMBIGUOUS: ("min_speedup", "max_runtime", "max_regression"),
    Verdict.WRONG: ("tolerance",),
    Verdict.TIMEOUT: ("timeout", "build_timeout"),
}


class KernelFailure(AssertionError):
    """A kernel was evaluated and found wanting; the subclass is named as its verdict."""

    __module__ = "builtins"  # short names in the summary, as pytest.fail's own


def named_failure(verdict: Verdict, message: str) -> KernelFailure:
    kind = type(verdict.value, (KernelFailure,), {"__module__": "builtins"})
    made: KernelFailure = kind(message)
    return made


def failure_text(
    result: EvalResult, terms: Terms, *, policy: Mapping[str, str], replay: str
) -> str | None:
    """What is to be said of a result that fails its test, the reason in the first line.

    Args:
        result: Already judged.
        terms: What it had to satisfy.
        policy: Verdicts that fail on demand, and the option that demands it.
        replay: The command that evaluates it again.
    """
    if not result.verdict.is_failure and result.verdict not in policy:
        return None
    where = (
        f"{result.kernel}, {result.problem} on {result.device_name or result.device}"
    )
    lines = [escaped(result.reason) or "no reason was given", escaped(where)]
    lines += _numbers(result.trials)
    lines += [_limit(name, terms) for name in _LIMITS.get(result.verdict, ())]
    lines += (
        [f"required by {policy[result.verdict]}"] if result.verdict in policy else []
    )
    lines.append(f"replay: {replay}")
    return "\n".join(line for line in lines if line)


def _numbers(trials: tuple[Trial, ...]) -> list[str]:
    failed = [trial for trial in trials if not trial.passed]
    seen = [trial for trial in failed if trial.max_abs_error is not None]
    if not seen or len(trials) == 1:  # then the reason has said it
        return []
    worst = max(seen, key=lambda trial: trial.max_abs_error or 0.0)
    line = f"{len(failed)} of {len(trials)} trials failed, max error {worst.max_abs_error:.3g}"
    if worst.allowed_error is not None:
        line += f" where {worst.allowed_error:.3g} is allowed"
    return [f"{line}, {worst.mismatched} of {worst.elements} elements"]


def _limit(name: str, terms: Terms) -> str:
    """Where a limit comes from; what is no one's wish needs no line."""
    value = getattr(terms.options, name)
    origin = terms.origins.get(name)
    if value is None or origin is None:
        return ""
    shown = f"{value * 1e6:g} us" if name == "max_runtime" else value
    return f"limit: {name.replace('_', '-')} {shown} from {origin}"


def escaped(text: str) -> str:
    """One line that is safe to print."""
    return " ".join(printable(text).split())


def escaped_log(text: str) -> str:
    """The last lines, safe to print and short enough to read."""
    lines = printable(text).expandtabs().splitlines()
    shown = [line[:_LINE_WIDTH] for line in lines[-_LOG_LINES:]]
    if len(lines) > _LOG_LINES:
        shown.insert(0, f"({len(lines) - _LOG_LINES} lines before)")
    return "\n".join(shown)


def attach(item: pytest.Item, result: EvalResult, ungated: str | None) -> None:
    """Put a result on the item: into its properties and on its next report.

    Args:
        item: Whose evaluation it is.
        result: Already judged.
        ungated: As ``gates.ungated`` has it.
    """
    pending = item.stash.setdefault(PENDING, [])
    told = {"nodeid": item.nodeid, "result": result.to_builtins(), "ungated": ungated}
    pending.append(told)
    item.user_properties.extend(_properties(result, len(pending)))


def give_up(item: pytest.Item, why: str) -> None:
    """Note that there will be no result, for the next report."""
    item.stash[UNEVALUATED] = why


def set_aside(item: pytest.Item, why: str) -> None:
    """Note that there is nothing to evaluate, for the next report."""
    item.stash[SET_ASIDE] = why


def forget(item: pytest.Item) -> None:
    """Drop what an earlier attempt of the same item has put on it."""
    _clear(item)
    item.user_properties[:] = [
        pair for pair in item.user_properties if not pair[0].startswith("kernelbench_")
    ]


def tell(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put on a report what was attached since the last one."""
    told: dict[str, Any] = {"evaluations": item.stash.get(PENDING, [])}
    if UNEVALUATED in item.stash:
        told["unevaluated"] = item.stash[UNEVALUATED]
    if SET_ASIDE in item.stash:
        told["set_aside"] = item.stash[SET_ASIDE]
    if len(told) == 1 and not told["evaluations"]:
        return
    _clear(item)
    report.kernelbench = told  # type: ignore[attr-defined]
    # The report was made before the last properties were known.
    report.user_properties = list(item.user_properties)


def _clear(item: pytest.Item) -> None:
    item.stash[PENDING] = []
    for key in (UNEVALUATED, SET_ASIDE):
        if key in item.stash:
            del item.stash[key]


def _properties(result: EvalResult, number: int) -> list[tuple[str, object]]:
    """Of the first, second … evaluation of a test, by names of their own."""
    flat = {
        "verdict": result.verdict.value,
        "reason": escaped(result.reason) or None,
        "problem": result.problem,
        "device": result.device_name or result.device,
        "backend": result.backend,
        "assurance": result.assurance,
        "seed": result.seed,
        "runtime_s": result.runtime and result.runtime.median,
        "baseline_s": result.baseline and result.baseline.runtime.median,
        "speedup": result.speedup and result.speedup.value,
        "speedup_low": result.speedup and result.speedup.low,
        "speedup_high": result.speedup and result.speedup.high,
        "change": result.change and result.change.verdict,
        "change_speedup": result.change and result.change.speedup.value,
        "build_s": result.build_seconds,
        "elapsed_s": result.elapsed_seconds,
    }
    prefix = "kernelbench" if number == 1 else f"kernelbench_{number}"
    return [(f"{prefix}_{k}", v) for k, v in flat.items() if v is not None]
