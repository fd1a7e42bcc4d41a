"""The part of an evaluation that needs the device, in the order that keeps secrets.

Weights, slots and a first call come before any seed of an input is drawn. What the
candidate wrote is frozen by the oracle, and only then is it drawn which of it is
verified; the bursts that are timed are bursts that are checked.
"""

from __future__ import annotations

import statistics
import time
from typing import Any, Literal

from pytest_kernelbench.engine.bursts import (
    Burst,
    Bursts,
    CrowdedDeviceError,
    Measured,
)
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import KernelFault
from pytest_kernelbench.engine.pairing import Pairing
from pytest_kernelbench.engine.peer import Peer
from pytest_kernelbench.engine.physics import require_possible
from pytest_kernelbench.engine.replays import CannotRecordError, ReplayedBursts
from pytest_kernelbench.engine.rival import Rival
from pytest_kernelbench.engine.sampling import SYSTEMATIC, Sampler
from pytest_kernelbench.engine.setup import set_up
from pytest_kernelbench.model import Baseline, Replayed, Verdict
from pytest_kernelbench.statistics import summarize
from pytest_kernelbench.text import first_line

Side = Literal["base", "baseline", "kernel"]

_ROUNDS = 3
"""Times that clocks may disagree before it is the kernel's doing and not the noise's."""
_REVIEW_SPEEDUP = 10.0
_VERIFIED_BURSTS = 0.5
"""The share of timed bursts of which one call is verified."""
_VERIFYING = 0.5
"""Of the time spent on timed bursts, what verifying may take before fewer are."""
_ALL_VERIFIED, _FIRST_ROUNDS, _FEWEST_VERIFIED = 3, 8, 0.25
"""Rounds all of which are, rounds whose share depends on no clock, and the least share
of the others: a kernel may slow verifying down."""
_CHEAP, _MOST_VERIFIED = {"cpu": 0.2, "cuda": 0.1}, 4
"""Of that time, what verifying may take while several calls of each burst are, and how
many: what is wrong in one call of three, as a race would have it, is then seen."""
_SOLO_BURSTS = 3
_SOLO_RATIO = {"cpu": 1.6, "cuda": 1.15}
"""How much slower an honest neighbour may make the baseline; CPUs have others, too."""
_SOLO_SLACK = 2e-6


