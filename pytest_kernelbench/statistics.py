"""Speedups as paired log ratios, with an interval that survives being looked at.

A sample is one block of baseline calls and one block of kernel calls, measured next
to each other so that clock drift and neighbours hit both: d = ln(baseline / kernel).
Blocks of all baselines followed by all kernels, as most benchmarks do, put the drift
between the two into the ratio; simulated with the noise of published H100 runs they
call 72 % of equal kernels faster, where the procedure below does so in 0.8 %.

* Estimate: the 20 % trimmed mean T of d (Tukey & McLaughlin 1963); speedup = exp(T).
* Interval: Yuen's: SE = s_w / ((1 - 2h/n) * sqrt(n)) with s_w the standard deviation
  of d winsorised by the same h = floor(0.2 n), and t with n - 2h - 1 degrees of
  freedom. It keeps its level with the long right tails that runtimes have.
* Looks: sampling may stop at any of a few fixed sizes. Each look is made at level
  alpha / number of looks (Bonferroni), so the interval at which it stops still has
  its coverage.
* Systematic part: where the buffers and the code of two processes lie in memory
  moves the ratio of equal kernels by a little in each evaluation, however often they
  are called. It is measured by comparing kernels with themselves over many
  evaluations, and widens the interval: half-width = hypot(t * SE, systematic).
* Thresholds: a kernel fails only when a wider interval excludes the limit, one whose
  upper end is passed by chance with a probability of alpha. A run of n kernels gives
  each alpha / n (Bonferroni), so alpha is the chance that a run in which all kernels
  keep their limits fails one. The systematic part grows with the level like a normal
  deviate: what was measured of it is its 95 % half-width.
* Base against head: each is paired with the other in rounds whose order is turned
  around every time, so that a steady drift cancels. What every side differs by from
  itself, one round to the next, is the noise floor (A/A) of this very run. A change
  counts only where the whole interval lies beyond the smallest change worth a name
  and beyond that floor.
* A single runtime is reported as a median with the interval between two order
  statistics (binomial, normal approximation): no shape is assumed.

Pure functions; the clock, the devices and the thresholds belong to others.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from pytest_kernelbench.model import Interval, Options, Runtime

LOOKS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of pairs at which sampling may stop."""
_LEVEL = 0.05
_NORMAL = statistics.NormalDist()
_TRIM = 0.2
_DECIDED_HALF_WIDTH = 0.03
"""A decided threshold stops sampling only once the speedup is known this well."""
_KEPT_SAMPLES = 128
_WIDEST = 200.0
"""Logarithm of what no end of an interval exceeds; two wild pairs know no bounds."""
SMALLEST_CHANGE = 0.01
"""A change counts only if it is certainly larger, relative."""
_SAME = 1 + 2 * SMALLEST_CHANGE
"""An interval between this and its inverse is that of an equal."""


def speedup_interval(
    log_ratios: Sequence[float], systematic: float = 0.0, level: float = _LEVEL
) -> Interval:
    """Trimmed mean of log ratios as a speedup with its interval.

    Args:
        log_ratios: one per pair. A single one has no spread: the interval is then a
            factor of 1.25 either way.
        systematic: relative half-width, at 95 %, of what no number of pairs averages
            out.
        level: probability that the truth lies outside.
    """
    count = len(log_ratios)
    if count == 1:
        value = math.exp(log_ratios[0])
        return Interval(value=value, low=value / 1.25, high=value * 1.25)
    ordered = sorted(log_ratios)
    cut = int(_TRIM * count)
    center = statistics.fmean(ordered[cut : count - cut])
    winsorised = _winsorise(ordered, cut)
    kept = 1 - 2 * cut / count
    error = statistics.stdev(winsorised) / (kept * math.sqrt(count))
    quantile = _student_quantile(1 - level / len(LOOKS) / 2, count - 2 * cut - 1)
    deviates = _NORMAL.inv_cdf(1 - level / 2) / _NORMAL.inv_cdf(1 - _LEVEL / 2)
    half_width = math.hypot(quantile * error, systematic * deviates)
    return Interval(
        value=math.exp(center),
        low=math.exp(max(center - half_width, -_WIDEST)),
        high=math.exp(min(center + half_width, _WIDEST)),
    )


