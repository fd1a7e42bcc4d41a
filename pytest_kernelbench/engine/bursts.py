"""Bursts as the controller sees them: drawn, filled, run, frozen, verified.

To the candidate every burst is the same: slots with fresh contents, go, done.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import NoReturn

from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import IDLE_TIMEOUT, KernelFault
from pytest_kernelbench.engine.pairing import Pairing
from pytest_kernelbench.engine.setup import ALIGNMENT, Stage
from pytest_kernelbench.model import Trial, Verdict

_MOST_PADDING = 1 << 16
"""In units of the alignment: 32 MiB, so that whole segments of memory shift."""
_SETTLE_SECONDS = {"cpu": 0.01, "cuda": 0.0}
"""OpenMP threads of one side spin for milliseconds after its last call, on the cores
that the other side's first call needs."""
_SHORTEST, _LONGEST = 1e-8, 1e6
"""Seconds: no call is quicker than its own instructions."""


Place = tuple[int, int]
"""A slot, and the offset in bytes of what lies in it."""


class CrowdedDeviceError(Exception):
    """Others keep the device busy, so that nothing on it can be timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Which slots are called, on inputs of which seeds."""

    places: list[Place]
    seeds: list[int]
    redraws: list[str]
    """How each call's inputs are changed; empty for those that are not."""
    draws: list[int]
    """Seeds of what the model itself draws, which tell nothing of the inputs."""
    padding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds of each call by the side's own clock, and of all by the controller's."""

    seconds: list[float]
    wall: float
    host: float
    waking: float | None = None
    """Of a baseline whose process is woken and stopped as the kernel's is: what that takes
    by the controller's clock where nothing is called, about when the burst was."""

    @property
    def settled(self) -> list[float]:
        """Without the first call, which finds threads asleep and caches cold."""
        return self.seconds[1:] or self.seconds

    @property
    def typical(self) -> float:
        return statistics.median(self.settled)

    @property
    def beyond(self) -> float:
        """Seconds by the controller's clock beyond calls that all took the typical time.

        Not beyond their sum, so that one long call which does the work of all others
        shows as time that the others hid.
        """
        return self.wall - len(self.seconds) * self.typical


def measured(reply: Message, wall: float, calls: int) -> Measured:
    """Read the numbers of a burst as what they are: claims.

    Raises:
        KernelFault: they are not even numbers of a plausible form.
    """
    seconds, host = reply.get("seconds"), reply.get("host_seconds")
    if (
        not isinstance(seconds, list)
        or len(seconds) != calls
        or not all(_is_duration(value) for value in seconds)
        or not _is_duration(host)
        or sum(seconds) > wall
    ):
        raise KernelFault(Verdict.INTEGRITY, "reported times that cannot be")
    return Measured(seconds=seconds, wall=wall, host=float(host or 0))


def _is_duration(value: object) -> bool:
    # By comparison: an integer of a thousand digits is no float, and NaN is no number.
    return isinstance(value, int | float) and _SHORTEST < value < _LONGEST


