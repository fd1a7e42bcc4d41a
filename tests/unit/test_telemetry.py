"""What is told of a GPU while something was timed on it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_kernelbench.engine.telemetry import Telemetry


class Nvml:
    """A GPU that answers what it is told to, and refuses what it is not."""

    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    class NVMLError(Exception):
        pass

    def __init__(self, **answers):
        self.answers = answers

    def __getattr__(self, question):
        name = question.removeprefix("nvmlDeviceGet")
        if name not in self.answers:
            raise self.NVMLError
        answer = self.answers[name]
        return lambda *_: answer.pop(0) if isinstance(answer, list) else answer


def running(*pids):
    return tuple(SimpleNamespace(pid=pid) for pid in pids)


def seen(looks=1, **answers):
    telemetry = Telemetry(Nvml(**answers), None)
    telemetry.start({7, 8})
    for _ in range(looks):
        telemetry.look()
    return telemetry


def test_gives_medians_in_the_units_of_their_names():
    found = seen(3, ClockInfo=[900, 1980, 1980], PowerUsage=400_500, Temperature=61)
    assert found.figures() == {
        "sm_clock_mhz": 1980,
        "power_w": 400.5,
        "temperature_c": 61,
    }


def test_says_nothing_of_a_gpu_that_answers_nothing():
    found = seen()
    assert (found.figures(), found.notes()) == ({}, [])


def test_names_what_held_the_clock_down_at_any_time():
    found = seen(2, CurrentClocksEventReasons=[0x1 | 0x4, 0x40])
    (note,) = found.notes()
    assert note.endswith(
        "held down by the power limit and heat, as the hardware sees it"
    )


@pytest.mark.parametrize(("clocks", "notes"), [([1980, 1700], 1), ([1980, 1950], 0)])
def test_mentions_a_clock_that_moved(clocks, notes):
    assert len(seen(2, ClockInfo=clocks).notes()) == notes


@pytest.mark.parametrize(
    ("pids", "strange"), [((7, 8), False), ((7, 9), True), ((1, 2), False)]
)
def test_mentions_strangers_where_process_ids_mean_the_same(pids, strange):
    notes = seen(ComputeRunningProcesses=running(*pids)).notes()
    assert bool(notes) is strange


def test_forgets_what_it_saw_for_the_kernel_before():
    telemetry = seen(CurrentClocksEventReasons=0x8)
    telemetry.start(set())
    assert telemetry.notes() == []