def _winsorise(ordered: Sequence[float], cut: int) -> list[float]:
    low, high = ordered[cut], ordered[len(ordered) - cut - 1]
    return [min(max(value, low), high) for value in ordered]


def _student_quantile(probability: float, degrees: int) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - only where something is timed

    return float(stdtrit(degrees, probability))


def decisive_interval(
    log_ratios: Sequence[float], systematic: float, alpha: float
) -> Interval:
    """The interval that a limit must lie outside of for a kernel to fail it.

    Args:
        log_ratios: one per pair.
        systematic: as for ``speedup_interval``.
        alpha: probability that the truth lies above its upper end.
    """
    return speedup_interval(log_ratios, systematic, min(2 * alpha, _LEVEL))


def may_stop(log_ratios: Sequence[float], systematic: float, options: Options) -> bool:
    """Whether at this look everything that was asked is known.

    That is the precision asked for, but no more than what is systematic lets anyone
    know; and where there is a threshold, on which side of it the speedup lies.
    """
    pairs = len(log_ratios)
    if pairs not in LOOKS:
        return False
    enough = max(options.precision_target, systematic)
    known = _half_width(speedup_interval(log_ratios))
    threshold = options.min_speedup
    if pairs == LOOKS[-1] or (threshold is None and known <= enough):
        return True
    if threshold is None:
        return False
    passes = speedup_interval(log_ratios, systematic).low >= threshold
    fails = decisive_interval(log_ratios, systematic, options.alpha).high < threshold
    if passes or fails:
        return known <= _DECIDED_HALF_WIDTH
    return _half_width(decisive_interval(log_ratios, 0.0, options.alpha)) <= enough


def _half_width(interval: Interval) -> float:
    return math.log(interval.high / interval.low) / 2


def noise_floor(sides: Sequence[Sequence[float]]) -> float:
    """By how much sides differ from themselves, relative: the A/A of a comparison.

    Args:
        sides: per side, the seconds of a call in each round. A round and the next
            mirror each other; the differences of all sides are taken together.
    """
    differences = [
        math.log(seconds[index]) - math.log(seconds[index + 1])
        for seconds in sides
        for index in range(0, len(seconds) - 1, 2)
    ]
    interval = speedup_interval(differences)
    return max(interval.high, 1 / interval.low) - 1


def change_of(
    speedup: Interval, noise: float
) -> Literal["FASTER", "SAME", "SLOWER", "AMBIGUOUS"]:
    """What to call a change: by where its whole interval lies.

    Args:
        speedup: of the head over the base.
        noise: what equal kernels differ by in the same run, relative.
    """
    least = 1 + max(SMALLEST_CHANGE, noise)
    if speedup.high < 1 / least:
        return "SLOWER"
    if speedup.low > least:
        return "FASTER"
    is_close = speedup.low > 1 / _SAME and speedup.high < _SAME
    return "SAME" if is_close else "AMBIGUOUS"


def regression_limit(allowed: float) -> float:
    """The speedup below which a kernel takes longer by more than is allowed."""
    return 1 / (1 + allowed)


def _some(samples: Sequence[float]) -> tuple[float, ...]:
    """Evenly chosen: a run of a thousand kernels keeps millions otherwise."""
    kept = min(len(samples), _KEPT_SAMPLES)
    return tuple(samples[index * len(samples) // kept] for index in range(kept))


def summarize(samples: Sequence[float]) -> Runtime:
    """All calls of one side, in seconds."""
    ordered = sorted(samples)
    count = len(ordered)
    reach = 1.96 * math.sqrt(count) / 2
    low = ordered[max(0, math.floor(count / 2 - reach))]
    high = ordered[min(count - 1, math.ceil(count / 2 + reach))]
    # Inclusive: the other method makes negative quartiles of two uneven samples.
    few = ordered if count > 1 else ordered * 2
    first, _, third = statistics.quantiles(few, n=4, method="inclusive")
    return Runtime(
        median=statistics.median(ordered),
        low=low,
        high=high,
        mean=statistics.fmean(ordered),
        stddev=statistics.stdev(ordered) if count > 1 else 0.0,
        min=ordered[0],
        max=ordered[-1],
        q1=first,
        q3=third,
        calls=count,
        samples=_some(samples),
    )