class Bursts:
    """Makes the bursts of one candidate and of the baseline beside it."""

    def __init__(self, pairing: Pairing, stage: Stage) -> None:
        self.most_calls: int = stage.layout["slots"]
        self._pairing = pairing
        self._stage = stage
        self._options = pairing.request.options
        self._findings = pairing.findings
        self._tolerance = stage.audit.tolerance or self._options.tolerance
        self._drawn = 0

    def draw(self, calls: int) -> Burst:
        choices = self._pairing.seeds.choices
        return Burst(
            places=self._places(calls),
            seeds=[self._pairing.seeds.next_input() for _ in range(calls)],
            redraws=self._redraws(calls),
            draws=[choices.getrandbits(48) for _ in range(calls)],
            padding=choices.randint(1, _MOST_PADDING) * ALIGNMENT,
        )

    def _places(self, calls: int) -> list[Place]:
        choices, layout = self._pairing.seeds.choices, self._stage.layout
        slots = choices.sample(range(layout["slots"]), calls)
        steps = layout["slack"] // ALIGNMENT
        return [(slot, choices.randint(0, steps) * ALIGNMENT) for slot in slots]

    def _redraws(self, calls: int) -> list[str]:
        """Every other call's, in an order that is drawn; timed calls are no exception."""
        numbers = range(self._drawn, self._drawn + calls)
        self._drawn += calls
        # The very first call is the warm-up's, which nobody verifies.
        redraws = [self._stage.audit.redraw if n % 2 else "" for n in numbers]
        self._pairing.seeds.choices.shuffle(redraws)
        return redraws

    def warm_up(self) -> None:
        """Compile, autotune and fill caches on inputs that count for nothing."""
        burst = self.draw(1)
        self.fill(burst)
        self.kernel(burst, "first call")

    def check(self, trials: int) -> None:
        """Verify as many calls."""
        remaining = trials
        while remaining > 0:
            burst = self.draw(min(remaining, self.most_calls))
            self.fill(burst)
            self.kernel(burst, "check")
            self.freeze(burst)
            for call in range(len(burst.places)):
                self.verify(burst, call)
            remaining -= len(burst.places)

    def fill(self, burst: Burst) -> None:
        self._pairing.ask_oracle(do="fill", seeds=burst.seeds, redraws=burst.redraws)

    def freeze(self, burst: Burst) -> None:
        side = self._pairing.side
        self._pairing.ask_oracle(do="freeze", side=side, places=burst.places)

    def kernel(self, burst: Burst, stage: str) -> None:
        """Let the candidate run; it is stopped whenever no clock watches it."""
        started = self._publish(burst, self._pairing.side)
        reply = self._run_kernel(burst, stage)
        measured(reply, time.perf_counter() - started, len(burst.places))
        self._pairing.candidate.pause()

    def timed_kernel(self, burst: Burst) -> Measured:
        """The same on the outer clock.

        Raises:
            KernelFault: its work goes on after it.
            CrowdedDeviceError: somebody else's does.
        """
        return self._timed(burst, self._pairing.side)

    def baseline(self, burst: Burst) -> Measured:
        return self._timed(burst, None)

    def _timed(self, burst: Burst, side: str | None) -> Measured:
        """One burst on the outer clock.

        It runs until the process is stopped: what said that all is done need not be what
        works. On a GPU a stopped process's work goes on: it may begin as soon as its
        inputs can be seen there. So the clock runs from before they are published until
        the device is idle without it.
        """
        started = self._publish(burst, side)
        if side is None:
            reply = self._run_baseline(burst)
        else:
            reply = self._run_kernel(burst, "timing")
            self._pairing.candidate.halt()
        ended = time.perf_counter()
        if self._pairing.device_kind == "cuda":
            ended = self._pairing.oracle.idle_since() or time.perf_counter()
        if side is not None:
            # Off the clock, because finding all of its processes takes milliseconds.
            if self._pairing.candidate.pause():
                ended = time.perf_counter()
            ended = self._later_end() or ended
        return measured(reply, ended - started, len(burst.places))

    def waking(self) -> float:
        """What a burst takes in which nothing is called, of a process that is believed."""
        candidate = self._pairing.candidate
        time.sleep(_SETTLE_SECONDS[self._pairing.device_kind])
        started = time.perf_counter()
        candidate.resume()
        self._pairing.ask_candidate("timing", do="nothing")
        candidate.halt()
        return time.perf_counter() - started

    def _later_end(self) -> float | None:
        """When the device was idle again, if what it had sent away launched more."""
        oracle = self._pairing.oracle
        if self._pairing.device_kind == "cpu" or oracle.idle_since(0) is not None:
            return None
        ended = oracle.idle_since()
        if ended is None:
            self._end_for_its_work()
        return ended

    def _run_kernel(self, burst: Burst, stage: str) -> Message:
        self._pairing.candidate.resume()
        return self._pairing.ask_candidate(
            stage, do="burst", orders=self._orders(burst)
        )

    def _run_baseline(self, burst: Burst) -> Message:
        return self._pairing.ask_oracle(do="baseline", orders=self._orders(burst))

    def _end_for_its_work(self) -> NoReturn:
        """Tell by its end whose work keeps the device busy."""
        self._pairing.candidate.kill()
        if self._pairing.oracle.idle_since() is None:
            raise CrowdedDeviceError
        reason = f"kept the device busy for {IDLE_TIMEOUT:g} s after it had finished"
        raise KernelFault(Verdict.INTEGRITY, reason, doubtful=True)

    def _publish(self, burst: Burst, side: str | None) -> float:
        """Returns since when a side could be at work on the burst."""
        reply = self._pairing.ask_oracle(do="publish", places=burst.places, side=side)
        if self._pairing.device_kind == "cuda" and not self._stage.is_staged:
            return float(reply["began"])
        time.sleep(_SETTLE_SECONDS[self._pairing.device_kind])
        return time.perf_counter()

    def _orders(self, burst: Burst) -> Message:
        return {
            "places": burst.places,
            "padding": burst.padding,
            "cold": self._options.cache == "cold",
            "draws": burst.draws if self._stage.draws else None,
        }

    def verify(self, burst: Burst, call: int, *, listed: bool = True) -> None:
        """Verify one call, which has an entry in the result if ``listed`` or wrong."""
        reply = self._pairing.ask_oracle(
            do="verify",
            side=self._pairing.side,
            call=call,
            place=burst.places[call],
            draw=burst.draws[call],
            tolerance=self._tolerance,
        )
        if not reply["float64"] and not self._stage.draws:
            self._findings.note("no float64 oracle: compared with the problem's own")
        self._judge_trial(reply, listed=listed)

    def _judge_trial(self, reply: Message, *, listed: bool) -> None:
        outputs = reply["outputs"]
        if any(output["vague"] for output in outputs):
            self._findings.limit(
                "the problem's own output is mostly rounding error: "
                "being correct says little here"
            )
        worst = max(
            outputs,
            key=lambda out: (out["nonfinite"], out["mismatched"], out["max_error"]),
        )
        verdict, message = _trial_verdict(worst, reply["changed_inputs"])
        if listed or verdict is not Verdict.PASS:
            self._findings.trials.append(
                Trial(
                    passed=verdict is Verdict.PASS,
                    max_abs_error=worst["max_error"],
                    allowed_error=worst["allowed"],
                    mismatched=worst["mismatched"] + worst["nonfinite"],
                    elements=worst["elements"],
                    message=message,
                )
            )
        if verdict is not Verdict.PASS:
            raise KernelFault(verdict, message)


def _trial_verdict(worst: Message, changed_inputs: list[int]) -> tuple[Verdict, str]:
    elements = worst["elements"]
    if worst["nonfinite"]:
        message = (
            f"{worst['nonfinite']} of {elements} elements are not finite as expected"
        )
        return Verdict.NONFINITE, message
    if worst["mismatched"]:
        message = (
            f"{worst['mismatched']} of {elements} elements differ: "
            f"max error {worst['max_error']:.2g}, allowed {worst['allowed']:.2g}"
        )
        return Verdict.WRONG, message
    if changed_inputs:
        which = ", ".join(map(str, changed_inputs))
        return Verdict.WRONG, f"changed its input {which} in place"
    return Verdict.PASS, ""
