"""No kernel of the corpus gains by cheating, and none of the honest ones is blamed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from . import corpus


def _parameters(cases: list[corpus.Case]) -> list[object]:
    """Each case on the CPU where it can run there, and on a GPU."""
    return [
        pytest.param(case, device, id=f"{case.id}-{device}", marks=_marks(case, device))
        for device in ("cpu", "cuda")
        for case in cases
        if device == "cuda" or case.needs == "cpu"
    ]


def _marks(case: corpus.Case, device: str) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.gpu] if device == "cuda" else []
    if case.open:
        marks.append(pytest.mark.xfail(reason=case.open, strict=False))
    return marks


@pytest.mark.parametrize(("case", "device"), _parameters(corpus.exploits()))
def test_a_cheat_gains_nothing_and_spoils_nothing(arenas, case, device):
    outcome = arenas(device).run(case)
    assert outcome.word in ("caught", "neutral"), f"{outcome.verdict} {outcome.detail}"


@pytest.mark.parametrize(("case", "device"), _parameters(corpus.twins()))
def test_an_honest_twin_passes(arenas, case, device):
    outcome = arenas(device).run(case)
    assert outcome.word == "passed", f"{outcome.verdict} {outcome.detail}"


@pytest.mark.parametrize("case_id", ["R07", "R11"])
def test_what_a_kernel_started_does_not_outlive_it(arenas, case_id):
    before = _processes()
    arenas("cpu").run(corpus.find(case_id))
    assert _settled(before) == set()


def test_every_family_has_cases_and_every_case_an_id_of_its_own():
    cases = corpus.exploits() + corpus.twins()
    assert len({case.id for case in cases}) == len(cases)
    assert {case.family for case in cases} == {*corpus.FAMILIES, "twins"}
    assert all(case.expect or case.is_twin for case in cases)


def _processes() -> set[str]:
    """Sleepers of R11, and processes that run this Python."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"24.0011" in command or b"isolation.forkserver" in command:
                found.add(entry.name)
    return found


def _settled(before: set[str]) -> set[str]:
    """What is new, once the killed have been reaped."""
    give_up = time.monotonic() + 5
    while (new := _processes() - before) and time.monotonic() < give_up:
        time.sleep(0.05)
    return new
