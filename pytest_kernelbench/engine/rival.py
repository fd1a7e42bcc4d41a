"""The base beside the kernel: a second candidate in the same rounds.

It is as untrusted as the kernel, is paused whenever it is not on the clock, gets the
same weights and inputs, and what it returns is checked in the same way. Whatever is
wrong with it is a fault of its own: the comparison ends, the evaluation does not.
"""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Iterator

from pytest_kernelbench.engine.bursts import Burst, Bursts, Measured
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import KernelFault
from pytest_kernelbench.engine.pairing import Pairing
from pytest_kernelbench.engine.sampling import SYSTEMATIC, Sampler
from pytest_kernelbench.engine.setup import set_up
from pytest_kernelbench.model import Change, Interval, Verdict
from pytest_kernelbench.statistics import (
    LOOKS,
    change_of,
    decisive_interval,
    noise_floor,
    regression_limit,
    summarize,
)
from pytest_kernelbench.text import first_line

_FEW_ROUNDS = 3
"""Enough for an interval when a call takes seconds."""


class Rival:
    """The base's process, and its rounds beside the kernel."""

    def __init__(self, pairing: Pairing, against: str) -> None:
        self._pairing = pairing
        self._options = pairing.request.options
        self._against = against
        self._systematic = SYSTEMATIC[pairing.device_kind, True]
        self._bursts: Bursts | None = None
        self._rounds: list[tuple[Measured, Measured, Measured]] = []
        self.fault = ""
        """Why there is no comparison; empty while there is one."""

    @contextlib.contextmanager
    def _own_faults(self) -> Iterator[None]:
        try:
            yield
        except KernelFault as fault:
            self.fault = f"{fault.verdict}: {first_line(fault.reason)}"
            self._pairing.candidate.kill()

    def join(self, contract: Message) -> None:
        """Give it what the kernel has, and see that it is right."""
        pairing = self._pairing
        with self._own_faults():
            pairing.candidate.resume()
            stage = set_up(pairing, contract)
            self._systematic = SYSTEMATIC[pairing.device_kind, stage.has_weights]
            self._bursts = Bursts(pairing, stage)
            self._bursts.warm_up()
            self._bursts.check(self._options.trials)

    def start(self) -> None:
        """Forget all rounds so far."""
        self._rounds = []

    def run(self, burst: Burst) -> Measured | None:
        """One burst; None once it is out."""
        with self._own_faults():
            if self._bursts is not None and not self.fault:
                seen = self._bursts.timed_kernel(burst)
                self._bursts.freeze(burst)
                return seen
        return None

    def verify(self, burst: Burst, call: int) -> None:
        with self._own_faults():
            if self._bursts is not None and not self.fault:
                self._bursts.verify(burst, call)

    def add(self, base: Measured | None, kernel: Measured, baseline: Measured) -> None:
        if base is not None and not self.fault:
            self._rounds.append((base, kernel, baseline))

    def is_decided(self) -> bool:
        """Whether more rounds would tell nothing that was asked."""
        if self.fault or len(self._rounds) >= LOOKS[-1]:
            return True
        if len(self._rounds) not in LOOKS:
            return False
        interval, allowed = self._speedup(), self._options.max_regression
        if change_of(interval, self._noise()) == "AMBIGUOUS":
            return False
        limit = None if allowed is None else regression_limit(allowed)
        return limit is None or not interval.low < limit <= interval.high

    def _require_honest_clock(self) -> None:
        """End the comparison if the outer clock does not bear out the base's own."""
        pairing = self._pairing
        sampler = Sampler(
            self._options,
            self._systematic,
            1,
            pairing.budget,
            device_kind=pairing.device_kind,
        )
        for base, _, baseline in self._rounds:
            sampler.add(base, baseline)
        with self._own_faults():
            if self._rounds and not sampler.clocks_agree():
                raise KernelFault(Verdict.INTEGRITY, sampler.disagreement())

    def change(self, sampler: Sampler) -> Change | None:
        """The kernel against its base, which ends; None where that cannot be told.

        Args:
            sampler: Of the kernel and the baseline in the same rounds.
        """
        self._pairing.candidate.kill()
        self._require_honest_clock()
        if len(self._rounds) < _FEW_ROUNDS:
            self.fault = self.fault or f"only {len(self._rounds)} rounds fit the time"
        if self.fault:
            return None
        base = statistics.median(base.typical for base, _, _ in self._rounds)
        speedup, noise = sampler.believed(self._speedup(), base), self._noise()
        return Change(
            verdict=change_of(speedup, noise),
            against=self._against,
            speedup=speedup,
            before=summarize([s for base, _, _ in self._rounds for s in base.settled]),
            noise=noise,
        )

    def _speedup(self) -> Interval:
        share, seconds = self._systematic
        shortest = min(
            statistics.median(side.typical for side in sides)
            for sides in list(zip(*self._rounds, strict=True))[:2]
        )
        log_ratios = [
            math.log(base.typical) - math.log(kernel.typical)
            for base, kernel, _ in self._rounds
        ]
        systematic = share + seconds / shortest
        return decisive_interval(log_ratios, systematic, self._options.alpha)

    def _noise(self) -> float:
        sides = zip(*self._rounds, strict=True)
        return noise_floor([[one.typical for one in side] for side in sides])
