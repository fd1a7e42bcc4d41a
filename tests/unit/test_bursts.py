"""What is on the outer clock in a timed burst, with processes that are not there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_kernelbench.engine import bursts
from pytest_kernelbench.engine.clients import KernelFault
from pytest_kernelbench.model import Verdict

POISONING, PUBLISHING, WORKING, WAITING = 1.0, 100.0, 10.0, 1000.0
"""Seconds of a clock that only these steps move on."""
BURST = bursts.Burst(places=[(0, 0)], seeds=[1], redraws=[""], draws=[2], padding=512)


class World:
    """A clock, an oracle and a candidate whose work may go on after its answer."""

    def __init__(self, probes):
        self.now = 0.0
        self.probes = list(probes)
        self.halted_at_probes = []
        self.killed = self.halted = False

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        pass

    def idle_since(self, timeout=3.0):
        idle = self.probes.pop(0) if self.probes else True
        self.halted_at_probes.append(self.halted)
        self.now += WAITING if timeout and not self.killed else 0
        return self.now if idle else None

    def ask_oracle(self, do, **_):
        if do == "publish":
            began = self.now + POISONING
            self.now = began + PUBLISHING
            return {"began": began}
        self.now += WORKING
        return {"seconds": [1.0], "host_seconds": 1e-6}

    def ask_candidate(self, stage, do, orders):
        self.now += WORKING
        return {"seconds": [1.0], "host_seconds": 1e-6}

    def resume(self):
        self.halted = False

    def halt(self):
        self.halted = True

    def pause(self):
        self.halt()

    def kill(self):
        self.killed = True


def made(monkeypatch, probes=(), *, device_kind="cuda", is_staged=False):
    world = World(probes)
    monkeypatch.setattr(bursts, "time", world)
    request = SimpleNamespace(options=SimpleNamespace(cache="cold", tolerance="auto"))
    pairing = SimpleNamespace(
        request=request,
        findings=None,
        side="kernel",
        device_kind=device_kind,
        oracle=world,
        candidate=world,
        ask_oracle=world.ask_oracle,
        ask_candidate=world.ask_candidate,
    )
    stage = SimpleNamespace(
        layout={"slots": 1},
        audit=SimpleNamespace(tolerance=""),
        draws=False,
        is_staged=is_staged,
    )
    return bursts.Bursts(pairing, stage), world


@pytest.mark.parametrize("side", ["timed_kernel", "baseline"])
@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        ({"device_kind": "cpu"}, WORKING),
        ({}, PUBLISHING + WORKING + WAITING),
        ({"is_staged": True}, WORKING + WAITING),
    ],
)
def test_a_gpu_is_on_the_clock_until_it_is_idle(monkeypatch, side, how, seconds):
    made_bursts, _ = made(monkeypatch, **how)
    assert getattr(made_bursts, side)(BURST).wall == seconds


def test_a_kernel_stands_still_while_the_device_is_looked_at(monkeypatch):
    made_bursts, world = made(monkeypatch)
    made_bursts.timed_kernel(BURST)
    assert world.halted_at_probes == [True, True]


def test_what_is_launched_after_the_answer_is_on_the_clock(monkeypatch):
    made_bursts, world = made(monkeypatch, probes=[True, False, True])
    seen = made_bursts.timed_kernel(BURST)
    assert seen.wall == PUBLISHING + WORKING + 2 * WAITING
    assert not world.killed


def test_a_device_that_is_idle_only_without_the_kernel_is_its_doing(monkeypatch):
    made_bursts, _ = made(monkeypatch, probes=[False, False, False, True])
    with pytest.raises(KernelFault, match="kept the device busy") as raised:
        made_bursts.timed_kernel(BURST)
    assert raised.value.verdict is Verdict.INTEGRITY
    assert raised.value.doubtful


def test_a_device_that_is_never_idle_is_somebody_elses(monkeypatch):
    made_bursts, _ = made(monkeypatch, probes=[False] * 4)
    with pytest.raises(bursts.CrowdedDeviceError):
        made_bursts.timed_kernel(BURST)
