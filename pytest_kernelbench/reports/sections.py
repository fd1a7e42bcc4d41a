"""Runs arranged for a reader: by device, the newest on top, earlier ones as history.

What one run of a device and another have in common is found here, so that a page made
at the end of a run and one made from saved runs cannot differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from pytest_kernelbench.model import EvalResult, Interval
from pytest_kernelbench.outcomes import escaped
from pytest_kernelbench.reports import wording
from pytest_kernelbench.runs import Evaluated, Run

_Key = tuple[str, str, str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One evaluation, with what the page needs to point at it."""

    anchor: str
    name: str
    """Short, and told apart from others by its problem where it must be."""
    evaluated: Evaluated
    replay: str

    @property
    def result(self) -> EvalResult:
        return self.evaluated.result

    @property
    def failed(self) -> bool:
        return self.evaluated.outcome == "failed"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One of a device's runs."""

    number: int
    run: Run
    evaluated: Mapping[_Key, Evaluated]
    changes: tuple[str, ...]
    """Versions that differ from the run before, such as ``torch 2.12 → 2.13``."""

    @property
    def results(self) -> list[EvalResult]:
        return [one.result for one in self.evaluated.values()]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One kernel over the runs of a device; None where it was not timed."""

    name: str
    speedups: tuple[Interval | None, ...]
    verdicts: tuple[str, ...]
    """Empty where it was not evaluated."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One device: the newest evaluations there, and its runs from old to new."""

    title: str
    rows: tuple[Row, ...]
    pasts: tuple[Past, ...]

    @property
    def results(self) -> list[EvalResult]:
        return [row.result for row in self.rows]

    @property
    def tracks(self) -> list[Track]:
        """Of the newest run's kernels, those that were timed more than once."""
        tracks = [self._track(row) for row in self.rows]
        timed = [sum(one is not None for one in track.speedups) for track in tracks]
        return [track for track, often in zip(tracks, timed, strict=True) if often > 1]

    def _track(self, row: Row) -> Track:
        seen = [past.evaluated.get(_key(row.evaluated)) for past in self.pasts]
        return Track(
            name=row.name,
            speedups=tuple(one.result.speedup if one else None for one in seen),
            verdicts=tuple(one.result.verdict.value if one else "" for one in seen),
        )


def arranged(runs: Sequence[Run]) -> list[Section]:
    """A section for each device, in the order in which the newest runs name them."""
    ordered = oldest_first(runs)
    places = dict.fromkeys(
        wording.place(one.result) for run in reversed(ordered) for one in run.evaluated
    )
    return [
        _section(place, ordered, f"device{number}")
        for number, place in enumerate(places, 1)
    ]


def oldest_first(runs: Sequence[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run.datetime)  # ISO 8601, UTC: sorts as text


def _section(place: str, ordered: Sequence[Run], prefix: str) -> Section:
    pasts = tuple(_pasts(place, ordered))
    newest = pasts[-1]
    found = _evaluated(place, newest.run)
    rows = tuple(
        Row(
            anchor=f"{prefix}-{number}",
            name=name,
            evaluated=one,
            replay=wording.replay(newest.run, one),
        )
        for number, (name, one) in enumerate(zip(_names(found), found, strict=True), 1)
    )
    return Section(title=wording.title(place, found), rows=rows, pasts=pasts)


def _evaluated(place: str, run: Run) -> list[Evaluated]:
    return [one for one in run.evaluated if wording.place(one.result) == place]


def _pasts(place: str, ordered: Sequence[Run]) -> Iterator[Past]:
    before: Mapping[str, str] = {}
    here = [(run, _evaluated(place, run)) for run in ordered]
    # By time, as the same run may be given in more than one file.
    seen = {run.datetime: (run, found) for run, found in here if found}
    for number, (run, found) in enumerate(seen.values(), 1):
        versions = {k: v for one in found for k, v in one.result.environment.items()}
        changes = tuple(
            f"{name} {before[name]} → {version}"
            for name, version in versions.items()
            if before.get(name, version) != version
        )
        before = {**before, **versions}
        evaluated = {_key(one): one for one in found}
        yield Past(number=number, run=run, evaluated=evaluated, changes=changes)


def _key(one: Evaluated) -> _Key:
    """Evaluations with one key, in different runs, are of the same thing."""
    result = one.result
    return (one.nodeid, result.kernel, result.problem, result.precision)


def _names(found: Sequence[Evaluated]) -> list[str]:
    """Short names, no two alike: where they would be, with the problem or a number."""
    names = wording.short_names(found)
    alike = [names.count(name) > 1 for name in names]
    problems = [f" ({escaped(one.result.problem)})" for one in found]
    told = [
        name + (problem if many else "")
        for name, problem, many in zip(names, problems, alike, strict=True)
    ]
    return [
        name if told.count(name) == 1 else f"{name} #{told[:number].count(name)}"
        for number, name in enumerate(told, 1)
    ]
