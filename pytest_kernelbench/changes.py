"""What a kernel's numbers are against those of another session: pure arithmetic.

Within a session, drift and neighbours hit kernel and baseline alike, and the interval
knows what is left. Between sessions more differs: clocks and temperature, where
processes and buffers happen to lie, another card of the same model. A number that was
stored is therefore compared with a wider interval,

    low = value - hypot(now.value - now.low, then.high - then.value, between)

on the scale of logarithms, and likewise for the other side (the variances of two
estimates recovered from their intervals: Zou & Donner 2008), where ``between`` is
1.96 * sqrt(2) times the standard deviation between sessions. Speedups are compared,
as both sides of each were measured together; times only where someone asks for them.

What is certain is so at a run's error rate: intervals are at 95 % and grow with the
level like a normal deviate.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Literal

from pytest_kernelbench.limits import Limit
from pytest_kernelbench.model import Change, EvalResult, Interval, Runtime

_NORMAL = statistics.NormalDist()
_LEVEL = 0.05
_QUANTILE = _NORMAL.inv_cdf(1 - _LEVEL / 2)


_ALIKE = 0.05
"""What differs by less for certain is the same; sessions hardly tell more apart."""
_NOISE_OF_A_GPU = 0.01
_NOISE_OF_A_CPU = 0.2


def session_noise(device: str) -> float:
    """By how much a speedup differs between sessions, where no one has measured it.

    The standard deviation, relative. Paired speedups of equal kernels spread by a
    quarter of a percent on an H200, and where a process places its buffers moved one
    by 0.8 %. On a CPU whose neighbours come and go, three kernels differed by 13 to
    40 % beyond their own intervals: a baseline with threads loses to them what a
    kernel with one thread does not.
    """
    return _NOISE_OF_A_CPU if device == "cpu" else _NOISE_OF_A_GPU


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What is known of a kernel from another session."""

    against: str
    """Where from, for messages."""
    speedup: Interval | None
    runtime: Runtime | None = None
    """None where only the speedup was kept."""
    same_kernel: bool = False
    """Whether the source is the same."""


def between_sessions(noise: float) -> float:
    """Half-width of what equal kernels differ by in two sessions.

    Args:
        noise: standard deviation of one session, relative.
    """
    return _QUANTILE * math.sqrt(2) * noise


def ratio(now: Interval, then: Interval, noise: float) -> Interval:
    """``now / then``, with the noise between their sessions."""
    value = math.log(now.value / then.value)
    between = between_sessions(noise)
    below = math.hypot(_down(now), _up(then), between)
    above = math.hypot(_up(now), _down(then), between)
    low, high = math.exp(value - below), math.exp(value + above)
    return Interval(value=math.exp(value), low=low, high=high)


def _down(interval: Interval) -> float:
    # An end at or below zero, which no measurement gives, says next to nothing.
    return math.log(interval.value / max(interval.low, interval.value / 100))


def _up(interval: Interval) -> float:
    return math.log(max(interval.high / interval.value, 1.0))


def change(now: EvalResult, then: Earlier, *, noise: float) -> Change | None:
    """The one word for it; None where one of the two has no speedup.

    Args:
        now: The result of this session.
        then: What is known from another.
        noise: Standard deviation between sessions, relative.
    """
    sides = _both(now.speedup, then.speedup)
    if sides is None:
        return None
    changed = ratio(*sides, noise)
    return Change(
        verdict=_word(changed),
        against=then.against,
        speedup=changed,
        before=then.runtime,
        noise=between_sessions(noise),
    )


def noise_beyond(speedups: Sequence[Interval]) -> tuple[float, float]:
    """By how much equal kernels differed between sessions, relative.

    Returns:
        The standard deviation that was seen, and what is left of it beyond the
        intervals of the sessions themselves: what ``--kb-session-noise`` is.
    """
    seen = statistics.variance(math.log(speedup.value) for speedup in speedups)
    own = statistics.fmean(
        ((_down(speedup) + _up(speedup)) / 2 / _QUANTILE) ** 2 for speedup in speedups
    )
    return math.sqrt(seen), math.sqrt(max(seen - own, 0.0))


def is_faster(now: EvalResult, then: Earlier, *, noise: float, alpha: float) -> bool:
    """Whether it certainly is: by chance it looks so with a probability of ``alpha``."""
    sides = _both(now.speedup, then.speedup)
    return sides is not None and _wider(ratio(*sides, noise), alpha).low > 1


