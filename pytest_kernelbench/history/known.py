"""Where earlier measurements come from: saved runs, or the record file.

Both answer the same question, each in its way: what was this kernel's speedup before?
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import pytest

from pytest_kernelbench.changes import Earlier
from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.history.comparable import evaluation_of, obstacles
from pytest_kernelbench.history.records import Key, Record, read_records, record_key
from pytest_kernelbench.history.store import NEWEST, Saved, Store, slug
from pytest_kernelbench.limits import Limit, limit
from pytest_kernelbench.model import EvalResult, Verdict
from pytest_kernelbench.settings import Settings

Required = tuple[tuple[Limit, str], ...]
_LOOKED_BACK = 20
"""Runs in which the newest measurement of a kernel is looked for."""


class Unknown(Exception):
    """There is nothing to compare with; says why."""

    def __init__(self, why: str, *, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected
        """Whether no one could expect a comparison: the kernel is new."""


class Known(Protocol):
    """Somewhere that earlier measurements are kept."""

    required: Required
    """What a kernel must not exceed, and who said so."""

    def earlier(self, now: EvalResult) -> Earlier:
        """The kernel's earlier measurement.

        Raises:
            Unknown: there is none that may be compared.
        """
        ...


class SavedRuns:
    """Of each kernel the newest measurement that will do.

    The mutable state is the runs found so far, by device.
    """

    def __init__(self, settings: Settings, wanted: str) -> None:
        self._store = Store(settings.storage)
        self._wanted = wanted
        self._across = settings.compare_across
        self.required: Required = tuple(
            (one, _said(settings, "compare_fail", one.text))
            for one in settings.compare_fail
        )
        self._found: dict[str, list[Saved]] = {}
        self._lock = threading.Lock()

    def earlier(self, now: EvalResult) -> Earlier:
        if now.speedup is None:
            raise Unknown("no speedup was measured")
        with self._lock:
            return self._newest(
                self._candidates(slug(now.device_name or now.device)), now
            )

    def _newest(self, candidates: Sequence[Saved], now: EvalResult) -> Earlier:
        refused = None
        for saved, then in islice(self._measured(candidates, now), _LOOKED_BACK):
            why = obstacles(then, now, across=self._across)
            if not why:
                return _as_earlier(saved, then, now)
            only_across = not obstacles(then, now, across=True)
            refused = refused or _refused(saved.name, why, only_across=only_across)
        raise refused or Unknown(
            f"not measured in {candidates[-1].name}", expected=True
        )

    def _measured(
        self, candidates: Sequence[Saved], now: EvalResult
    ) -> Iterator[tuple[Saved, EvalResult]]:
        """Where the kernel was, newest first, until there is little hope for more."""
        in_vain = 0
        for saved in reversed(candidates):
            then = self._evaluation(saved, now)
            if then is None:
                in_vain += 1
                if in_vain == _LOOKED_BACK:
                    return
            # Or a regression would be accepted by running it again.
            elif then.verdict is not Verdict.REGRESSED or self._wanted != NEWEST:
                yield saved, then

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
        measured = then is not None and then.speedup is not None and then.correct
        return then if measured else None


def _as_earlier(saved: Saved, then: EvalResult, now: EvalResult) -> Earlier:
    known = bool(then.kernel_digest)
    return Earlier(
        against=f"{saved.name} ({saved.age(dt.datetime.now(dt.UTC))})",
        speedup=then.speedup,
        runtime=then.runtime,
        same_kernel=known and then.kernel_digest == now.kernel_digest,
    )


class Records:
    """The record of each kernel on its device."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._name = path.name
        self._across = settings.compare_across
        # What cannot be compared any more is about to be replaced.
        self._replacing = settings.update_records
        share = f"{settings.max_regression * 100:g}%"
        origin = _said(settings, "max_regression", share)
        self.required: Required = ((limit(f"speedup:{share}"), origin),)
        self._records: dict[Key, Record] = {}
        self._trouble: str | None = None
        try:
            if path.exists() or not self._replacing:
                self._records = read_records(path)
        except RunFileError as error:
            self._trouble = str(error)

    def earlier(self, now: EvalResult) -> Earlier:
        if now.speedup is None:
            raise Unknown("no speedup was measured")
        if self._trouble is not None:
            raise Unknown(self._trouble, expected=self._replacing)
        record = self._records.get(record_key(now))
        if record is None:
            raise Unknown(f"no record in {self._name}", expected=True)
        why = record.obstacles(now, across=self._across)
        if not why:
            return record.earlier(now, self._name)
        refused = _refused(
            self._name, why, only_across=not record.obstacles(now, across=True)
        )
        refused.expected = self._replacing
        raise refused


def _refused(name: str, why: Sequence[str], *, only_across: bool) -> Unknown:
    way_out = " (--kb-compare-across allows it)" if only_across else ""
    return Unknown(f"{name}: {', '.join(why)}{way_out}")


def _said(settings: Settings, field: str, text: str) -> str:
    """Who set a limit: the option as typed, or the ini file's key."""
    origin = settings.origins.get(field, f"--kb-{field.replace('_', '-')}")
    return f"{origin}={text}" if origin.startswith("--") else origin


def refuse_unknown(settings: Settings) -> None:
    """Say before the first evaluation that there is nothing to compare with.

    The newest run need not be there: a first run has none, and says so. Nor need
    records that are about to be made.

    Raises:
        pytest.UsageError: one line.
    """
    field = "compare"
    try:
        if settings.compare is not None and settings.compare != NEWEST:
            Store(settings.storage).named(settings.compare)
        field = "record_file"
        if settings.record_file is not None:
            _refuse_unreadable(settings.record_file, making=settings.update_records)
    except RunFileError as error:
        message = f"{settings.origins[field]}: {error}"
    else:
        return
    raise pytest.UsageError(message)


def _refuse_unreadable(path: Path, *, making: bool) -> None:
    if path.exists():
        read_records(path)
    elif not making:
        raise RunFileError(f"no file {path}: --kb-update-records makes it")
