"""Each result of this session against what is known from others.

Belongs to the process that owns the executor, so that a kernel that got worse fails
its own test, with any number of workers. Called from any thread; never raises, as a
result must not be lost for want of an older one.
"""

from __future__ import annotations

import msgspec

from pytest_kernelbench.changes import change, session_noise, worse
from pytest_kernelbench.gates import NOT_COMPARED, judge_change
from pytest_kernelbench.history.known import Known, Records, SavedRuns, Unknown
from pytest_kernelbench.model import EvalResult, Verdict
from pytest_kernelbench.settings import Settings

Finding = tuple[Verdict, str]


class Past:
    """What is known, and what this session requires of it."""

    def __init__(self, settings: Settings) -> None:
        self._noise = settings.session_noise
        self._known: list[Known] = []
        if settings.compare is not None:  # before records: asked for this time
            self._known.append(SavedRuns(settings, settings.compare))
        if settings.record_file is not None:
            self._known.append(Records(settings, settings.record_file))

    def judged(self, result: EvalResult, alpha: float) -> EvalResult:
        """The result with its change, and the verdict after all limits.

        Args:
            result: Already judged by its own thresholds.
            alpha: Probability that it fails though it keeps its limits.
        """
        if result.verdict.is_failure and result.verdict is not Verdict.SLOW:
            return result
        for known in self._known:
            result = self._against(result, known, alpha)
        return result

    def _against(self, result: EvalResult, known: Known, alpha: float) -> EvalResult:
        try:
            then = known.earlier(result)
        except Unknown as error:
            return _uncompared(result, error, gated=bool(known.required))
        noise = self._noise or session_noise(result.device)
        if result.change is None:
            changed = change(result, then, noise=noise)
            result = msgspec.structs.replace(result, change=changed)
        findings: list[Finding] = []
        for required, origin in known.required:
            found = worse(
                required, result, then, noise=noise, alpha=alpha, origin=origin
            )
            if found is not None:
                verdict = Verdict.REGRESSED if found.certain else Verdict.AMBIGUOUS
                findings.append((verdict, found.reason))
        return judge_change(result, findings)


def _uncompared(result: EvalResult, why: Unknown, *, gated: bool) -> EvalResult:
    text = f"{NOT_COMPARED}: {why}"
    if gated and not why.expected:
        return judge_change(result, [(Verdict.AMBIGUOUS, text)])
    notes = tuple(dict.fromkeys((*result.notes, text)))
    return msgspec.structs.replace(result, notes=notes)


def past_of(settings: Settings) -> Past | None:
    """None where nothing is to be compared."""
    asked = settings.compare is not None or settings.record_file is not None
    return Past(settings) if asked and not settings.no_timing else None
