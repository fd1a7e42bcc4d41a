"""What of a run needs a reader, the worst first.

An error is what failed the run, a warning what nearly did, a notice what is good to
know. What went as expected is none of these.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

from pytest_kernelbench.model import EvalResult, Verdict
from pytest_kernelbench.outcomes import escaped
from pytest_kernelbench.reports import wording
from pytest_kernelbench.runs import Evaluated, Run


class Level(enum.IntEnum):
    """How much a finding matters; the least number most."""

    ERROR = 0
    WARNING = 1
    NOTICE = 2
    NONE = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to tell, and where it belongs."""

    level: Level
    title: str
    text: str
    nodeid: str | None = None
    """None for what is told of the whole run."""
    line: int | None = None
    """1-based."""
    told_by_pytest: bool = False
    """Whether this is the failure of a test's call, which other plugins tell too."""


_WORST_FIRST = (
    Verdict.INTEGRITY,
    Verdict.WRONG,
    Verdict.SHAPE,
    Verdict.DTYPE,
    Verdict.NONFINITE,
    Verdict.CRASH,
    Verdict.BUILD,
    Verdict.TIMEOUT,
    Verdict.OOM,
    Verdict.REGRESSED,
    Verdict.SLOW,
    Verdict.AMBIGUOUS,
)


def ranked(run: Run) -> list[tuple[Level, Evaluated]]:
    """All evaluations, the worst first, otherwise as they were."""
    blamed = {one.nodeid for one in run.evaluated if _is_at_fault(one)}
    found = [(_level(one, blamed), one) for one in run.evaluated]
    return sorted(found, key=lambda pair: (pair[0], _rank(pair[1].result.verdict)))


def _is_at_fault(one: Evaluated) -> bool:
    return one.outcome == "failed" and one.result.verdict.is_failure


def _level(one: Evaluated, blamed: set[str]) -> Level:
    result = one.result
    # Of a test with several evaluations only the bad ones are to blame, if there are any.
    if one.outcome == "failed" and (one.nodeid not in blamed or _is_at_fault(one)):
        return Level.ERROR
    if one.outcome == "skipped":
        return Level.NONE
    if result.verdict.is_failure or result.verdict is Verdict.AMBIGUOUS:
        return Level.WARNING
    if result.change is not None and result.change.verdict == "SLOWER":
        return Level.WARNING
    if result.change is not None and result.change.verdict == "FASTER":
        return Level.NOTICE
    return Level.NONE


def _rank(verdict: Verdict) -> int:
    return _WORST_FIRST.index(verdict) if verdict in _WORST_FIRST else len(_WORST_FIRST)


def findings(run: Run) -> list[Finding]:
    """What is to be told, by level."""
    told = [
        _finding(level, one) for level, one in ranked(run) if level is not Level.NONE
    ]
    told += [
        Finding(
            level=Level.ERROR,
            title="not evaluated",
            text=escaped(f"{nodeid}: {why}"),
            nodeid=nodeid,
        )
        for nodeid, why in run.unevaluated.items()
    ]
    told += _skipped([one.result for one in run.evaluated if one.outcome == "skipped"])
    return sorted(told, key=lambda finding: finding.level)


def _finding(level: Level, one: Evaluated) -> Finding:
    result = one.result
    return Finding(
        level=level,
        title=f"{_word(result, level)}: {escaped(result.problem)} on {escaped(device(result))}",
        text=told_of(result),
        nodeid=one.nodeid,
        line=one.line,
        told_by_pytest=level is Level.ERROR,
    )


def _word(result: EvalResult, level: Level) -> str:
    """The verdict, or the change where that is what is told."""
    plain = result.verdict is Verdict.PASS and level is not Level.ERROR
    return result.change.verdict if plain and result.change else result.verdict.value


def device(result: EvalResult) -> str:
    return result.device_name or result.device


def told_of(result: EvalResult) -> str:
    """The reason, else the numbers; and the change, if there is one."""
    parts = [escaped(result.reason)] if result.reason else _numbers(result)
    if result.change is not None:
        against = escaped(result.change.against)
        parts.append(f"against {against}: {wording.change(result.change)}")
    return "; ".join(parts)


def _numbers(result: EvalResult) -> list[str]:
    parts = []
    if result.speedup is not None:
        parts.append(f"speedup {wording.speedup(result.speedup)}")
    if result.runtime is not None:
        parts.append(f"runtime {wording.runtime(result.runtime)}")
    return parts or ["the test failed"]


def _skipped(results: Sequence[EvalResult]) -> list[Finding]:
    missing = [one for one in results if one.verdict is Verdict.NO_DEVICE]
    if not missing:
        return []
    reasons = ", ".join(dict.fromkeys(escaped(one.reason) for one in missing))
    skipped = wording.counted(len(missing), "kernel")
    text = f"{skipped} not evaluated for want of a device: {reasons}"
    return [Finding(level=Level.NOTICE, title="skipped", text=text)]
