"""Each result of this session against what is known from others.

Belongs to the process that owns the executor, so that a kernel that got worse fails
its own test, with any number of workers. Called from any thread; never raises, as a
result must not be lost for want of an older one.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence

import msgspec

from pytest_kernelbench.changes import Earlier, change, worse
from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.gates import judge_change
from pytest_kernelbench.history.comparable import evaluation_of, obstacles
from pytest_kernelbench.history.store import NEWEST, Saved, Store, slug
from pytest_kernelbench.limits import Limit
from pytest_kernelbench.model import EvalResult, Verdict
from pytest_kernelbench.settings import Settings

_LOOKED_BACK = 20
"""Runs in which the newest measurement of a kernel is looked for."""
Finding = tuple[Verdict, str]


class Unknown(Exception):
    """There is nothing to compare with; says why."""

    def __init__(self, why: str, *, new: bool = False) -> None:
        super().__init__(why)
        self.new = new
        """Whether the kernel is new, so that no one could expect a comparison."""


class Past:
    """What is known, and what this session requires of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runs = SavedRuns(settings) if settings.compare else None

    def judged(self, result: EvalResult) -> EvalResult:
        """The result with its change, and the verdict after all limits."""
        if result.verdict.is_failure and result.verdict is not Verdict.SLOW:
            return result
        if self._runs is not None:
            result = self._against(result, self._runs, self._settings.compare_fail)
        return result

    def _against(
        self, result: EvalResult, known: SavedRuns, limits: Sequence[Limit]
    ) -> EvalResult:
        try:
            then = known.earlier(result)
        except Unknown as error:
            return _uncompared(result, error, gated=bool(limits))
        settings = self._settings
        noise, least = settings.session_noise, settings.max_regression
        if result.change is None:
            changed = change(result, then, noise=noise, least=least)
            result = msgspec.structs.replace(result, change=changed)
        findings: list[Finding] = []
        for limit in limits:
            origin = known.origin(limit)
            found = worse(limit, result, then, noise=noise, origin=origin)
            if found is not None:
                verdict = Verdict.REGRESSED if found.certain else Verdict.AMBIGUOUS
                findings.append((verdict, found.reason))
        return judge_change(result, findings)


def _uncompared(result: EvalResult, why: Unknown, *, gated: bool) -> EvalResult:
    text = f"not compared: {why}"
    if gated and not why.new:
        return judge_change(result, [(Verdict.AMBIGUOUS, text)])
    notes = tuple(dict.fromkeys((*result.notes, text)))
    return msgspec.structs.replace(result, notes=notes)


def past_of(settings: Settings) -> Past | None:
    """None where nothing is to be compared."""
    return Past(settings) if settings.compare and not settings.no_timing else None


class SavedRuns:
    """Saved runs as the past: for each kernel the newest that will do.

    The mutable state is the runs found so far, by device.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.compare is not None
        self._store = Store(settings.storage)
        self._wanted = settings.compare
        self._across = settings.compare_across
        self._origin = settings.origins.get("compare_fail", "--kb-compare-fail")
        self._found: dict[str, list[Saved]] = {}
        self._lock = threading.Lock()

    def origin(self, limit: Limit) -> str:
        dash = self._origin.startswith("--")
        return f"{self._origin}={limit.text}" if dash else self._origin

    def earlier(self, now: EvalResult) -> Earlier:
        """The kernel's newest measurement that may be compared.

        Raises:
            Unknown: there is none.
        """
        if now.speedup is None:
            raise Unknown("no speedup was measured")
        with self._lock:
            candidates = self._candidates(slug(now.device_name))
            refused = None
            for saved in candidates[-1 : -1 - _LOOKED_BACK : -1]:
                then = self._evaluation(saved, now)
                if then is None:
                    continue
                why = obstacles(then, now, across=self._across)
                if not why:
                    return _as_earlier(saved, then, now)
                refused = refused or Unknown(
                    f"{saved.name}: {', '.join(why)}{self._way_out(then, now)}"
                )
        raise refused or Unknown(f"not measured in {candidates[-1].name}", new=True)

    def _way_out(self, then: EvalResult, now: EvalResult) -> str:
        only_these = not obstacles(then, now, across=True)
        return " (--kb-compare-across allows it)" if only_these else ""

    def _candidates(self, device: str) -> list[Saved]:
        if device not in self._found:
            self._found[device] = self._looked_up(device)
        if not self._found[device]:
            raise Unknown(self._nothing(device))
        return self._found[device]

    def _looked_up(self, device: str) -> list[Saved]:
        found = self._store.find(self._wanted, device)
        if not found and self._across:
            found = self._store.find(self._wanted)
            found.sort(key=lambda saved: saved.path.stat().st_mtime)
        return found

    def _nothing(self, device: str) -> str:
        elsewhere = self._store.find(self._wanted)
        if not elsewhere:
            return self._store.missing(self._wanted)
        last = elsewhere[-1]
        return (
            f"{last.name} is of {last.device}, this is {device} "
            "(--kb-compare-across allows it)"
        )

    def _evaluation(self, saved: Saved, now: EvalResult) -> EvalResult | None:
        try:
            then = evaluation_of(saved.run.evaluated, now)
        except RunFileError as error:
            raise Unknown(str(error)) from None
        if then is None or then.speedup is None or not then.correct:
            return None
        # Or a regression would be accepted by running twice.
        spoiled = then.verdict is Verdict.REGRESSED and self._wanted == NEWEST
        return None if spoiled else then


def _as_earlier(saved: Saved, then: EvalResult, now: EvalResult) -> Earlier:
    return Earlier(
        against=f"{saved.name} ({saved.age(dt.datetime.now(dt.UTC))})",
        speedup=then.speedup,
        runtime=then.runtime,
        same_kernel=bool(then.kernel_digest)
        and then.kernel_digest == now.kernel_digest,
    )
