"""How many calls to make, when to stop, and whether the two clocks agree."""

from __future__ import annotations

import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from pytest_kernelbench.engine.bursts import Measured
from pytest_kernelbench.engine.clients import TimeBudget
from pytest_kernelbench.model import Interval, Options
from pytest_kernelbench.statistics import decisive_interval, may_stop, speedup_interval

_BURST_SECONDS = {"cpu": 0.02, "cuda": 0.01}
"""Long enough to drown the round trip between processes, short enough for pairs. On a
CPU both processes and this one share the cores, and waking one takes a millisecond."""
_LONGEST_BURST = 0.1
"""Seconds by the outer clock, whatever a kernel says its calls take."""
_STALL = 0.02
"""Seconds that a burst may take beyond its calls before it is tried once more."""
_SHORT_BURSTS = 0.3
_MIN_PAIRS = 8
_FEW_PAIRS = 3
"""Enough for an interval when a call takes seconds."""
_OVERTIME = 3.0
"""Times the budget that may be spent to reach the fewest useful pairs."""
_CONSTANT_SLACK = 1e-3
"""Seconds by which round trips may differ, where bursts of one length hide them."""
_LEAST_CONSTANT = 5e-4
_MOST_CONSTANT = 3e-3
"""Seconds that a burst of an honest kernel takes beyond its calls, and more than one of
the baseline does, at least and at most: the kernel must be woken, a GPU changes hands, and
the first call may be slow."""
_LARGE = 1.5
"""Speedups from which the outer clock is believed in place of the kernel's own."""
_TAKEN_ON_TRUST = {"cpu": 1.2, "cuda": _LARGE}
"""Speedups up to which an interval is not widened by what the outer clock cannot bear
out; on a GPU it bears out little of a short kernel."""
_CLOCK_SLACK = 30e-6
"""Seconds of launch cost by which honest kernels differ from PyTorch's own calls."""

_CLOCK_SHARE = 0.1
"""Of a claimed runtime by which the clocks of honest kernels may disagree."""

SYSTEMATIC = {
    ("cpu", False): (0.01, 2e-6),
    ("cpu", True): (0.01, 2e-6),
    ("cuda", False): (0.006, 2.5e-7),
    ("cuda", True): (0.01, 2.5e-7),
}
"""Of a speedup, as a share and as seconds of the shorter side, by the kind of device
and whether there are weights: from comparing kernels with themselves. Inputs and
outputs are placed afresh in each burst, weights lie where they lie. The seconds are
ticks of the event clock."""