def _wider(ratio_at_95: Interval, alpha: float) -> Interval:
    """The interval whose ends are each passed by chance with that probability."""
    deviates = _NORMAL.inv_cdf(1 - min(alpha, _LEVEL / 2)) / _QUANTILE
    value = ratio_at_95.value
    return Interval(
        value=value,
        low=value * (ratio_at_95.low / value) ** deviates,
        high=value * (ratio_at_95.high / value) ** deviates,
    )


def _word(speedup: Interval) -> Literal["FASTER", "SAME", "SLOWER", "AMBIGUOUS"]:
    if speedup.low > 1:
        return "FASTER"
    if speedup.high < 1:
        return "SLOWER"
    within = speedup.low >= 1 - _ALIKE and speedup.high <= 1 + _ALIKE
    return "SAME" if within else "AMBIGUOUS"


@dataclasses.dataclass(frozen=True, slots=True)
class Worse:
    """A limit that seems to be exceeded."""

    certain: bool
    """Whether the whole interval at the run's error rate is beyond the limit."""
    reason: str


def worse(
    limit: Limit,
    now: EvalResult,
    then: Earlier,
    *,
    noise: float,
    alpha: float,
    origin: str,
) -> Worse | None:
    """What there is to say of a limit; None where it holds or nothing was measured.

    Args:
        limit: What is allowed.
        now: The result of this session.
        then: What is known from another.
        noise: Standard deviation between sessions, relative.
        alpha: Probability that a kernel within its limit is certainly worse.
        origin: Who said so, for messages.

    An estimate beyond the limit whose interval is not is uncertain. One within the
    limit is fine, however wide its interval: the noise between sessions alone is
    about as wide as most limits, and would make every comparison uncertain.
    """
    sides = _sides(limit, now, then)
    if sides is None:
        return None
    excess = _excess(limit, *sides, noise=noise, alpha=alpha)
    if excess.value <= 0:
        return None
    said = _described(limit, *sides, noise)
    reason = f"{said} in {then.against}, at most {_amount(limit)} allowed ({origin})"
    if then.same_kernel:
        reason += "; its source is the same"
    return Worse(certain=excess.low > 0, reason=reason)


def _sides(
    limit: Limit, now: EvalResult, then: Earlier
) -> tuple[Interval, Interval] | None:
    if limit.field == "speedup":
        return _both(now.speedup, then.speedup)
    mean = limit.field == "mean"
    return _both(_time(now.runtime, mean=mean), _time(then.runtime, mean=mean))


def _both(
    now: Interval | None, then: Interval | None
) -> tuple[Interval, Interval] | None:
    if now is None or then is None or min(now.value, then.value) <= 0:
        return None
    return now, then


def _time(runtime: Runtime | None, *, mean: bool) -> Interval | None:
    if runtime is None:
        return None
    if not mean:
        return Interval(value=runtime.median, low=runtime.low, high=runtime.high)
    count = max(runtime.calls, len(runtime.samples), 1)
    half = _QUANTILE * runtime.stddev / math.sqrt(count)
    return Interval(
        value=runtime.mean, low=runtime.mean - half, high=runtime.mean + half
    )


def _excess(
    limit: Limit, now: Interval, then: Interval, *, noise: float, alpha: float
) -> Interval:
    """By how much more than allowed it got worse: above zero is too much."""
    # An absolute amount is a share of the earlier value, taken for what it was.
    share = limit.share
    if share is None:
        share = (limit.absolute or 0.0) / then.value
    return _moved(_worsening(limit, _wider(ratio(now, then, noise), alpha)), -share)


def _worsening(limit: Limit, changed: Interval) -> Interval:
    """By what share it got worse: a speedup lower, a time longer."""
    return _mirrored(changed) if limit.field == "speedup" else _moved(changed, -1.0)


def _mirrored(interval: Interval) -> Interval:
    return Interval(
        value=1.0 - interval.value, low=1.0 - interval.high, high=1.0 - interval.low
    )


def _moved(interval: Interval, by: float) -> Interval:
    return Interval(
        value=interval.value + by, low=interval.low + by, high=interval.high + by
    )


def _described(limit: Limit, now: Interval, then: Interval, noise: float) -> str:
    changed = _worsening(limit, ratio(now, then, noise))
    if limit.field == "speedup":
        seen, was, word = f"{now.value:.3g}x", f"{then.value:.3g}x", "lower"
    else:
        seen, was = (f"{side.value * 1e6:.4g} us" for side in (now, then))
        word = "longer"
    shares = [f"{100 * end:.1f}" for end in (changed.value, changed.low, changed.high)]
    by = f"{shares[0]}% {word} [{shares[1]}, {shares[2]}]"
    return f"{limit.field} {seen}, {by} than {was}"


def _amount(limit: Limit) -> str:
    return limit.text.partition(":")[2].strip()
