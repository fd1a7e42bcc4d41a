"""What a check has to say, and what all of it together means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pytest_kernelbench.doctor.facts import Facts

Place = Literal["cpu", "cuda", "modal"]
PLACES: tuple[Place, ...] = ("cpu", "cuda", "modal")
Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of what is so, and one of how to mend or better it."""

    topic: str
    what: str
    mend: str = ""
    is_fine: bool = False
    prevents: frozenset[Place] = frozenset()
    """Where nothing can be measured because of it."""


def fine(topic: str, what: str, mend: str = "") -> Finding:
    return Finding(topic=topic, what=what, mend=mend, is_fine=True)


def doubtful(topic: str, what: str, mend: str) -> Finding:
    """It distorts what is measured, or some kernels cannot be."""
    return Finding(topic=topic, what=what, mend=mend)


def preventing(topic: str, what: str, mend: str, *places: Place) -> Finding:
    return Finding(topic=topic, what=what, mend=mend, prevents=frozenset(places))


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings, for somebody who wants to measure in one place."""

    wanted: Place
    findings: tuple[Finding, ...]

    @property
    def works(self) -> tuple[Place, ...]:
        """Where something can be measured."""
        prevented = {place for finding in self.findings for place in finding.prevents}
        return tuple(place for place in PLACES if place not in prevented)

    @property
    def is_prevented(self) -> bool:
        return self.wanted not in self.works

    def level(self, finding: Finding) -> Level:
        """What prevents measuring elsewhere than where it is wanted is a warning."""
        if self.wanted in finding.prevents:
            return "fail"
        return "ok" if finding.is_fine else "warn"

    def count(self, level: Level) -> int:
        return sum(self.level(finding) == level for finding in self.findings)


def diagnosis(
    facts: Facts, findings: Iterable[Finding], wanted: Place | None
) -> Diagnosis:
    """For the place that is wanted, or the one that a run without options would use."""
    return Diagnosis(wanted=wanted or usual_place(facts), findings=tuple(findings))


def usual_place(facts: Facts) -> Place:
    if facts.visible_gpus:
        return "cuda"
    has_torch = "torch" in facts.packages.versions
    return "modal" if facts.modal_credentials and not has_torch else "cpu"