class Sampler:
    """Collects pairs of bursts, one of each side, until enough is known."""

    def __init__(
        self,
        options: Options,
        systematic: tuple[float, float],
        slots: int,
        budget: TimeBudget,
        clock: Callable[[], float] = time.monotonic,
        *,
        device_kind: str = "cuda",
    ) -> None:
        self._kind = device_kind
        self._systematic = systematic
        self._options = options
        self._slots = slots
        self._budget = budget
        self._clock = clock
        self._started = self._clock()
        self._slowest_pair = 0.0
        self._last_added = self._clock()
        self._pairs: list[tuple[Measured, Measured]] = []
        self._costs: list[tuple[float, float]] = []

    @property
    def is_warm(self) -> bool:
        """Whether it is known how long a call takes.

        A first burst that takes far longer than its calls is a stall, or a lie.
        """
        return len(self._pairs) > 1 or any(
            burst.wall - sum(burst.seconds) <= _STALL for burst, _ in self._pairs
        )

    def start(self) -> None:
        """Forget the pairs so far but what they say about how long a call takes."""
        self._pairs = []
        self._started = self._last_added = self._clock()

    @property
    def most_calls(self) -> int:
        """How many a burst may have, by what they typically took so far.

        Not by the slowest: a stall, or a lie, at the beginning would leave single calls
        for good, and their constant costs hide more than the outer clock can resolve.
        """
        if not self._costs:
            return 1
        call, wall = map(statistics.median_low, zip(*self._costs, strict=True))
        calls = min(_BURST_SECONDS[self._kind] / call, _LONGEST_BURST / wall)
        return int(min(max(calls, 1), self._slots))

    def draw_calls(self, choices: random.Random) -> int:
        """The length of the next burst, which no side can foresee.

        Mostly long, for their samples; at times short, for the outer clock's slope.
        """
        if choices.random() < _SHORT_BURSTS:
            return choices.randint(1, -(-self.most_calls // 4))
        return choices.randint(-(-self.most_calls // 2), self.most_calls)

    def add(self, kernel: Measured, baseline: Measured) -> None:
        now = self._clock()
        self._slowest_pair = max(self._slowest_pair, now - self._last_added)
        self._last_added = now
        self._pairs.append((kernel, baseline))
        slower = max(kernel.typical, baseline.typical)
        self._costs.append((slower, kernel.wall / len(kernel.seconds)))

    def __len__(self) -> int:
        return len(self._pairs)

    def is_done(self) -> bool:
        """Whether enough is known, or the budget or the time limit is spent."""
        if self.is_spent():
            return True
        if len(self._pairs) < _MIN_PAIRS:
            return False
        if self._clock() - self._started > self._options.max_time:
            return True
        enough = may_stop(self.log_ratios, self._systematic_share(), self._options)
        return enough and self.is_settled()

    def is_spent(self) -> bool:
        """Whether no more pair is affordable, whatever there is to be known."""
        pairs = len(self._pairs)
        if pairs and self._slowest_pair > self._budget.remaining:
            return True
        spent = self._clock() - self._started
        return pairs >= _FEW_PAIRS and spent > _OVERTIME * self._options.max_time

    def _systematic_share(self) -> float:
        share, seconds = self._systematic
        return share + seconds / min(self.claimed(), self.baseline_median())

    def decisive_speedup(self) -> Interval:
        """The speedup's interval at the level at which thresholds are decided."""
        systematic, alpha = self._systematic_share(), self._options.alpha
        return decisive_interval(self.log_ratios, systematic, alpha)

    def speedup(self) -> Interval:
        """The speedup with all that is known to be uncertain about it."""
        interval = speedup_interval(self.log_ratios, self._systematic_share())
        return self.believed(interval, self.baseline_median())

    def believed(self, interval: Interval, other: float) -> Interval:
        """What the outer clock bears out of a speedup.

        The larger a speedup, the less is taken on the kernel's word: what the outer
        clock cannot bear out of it is in the interval, at four standard errors of that
        clock, or two where the speedup is small and nothing speaks against it.

        Args:
            interval: By the kernel's own clock.
            other: Seconds of a call of what it is compared with.
        """
        hidden, error, _ = self._hidden()
        contradicted = self.contradicted()
        doubted = contradicted or hidden > error or interval.value > _LARGE
        if not (doubted or interval.value > _TAKEN_ON_TRUST[self._kind]):
            return interval
        claimed = self.claimed()
        unseen = error if doubted else error / 2
        constant = _LEAST_CONSTANT
        most = claimed + max(0.0, hidden, self._beyond(constant)[0])
        most = max(most, self._observed(constant)[0]) + unseen
        return msgspec.structs.replace(
            interval,
            value=interval.value * claimed / (claimed + contradicted),
            low=min(interval.low, other / max(most, self._unwitnessed())),
        )

    def contradicted(self) -> float:
        """Seconds per call that the outer clock sees and the kernel's own does not.

        Beyond what honest kernels differ by, and for a small claim at two standard
        errors: enough to believe the outer clock, where it is too little to accuse the
        kernel. A large claim is not taken on the kernel's word at all.
        """
        least = _CLOCK_SHARE * self.claimed()
        is_small = speedup_interval(self.log_ratios).value <= _LARGE
        found = [
            hidden - slack
            for hidden, error, slack in self._seen()
            if hidden - slack > max(least, error / 2 if is_small else 0.0)
        ]
        return max(found, default=0.0)

    def is_settled(self) -> bool:
        """Whether the outer clock either bears the kernel's own out or convicts it."""
        return not self.contradicted() or not self.clocks_agree()

    def runtimes(self) -> list[float]:
        """Seconds of each of the kernel's calls, as far as its claims can be believed."""
        contradicted = self.contradicted()
        return [seconds + contradicted for seconds in self.kernel_seconds]

    @property
    def log_ratios(self) -> list[float]:
        """One per pair: how much longer the baseline took, as a logarithm."""
        return [
            math.log(baseline.typical) - math.log(kernel.typical)
            for kernel, baseline in self._pairs
        ]

    @property
    def kernel_seconds(self) -> list[float]:
        return [seconds for kernel, _ in self._pairs for seconds in kernel.settled]

    @property
    def baseline_seconds(self) -> list[float]:
        return [seconds for _, baseline in self._pairs for seconds in baseline.settled]

    def baseline_median(self) -> float:
        return statistics.median(self.baseline_seconds)

    def baseline_beside(self) -> float:
        """Seconds of a baseline call beside the kernel, to hold against those without.

        On a GPU as the speedup counts them. On a CPU what a tenth of the calls took at
        most: a kernel that kept it busy slowed those down, too, and other people's load
        did not.
        """
        if self._kind == "cuda":
            bursts = [math.log(baseline.typical) for _, baseline in self._pairs]
            return speedup_interval(bursts).value
        ordered = sorted(self.baseline_seconds)
        return ordered[len(ordered) // 10]

    def kernel_host(self) -> float:
        """Seconds that the kernel's process says it takes to issue a call."""
        return statistics.median(kernel.host for kernel, _ in self._pairs)

    def claimed(self) -> float:
        """Seconds of a call of the kernel by its own clock, as the speedup counts them."""
        return statistics.median(kernel.typical for kernel, _ in self._pairs)

    def hidden_seconds(self) -> tuple[float, float]:
        """Seconds per call that only the outer clock saw, and what it can resolve.

        Both sides run the same loop over the same slots. What a burst takes beyond
        its calls is a constant (the round trip, and waking the process and its GPU
        context, which differ between sides that are not alike) and a cost per call,
        which does not differ unless a side's own clock leaves something out. Bursts of
        different lengths separate the two.
        """
        hidden, error, slack = self._hidden()
        return hidden, error + slack

    def clocks_agree(self) -> bool:
        """Whether the outer clock bears out what the kernel's own process measured."""
        share = _CLOCK_SHARE * self.claimed()
        return all(
            hidden <= error + slack + share for hidden, error, slack in self._seen()
        )

    def disagreement(self) -> str:
        hidden = max(hidden for hidden, _, _ in self._seen())
        claimed = self.claimed()
        return (
            f"its own clock says {claimed * 1e6:.1f} us per call, "
            f"the outer clock at least {(claimed + hidden) * 1e6:.1f} us"
        )

    @property
    def _alike(self) -> bool:
        """Whether the baseline's process is woken, kept and stopped as the kernel's is."""
        return all(baseline.waking is not None for _, baseline in self._pairs)

    def _seen(self) -> list[tuple[float, float, float]]:
        """What speaks for hidden seconds: each with its uncertainty and its slack."""
        constant = _LEAST_CONSTANT if self._alike else _MOST_CONSTANT
        observed, error = self._observed(constant)
        return [
            self._hidden(),
            (*self._beyond(constant), _CLOCK_SLACK),
            (observed - self.claimed(), error, _CLOCK_SLACK),
        ]

    def _hidden(self) -> tuple[float, float, float]:
        """Hidden seconds, their uncertainty, and by how much honest kernels differ.

        Between sides that are alike the constant is known, and bursts of one round are
        compared, which met the same machine; a slope knows neither.
        """
        if self._alike:
            return *self._beyond(_LEAST_CONSTANT), _CLOCK_SLACK
        kernels, baselines = zip(*self._pairs, strict=True)
        hidden, error = overhead_per_call(kernels)
        expected, expected_error = overhead_per_call(baselines)
        lengths = {len(kernel.seconds) for kernel in kernels}
        slack = _CLOCK_SLACK if len(lengths) > 1 else _CONSTANT_SLACK
        return hidden - expected, 4 * math.hypot(error, expected_error), slack

    def _beyond(self, constant: float) -> tuple[float, float]:
        """Seconds per call that the longer half of the bursts take beyond their calls.

        Less what the baseline's take, and less a ``constant``; and their uncertainty.
        The slope alone says nothing of a kernel that makes all bursts as long as the
        longest, and claims what a call adds.
        """
        return self._in_long_bursts(
            lambda side, other: side.beyond - other.beyond - constant
        )

    def _observed(self, constant: float) -> tuple[float, float]:
        """The same with what the calls take, so that nothing in it is a claim.

        A kernel may lie about some bursts and hide something in others, of which
        each is less than half.
        """
        return self._in_long_bursts(
            lambda side, other: side.wall - other.beyond - constant
        )

    def _unwitnessed(self) -> float:
        """Seconds of a call if nothing but calls took the kernel's process any time.

        That process copies what it returns, off its own clock, and as the baseline does;
        one that leaves this out can hide as much work as it takes. Zero where it is not
        known what waking a process takes.
        """
        if not self._alike:
            return 0.0
        return self._in_long_bursts(
            lambda side, other: side.wall - (other.waking or 0.0)
        )[0]

    def _in_long_bursts(
        self, seconds: Callable[[Measured, Measured], float]
    ) -> tuple[float, float]:
        """Per call of the longer half, from each pair's bursts; and its uncertainty."""
        middle = statistics.median(len(kernel.seconds) for kernel, _ in self._pairs)
        per_call = [
            seconds(kernel, baseline) / len(kernel.seconds)
            for kernel, baseline in self._pairs
            if len(kernel.seconds) >= middle
        ]
        return statistics.median(per_call), 4 * _spread(per_call)

    def limits(self) -> list[str]:
        """What these samples cannot tell."""
        found = []
        _, resolution = self.hidden_seconds()
        contradicted = self.contradicted()
        if contradicted:
            found.append(
                f"the outer clock sees {contradicted * 1e6:.0f} us more per call than "
                "the kernel's own process: the runtime is the outer clock's"
            )
        elif resolution > 0.5 * self.claimed():
            found.append(
                "too short for the outer clock: "
                "the runtime rests on what the kernel's own process measured"
            )
        if len(self._pairs) < _MIN_PAIRS:
            found.append(f"only {len(self._pairs)} pairs fit the time: wide interval")
        return found


def overhead_per_call(bursts: Sequence[Measured]) -> tuple[float, float]:
    """Seconds per call that a burst takes beyond its calls, and the standard error.

    Theil-Sen's slope over the lengths of the bursts; where all have one length, nothing
    separates the constant, and the whole is returned.
    """
    lengths = [len(burst.seconds) for burst in bursts]
    beyond = [burst.beyond for burst in bursts]
    slopes = [
        (y2 - y1) / (x2 - x1)
        for (x1, y1), (x2, y2) in itertools.combinations(
            zip(lengths, beyond, strict=True), 2
        )
        if x1 != x2
    ]
    if not slopes:
        center = statistics.median(beyond) / lengths[0]
        return center, _spread([value / lengths[0] for value in beyond])
    slope = statistics.median(slopes)
    residuals = [y - slope * x for x, y in zip(lengths, beyond, strict=True)]
    return slope, _spread(residuals) / statistics.pstdev(lengths)


def _spread(values: Sequence[float]) -> float:
    """Standard error of a center of ``values``, from their median deviation."""
    center = statistics.median(values)
    deviation = statistics.median(abs(value - center) for value in values)
    return 1.4826 * deviation / math.sqrt(len(values))