class DeviceProtocol:
    """The steps of one evaluation on the device."""

    def __init__(self, pairing: Pairing, contract: Message) -> None:
        self._pairing = pairing
        self._options = pairing.request.options
        self._kind = pairing.device_kind
        self._findings = pairing.findings
        self._stage = set_up(pairing, contract)
        self._bursts = Bursts(pairing, self._stage)
        self._measuring = self._verifying = 0.0
        self._baseline_kind: Literal["eager", "compile"] = "eager"
        self._backwards = False
        self._peer: Peer | None = None

    def warm_up(self) -> None:
        self._bursts.warm_up()

    def check(self) -> None:
        self._bursts.check(self._options.trials)

    def time(self, peer: Peer | None, rival: Rival | None) -> None:
        """Sample rounds of bursts until enough is known or the time is spent.

        Args:
            peer: Runs the baseline; without one the oracle does.
            rival: The base, if there is one to compare with.
        """
        self._peer = peer
        try:
            self._time(rival)
        except CrowdedDeviceError:
            self._findings.limit("other processes keep the GPU busy: nothing is timed")

    def _time(self, rival: Rival | None) -> None:
        if self._options.baseline != "eager":
            self._choose_baseline()
        sampler = self._sampled(self._bursts, rival)
        if self._pairing.suspected and sampler.contradicted():
            raise KernelFault(Verdict.INTEGRITY, sampler.disagreement())
        change = None if rival is None else rival.change(sampler)
        graph = self._replayed() if self._options.graph else None
        self._require_idle_device(sampler)
        traffic = self._require_possible(sampler)
        self._remark(sampler)
        self._findings.timing = {
            "runtime": summarize(sampler.runtimes()),
            "baseline": Baseline(
                kind=self._baseline_kind, runtime=summarize(sampler.baseline_seconds)
            ),
            "speedup": sampler.speedup(),
            "decisive_speedup": sampler.decisive_speedup(),
            "graph": graph,
            "change": change,
            **traffic,
        }

    def _sampled(self, bursts: Bursts, rival: Rival | None = None) -> Sampler:
        """Rounds of bursts until enough is known, and the two clocks agree.

        Raises:
            KernelFault: they do not.
        """
        sampler = Sampler(
            self._options,
            SYSTEMATIC[self._kind, self._stage.has_weights],
            bursts.most_calls,
            self._pairing.budget,
            self._pairing.clock,
            device_kind=self._kind,
        )
        while not sampler.is_warm:
            self._round(bursts, sampler, rival)
        self._watch()
        for _ in range(_ROUNDS):
            sampler.start()
            if rival is not None:
                rival.start()
            while not self._is_done(sampler, rival):
                self._round(bursts, sampler, rival)
                self._look()
            if sampler.clocks_agree():
                return sampler
        reason = sampler.disagreement()
        raise KernelFault(Verdict.INTEGRITY, reason, doubtful=True)

    def _replayed(self) -> Replayed | None:
        """Both sides without the cost of launching them, where they can be recorded."""
        findings, trials = self._findings, len(self._findings.trials)
        try:
            bursts = ReplayedBursts(self._pairing, self._stage)
            bursts.record()
            sampler = self._sampled(bursts)
            self._require_possible(sampler)
        except CannotRecordError as error:
            findings.note(f"no CUDA graph: {error}")
        except KernelFault as fault:
            if fault.verdict is Verdict.INTEGRITY:
                raise
            # As it is called by everybody else, the kernel is right.
            del findings.trials[trials:]
            why = f"{fault.verdict}: {first_line(fault.reason)}"
            findings.note(f"no CUDA graph of the kernel: {why}")
        else:
            return Replayed(
                runtime=summarize(sampler.runtimes()),
                baseline=summarize(sampler.baseline_seconds),
                speedup=sampler.speedup(),
            )
        return None

    def _require_possible(self, sampler: Sampler) -> dict[str, Any]:
        stage = self._stage
        least, touched = stage.audit.least_bytes, stage.touched_bytes
        return require_possible(self._pairing, least, touched, sampler.claimed())

    def _is_done(self, sampler: Sampler, rival: Rival | None) -> bool:
        """Rounds go on for the base's sake as long as that is affordable."""
        if rival is None or rival.is_decided():
            return sampler.is_done()
        return sampler.is_spent()

    def _choose_baseline(self) -> None:
        """Compile the problem; ``best`` is the quicker of both."""
        reply = self._pairing.oracle.ask(self._options.build_timeout, do="compile")
        if not reply["compiled"]:
            why = first_line(reply["message"])
            self._findings.note(f"torch.compile failed, baseline is eager: {why}")
            return
        self._use_baseline("compile")
        if self._options.baseline == "compile":
            return
        compiled = statistics.median(self._solo_baseline(self._bursts.most_calls))
        self._use_baseline("eager")
        eager = statistics.median(self._solo_baseline(self._bursts.most_calls))
        if compiled < eager:
            self._use_baseline("compile")

    def _use_baseline(self, kind: Literal["eager", "compile"]) -> None:
        self._pairing.oracle.ask(self._options.timeout, do="use", baseline=kind)
        self._baseline_kind = kind

    def _watch(self) -> None:
        """Begin to record what the GPU does; strangers on it are those not ours."""
        if self._pairing.telemetry is not None:
            self._pairing.telemetry.start(self._pairing.place.processes())

    def _look(self) -> None:
        if self._pairing.telemetry is not None:
            self._pairing.telemetry.look()

    def _remark(self, sampler: Sampler) -> None:
        """What a reader should know besides the numbers."""
        findings, telemetry = self._findings, self._pairing.telemetry
        if sampler.speedup().value > _REVIEW_SPEEDUP:
            findings.note(f"speedup above {_REVIEW_SPEEDUP:g}x: worth a review")
        host, device = sampler.kernel_host(), sampler.claimed()
        if self._kind == "cuda" and host > device:
            findings.note(
                f"launch-bound: the host takes {host * 1e6:.0f} us to issue a call "
                f"that takes the device {device * 1e6:.1f} us"
            )
        findings.limits += sampler.limits()
        if telemetry is not None:
            findings.telemetry = telemetry.figures()
            findings.notes += telemetry.notes()

    def _round(self, bursts: Bursts, sampler: Sampler, rival: Rival | None) -> None:
        """One burst of each side over equal inputs.

        In an order that is drawn; with a base, every second round mirrors the one
        before (A-B-B-A), the baseline in the middle.
        """
        burst = bursts.draw(sampler.draw_calls(self._pairing.seeds.choices))
        bursts.fill(burst)
        self._backwards = (
            self._pairing.seeds.choices.random() < 0.5
            if rival is None or len(sampler) % 2 == 0
            else not self._backwards
        )
        sides: list[Side] = ["base", "baseline", "kernel"]
        if self._backwards:
            sides.reverse()
        started = time.monotonic()
        with self._pairing.place.quiet():
            seen = {side: self._run(bursts, side, burst, rival) for side in sides}
        self._measuring += time.monotonic() - started
        kernel, baseline = seen["kernel"], seen["baseline"]
        assert kernel is not None
        assert baseline is not None
        sampler.add(kernel, baseline)
        if rival is not None:
            rival.add(seen["base"], kernel, baseline)
        self._verify(bursts, burst, len(sampler), rival)

    def _verify(
        self, bursts: Bursts, burst: Burst, rounds: int, rival: Rival | None
    ) -> None:
        """Calls that are drawn only now, when nothing can be added to what was returned."""
        started, choices = time.monotonic(), self._pairing.seeds.choices
        count = calls_to_verify(
            rounds, choices.random(), self._measuring, self._verifying, self._kind
        )
        # As much is drawn for any count, so that replays go on alike.
        order = choices.sample(range(len(burst.places)), len(burst.places))
        for number, call in enumerate(order[:count]):
            bursts.verify(burst, call, listed=number == 0)
            if rival is not None:
                rival.verify(burst, call)
        self._verifying += time.monotonic() - started

    def _run(
        self, bursts: Bursts, side: Side, burst: Burst, rival: Rival | None
    ) -> Measured | None:
        if side == "base":
            return None if rival is None else rival.run(burst)
        if side == "baseline":
            return self._baseline(bursts, burst)
        seen = bursts.timed_kernel(burst)
        bursts.freeze(burst)
        return seen

    def _baseline(self, bursts: Bursts, burst: Burst) -> Measured:
        seen = None if self._peer is None else self._peer.timed(burst)
        return bursts.baseline(burst) if seen is None else seen

    def _require_idle_device(self, sampler: Sampler) -> None:
        """The baseline must not have been slower beside the kernel than without it.

        A stopped process can still have work on a GPU, and processes that it started
        may not have been stopped.
        """
        self._pairing.candidate.kill()
        beside = sampler.baseline_beside()
        for _ in range(_ROUNDS):
            by_itself = statistics.median(self._solo_baseline(sampler.most_calls))
            if beside <= by_itself * _SOLO_RATIO[self._kind] + _SOLO_SLACK:
                return
        reason = (
            f"the baseline took {beside * 1e6:.1f} us beside it and "
            f"{by_itself * 1e6:.1f} us alone: it kept the device busy"
        )
        raise KernelFault(Verdict.INTEGRITY, reason, doubtful=True)

    def _solo_baseline(self, calls: int) -> list[float]:
        seconds = []
        for _ in range(_SOLO_BURSTS):
            burst = self._bursts.draw(calls)
            self._bursts.fill(burst)
            with self._pairing.place.quiet():
                seconds += self._baseline(self._bursts, burst).settled
        return seconds


def calls_to_verify(
    rounds: int, luck: float, measuring: float, verifying: float, kind: str
) -> int:
    """How many calls of this round are verified, if it has as many.

    Args:
        rounds: That count so far, with this one.
        luck: Drawn, from 0 to 1.
        measuring: Seconds spent on timed bursts.
        verifying: Seconds spent on verifying.
        kind: Of device, ``cpu`` or ``cuda``.
    """
    if verifying <= _CHEAP[kind] * measuring:
        return _MOST_VERIFIED
    return int(luck < chance_to_verify(rounds, measuring, verifying))


def chance_to_verify(rounds: int, measuring: float, verifying: float) -> float:
    """How likely a call of this round is, where more would take too long."""
    if rounds <= _ALL_VERIFIED:
        return 1.0
    if rounds <= _FIRST_ROUNDS or verifying <= 0:
        return _VERIFIED_BURSTS
    share = min(1.0, _VERIFYING * measuring / verifying)
    return max(_FEWEST_VERIFIED, _VERIFIED_BURSTS * share)
