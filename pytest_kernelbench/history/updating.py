"""Which records a run has earned: those that chance would hardly have raised."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from pytest_kernelbench.changes import is_faster, session_noise
from pytest_kernelbench.history.records import Key, Record, record_key, record_of
from pytest_kernelbench.model import EvalResult, Verdict

_WIDEST = 1.5
"""Upper by lower end of an interval beyond which there is nothing to defend."""


@dataclasses.dataclass(slots=True)
class Update:
    """New records, and which kernels they are of."""

    records: dict[Key, Record]
    added: list[str] = dataclasses.field(default_factory=list)
    raised: list[str] = dataclasses.field(default_factory=list)
    replaced: list[str] = dataclasses.field(default_factory=list)
    """Could not be compared any more: other versions, another problem …"""
    left_out: list[str] = dataclasses.field(default_factory=list)
    """Kernels and why they have no record."""

    @property
    def changed(self) -> bool:
        return bool(self.added or self.raised or self.replaced)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """When a record is raised."""

    noise: float | None
    """Standard deviation between sessions, relative; None for the device's."""
    alpha: float
    """Probability that chance raises one."""
    across: bool
    """Whether other versions may be compared."""


def updated(
    records: Mapping[Key, Record], results: Iterable[EvalResult], terms: Terms
) -> Update:
    """The records with what this run, which must have passed, has earned."""
    update = Update(dict(records))
    by_key = _by_key(results)
    terms = dataclasses.replace(terms, alpha=terms.alpha / max(len(by_key), 1))
    for key, found in by_key.items():
        place = _place(update, records.get(key), found[0], terms)
        made = record_of(found[0])
        if place is None or made is None:
            continue
        if why := _unfit(found, made):
            update.left_out.append(f"{key[0]} {why}")
        else:
            place.append(key[0])
            update.records[key] = made
    return update


def _by_key(results: Iterable[EvalResult]) -> dict[Key, list[EvalResult]]:
    found: dict[Key, list[EvalResult]] = {}
    for result in results:
        if result.verdict is Verdict.PASS and result.speedup is not None:
            found.setdefault(record_key(result), []).append(result)
    return found


def _place(
    update: Update, held: Record | None, now: EvalResult, terms: Terms
) -> list[str] | None:
    """The list in which a new record belongs; None where the old one stays."""
    if held is None:
        return update.added
    if held.obstacles(now, across=terms.across):
        return update.replaced
    noise = terms.noise or session_noise(now.device)
    faster = is_faster(now, held.earlier(now, ""), noise=noise, alpha=terms.alpha)
    return update.raised if faster else None


def _unfit(found: Sequence[EvalResult], made: Record) -> str:
    """Why there can be no record of this, if so."""
    if len({(one.kernel_digest, one.speedup) for one in found}) > 1:
        return "was measured more than once"
    if made.high > made.low * _WIDEST:
        return f"is known only to [{made.low:g}, {made.high:g}]"
    return ""
