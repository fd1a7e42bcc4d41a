"""The part of an evaluation that needs the device, in the order that keeps secrets.

Weights, slots and a first call come before any seed of an input is drawn. What the
candidate wrote is frozen by the oracle, and only then is it drawn which of it is
verified; the bursts that are timed are bursts that are checked.
"""

from __future__ import annotations

import statistics
from typing import Literal

from pytest_kernelbench.engine.bursts import Bursts
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import KernelFault
from pytest_kernelbench.engine.pairing import Pairing
from pytest_kernelbench.engine.sampling import SYSTEMATIC, Sampler
from pytest_kernelbench.engine.setup import set_up
from pytest_kernelbench.model import Baseline, Verdict
from pytest_kernelbench.statistics import summarize
from pytest_kernelbench.text import first_line

_ROUNDS = 3
"""Times that clocks may disagree before it is the kernel's doing and not the noise's."""
_CLOCK_SHARE = 0.1
"""Of a claimed runtime by which the clocks of honest kernels may disagree."""
_REVIEW_SPEEDUP = 10.0
_VERIFIED_BURSTS = 0.5
"""The share of timed bursts of which one call is verified."""
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
        self._baseline_kind: Literal["eager", "compile"] = "eager"

    def warm_up(self) -> None:
        """Compile, autotune and fill caches on inputs that count for nothing."""
        burst = self._bursts.draw(1)
        self._bursts.fill(burst)
        self._bursts.kernel(burst, "first call")

    def check(self) -> None:
        """Verify as many calls as there shall be trials."""
        remaining = self._options.trials
        while remaining > 0:
            burst = self._bursts.draw(min(remaining, self._bursts.most_calls))
            self._bursts.fill(burst)
            self._bursts.kernel(burst, "check")
            self._bursts.freeze(burst)
            for call in range(len(burst.places)):
                self._bursts.verify(burst, call)
            remaining -= len(burst.places)

    def time(self) -> None:
        """Sample pairs of bursts until enough is known or the time is spent."""
        if self._options.baseline != "eager":
            self._choose_baseline()
        systematic = SYSTEMATIC[self._kind, self._stage.has_weights]
        sampler = Sampler(
            self._options,
            systematic,
            self._bursts.most_calls,
            self._pairing.budget,
            self._pairing.clock,
        )
        self._pair(sampler)  # settles clocks and tells how long a call takes
        self._watch()
        for _ in range(_ROUNDS):
            sampler.start()
            while not sampler.is_done():
                self._pair(sampler)
                self._look()
            if self._clocks_agree(sampler):
                break
        else:
            raise KernelFault(Verdict.INTEGRITY, _disagreement(sampler))
        self._require_idle_device(sampler)
        self._remark(sampler)
        self._findings.timing = {
            "runtime": summarize(sampler.kernel_seconds),
            "baseline": Baseline(
                kind=self._baseline_kind, runtime=summarize(sampler.baseline_seconds)
            ),
            "speedup": sampler.speedup(),
            "decisive_speedup": sampler.decisive_speedup(),
        }

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
        host, device = sampler.kernel_host(), sampler.kernel_median()
        if self._kind == "cuda" and host > device:
            findings.note(
                f"launch-bound: the host takes {host * 1e6:.0f} us to issue a call "
                f"that takes the device {device * 1e6:.1f} us"
            )
        findings.limits += sampler.limits()
        if telemetry is not None:
            findings.telemetry = telemetry.figures()
            findings.notes += telemetry.notes()

    def _pair(self, sampler: Sampler) -> None:
        """One burst of each side over equal inputs, in an order that is drawn."""
        burst = self._bursts.draw(sampler.draw_calls(self._pairing.seeds.choices))
        self._bursts.fill(burst)
        kernel_first = self._pairing.seeds.choices.random() < 0.5
        with self._pairing.place.quiet():
            if kernel_first:
                kernel = self._bursts.kernel(burst, "timing")
                self._bursts.freeze(burst)
            baseline = self._bursts.baseline(burst)
            if not kernel_first:
                kernel = self._bursts.kernel(burst, "timing")
                self._bursts.freeze(burst)
        sampler.add(kernel, baseline)
        # Drawn only now, when nothing can be added to what was returned.
        if self._pairing.seeds.choices.random() < _VERIFIED_BURSTS:
            call = self._pairing.seeds.choices.randrange(len(burst.places))
            self._bursts.verify(burst, call)

    def _clocks_agree(self, sampler: Sampler) -> bool:
        """Whether the outer clock bears out what the kernel's own process measured."""
        hidden, resolution = sampler.hidden_seconds()
        return hidden <= resolution + _CLOCK_SHARE * sampler.kernel_median()

    def _require_idle_device(self, sampler: Sampler) -> None:
        """The baseline must not have been slower beside the kernel than without it.

        A stopped process can still have work on a GPU, and processes that it started
        may not have been stopped.
        """
        self._pairing.candidate.kill()
        # The quickest tenth: a kernel that kept the device busy slowed that down, too,
        # and other people's load did not.
        beside = sampler.quickest_baseline()
        for _ in range(_ROUNDS):
            by_itself = statistics.median(self._solo_baseline(sampler.most_calls))
            if beside <= by_itself * _SOLO_RATIO[self._kind] + _SOLO_SLACK:
                return
        reason = (
            f"the baseline took {beside * 1e6:.1f} us beside it and "
            f"{by_itself * 1e6:.1f} us alone: it kept the device busy"
        )
        raise KernelFault(Verdict.INTEGRITY, reason)

    def _solo_baseline(self, calls: int) -> list[float]:
        seconds = []
        for _ in range(_SOLO_BURSTS):
            burst = self._bursts.draw(calls)
            self._bursts.fill(burst)
            with self._pairing.place.quiet():
                seconds += self._bursts.baseline(burst).settled
        return seconds


def _disagreement(sampler: Sampler) -> str:
    hidden, _ = sampler.hidden_seconds()
    claimed = sampler.kernel_median()
    return (
        f"its own clock says {claimed * 1e6:.1f} us per call, "
        f"the outer clock at least {(claimed + hidden) * 1e6:.1f} us"
    )
