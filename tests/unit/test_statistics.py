"""What an interval promises, held by simulation with fixed seeds."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest

from pytest_kernelbench.model import Interval, Options
from pytest_kernelbench.statistics import (
    LOOKS,
    change_of,
    decisive_interval,
    may_stop,
    noise_floor,
    regression_limit,
    speedup_interval,
    summarize,
)

EVALUATIONS = 400
Noise = Callable[[random.Random], float]


def calm(random_: random.Random) -> float:
    return random_.gauss(0, 0.02)


def long_tailed(random_: random.Random) -> float:
    """A kernel is at times interrupted, and so is the baseline: both tails."""
    wide = random_.random() < 0.1
    return random_.gauss(0, 0.15 if wide else 0.02)


def evaluate(
    random_: random.Random, noise: Noise, true_speedup: float, options: Options
) -> Interval:
    """Look at more and more pairs until the rule says that enough is known."""
    ratios: list[float] = []
    while True:
        ratios.append(math.log(true_speedup) + noise(random_))
        if may_stop(ratios, 0.0, options):
            return speedup_interval(ratios)


def evaluations(
    noise: Noise, true_speedup: float, *, min_speedup: float | None = None
) -> list[Interval]:
    random_ = random.Random(20)
    options = Options(min_speedup=min_speedup, precision_target=0.01)
    return [evaluate(random_, noise, true_speedup, options) for _ in range(EVALUATIONS)]


def share(outcomes: list[bool]) -> float:
    return sum(outcomes) / len(outcomes)


class TestSpeedupInterval:
    @pytest.mark.parametrize("noise", [calm, long_tailed])
    def test_holds_the_truth_for_equal_kernels_and_calls_few_of_them_faster(
        self, noise
    ):
        found = evaluations(noise, 1.0)
        assert share([each.low <= 1 <= each.high for each in found]) >= 0.93
        assert share([each.low > 1 for each in found]) <= 0.02

    @pytest.mark.parametrize("noise", [calm, long_tailed])
    def test_keeps_its_level_when_it_is_looked_at_until_a_threshold_is_decided(
        self, noise
    ):
        found = evaluations(noise, 1.0, min_speedup=1.0)
        assert share([each.low <= 1 <= each.high for each in found]) >= 0.93
        assert share([each.low > 1 for each in found]) <= 0.03  # 0.025 is nominal

    @pytest.mark.parametrize("noise", [calm, long_tailed])
    def test_finds_five_percent(self, noise):
        found = evaluations(noise, 1.05, min_speedup=1.0)
        assert share([each.low > 1 for each in found]) >= 0.95
        assert share([each.low <= 1.05 <= each.high for each in found]) >= 0.93

    def test_centers_on_the_trimmed_mean_of_the_log_ratios(self):
        ratios = [0.3, 0.1, 0.2, 9.0, 0.2, 0.1, -7.0, 0.3, 0.2, 0.2]
        kept = sorted(ratios)[2:8]
        center = speedup_interval(ratios).value
        assert center == pytest.approx(math.exp(statistics.fmean(kept)))

    def test_is_not_moved_by_one_wild_pair_in_eight(self):
        ratios = [0.01, -0.01, 0.02, -0.02, 0.0, 0.01, -0.01]
        calm_, wild = speedup_interval([*ratios, 0.0]), speedup_interval([*ratios, 5.0])
        assert wild.value == pytest.approx(calm_.value, abs=0.01)
        assert wild.high < 1.2

    def test_of_twice_the_speed_is_the_reciprocal_of_half_the_speed(self):
        ratios = [0.69, 0.70, 0.68, 0.71, 0.69, 0.69, 0.70, 0.66]
        faster = speedup_interval(ratios)
        slower = speedup_interval([-ratio for ratio in ratios])
        assert slower.value == pytest.approx(1 / faster.value)
        assert slower.low == pytest.approx(1 / faster.high)

    @pytest.mark.parametrize("ratios", [(1e-8, 1e2), (1e-9, 1e3, 1.0)])
    def test_of_few_wild_pairs_has_ends(self, ratios):
        interval = decisive_interval([math.log(one) for one in ratios], 0.0, 1e-4)
        assert 0 < interval.low < interval.high < 1e100

    def test_of_a_single_pair_admits_that_it_knows_little(self):
        interval = speedup_interval([math.log(2.0)])
        assert interval.value == pytest.approx(2.0)
        assert interval.high / interval.low > 1.5

    def test_of_identical_pairs_is_as_wide_as_what_pairs_cannot_average_out(self):
        interval = speedup_interval([0.0] * 20, systematic=0.01)
        assert interval.low == pytest.approx(math.exp(-0.01))
        assert interval.high == pytest.approx(math.exp(0.01))

    def test_is_never_narrower_for_a_systematic_part(self):
        ratios = [0.01, -0.02, 0.0, 0.015, -0.01, 0.005, 0.0, 0.01]
        plain, widened = speedup_interval(ratios), speedup_interval(ratios, 0.02)
        assert widened.low < plain.low <= plain.high < widened.high


class TestThresholds:
    ALPHA = 0.01
    SYSTEMATIC = 0.006

    def fails(self, random_, true_speedup: float, options: Options) -> bool:
        """Whether a kernel fails a threshold of 1, with a bias of its own each time."""
        shift = random_.gauss(0, self.SYSTEMATIC / 1.96)
        ratios: list[float] = []
        while not may_stop(ratios, self.SYSTEMATIC, options):
            ratios.append(math.log(true_speedup) + shift + random_.gauss(0, 0.01))
        return decisive_interval(ratios, self.SYSTEMATIC, options.alpha).high < 1.0

    def share_of_failures(self, true_speedup: float, alpha: float) -> float:
        random_ = random.Random(7)
        options = Options(min_speedup=1.0, alpha=alpha)
        outcomes = [self.fails(random_, true_speedup, options) for _ in range(2000)]
        return share(outcomes)

    def test_fail_equal_kernels_no_more_often_than_allowed(self):
        assert self.share_of_failures(1.0, self.ALPHA) <= self.ALPHA

    def test_of_a_whole_run_fail_it_no_more_often_than_allowed(self):
        # Fifty kernels share alpha, so that of 2000 kernels hardly one may fail.
        assert self.share_of_failures(1.0, self.ALPHA / 50) <= 0.0005

    def test_find_a_kernel_that_is_three_percent_slower_among_fifty(self):
        assert self.share_of_failures(1 / 1.03, self.ALPHA / 50) >= 0.95

    def test_are_decided_by_a_wider_interval_than_is_shown(self):
        ratios = [0.01, -0.02, 0.0, 0.015, -0.01, 0.005, 0.0, 0.01]
        shown = speedup_interval(ratios, 0.01)
        decisive = decisive_interval(ratios, 0.01, alpha=1e-4)
        assert decisive.low < shown.low < shown.high < decisive.high


def pairs(center: float, spread: float, count: int) -> list[float]:
    """Log ratios whose interval has this half-width around ``center``."""
    made = [(-1) ** number * 1.0 for number in range(count)]
    known = math.log(speedup_interval(made).high / speedup_interval(made).low) / 2
    return [math.log(center) + spread / known * value for value in made]


class TestStopping:
    def test_happens_only_at_the_fixed_numbers_of_pairs(self):
        stops = [
            n for n in range(2, 129) if may_stop(pairs(2, 1e-5, n), 0.0, Options())
        ]
        assert tuple(stops) == LOOKS

    def test_waits_until_the_precision_is_reached(self):
        options = Options(precision_target=0.005)
        assert not may_stop(pairs(2.0, 0.01, 16), 0.0, options)
        assert may_stop(pairs(2.0, 0.0025, 16), 0.0, options)

    def test_does_not_wait_for_more_than_can_be_known(self):
        options = Options(precision_target=0.005)
        assert may_stop(pairs(2.0, 0.009, 16), 0.01, options)

    def test_happens_at_the_last_look_however_little_is_known(self):
        assert may_stop(pairs(1.0, 0.7, LOOKS[-1]), 0.0, Options())

    def test_comes_earlier_when_the_threshold_is_decided_either_way(self):
        options = Options(min_speedup=1.5)
        assert may_stop(pairs(1.99, 0.02, 16), 0.0, options)
        assert may_stop(pairs(1.18, 0.02, 16), 0.0, options)

    def test_waits_while_the_threshold_lies_inside_the_interval(self):
        assert not may_stop(pairs(1.5, 0.02, 16), 0.0, Options(min_speedup=1.5))

    def test_waits_while_a_decided_speedup_is_still_known_badly(self):
        assert not may_stop(pairs(2.2, 0.09, 16), 0.0, Options(min_speedup=1.5))


class TestSummary:
    def test_of_one_sample_is_that_sample(self):
        runtime = summarize([0.5])
        assert {runtime.median, runtime.low, runtime.high, runtime.q1} == {0.5}
        assert runtime.stddev == 0.0

    def test_keeps_the_samples_in_the_order_they_were_taken(self):
        assert summarize([3.0, 1.0, 2.0]).samples == (3.0, 1.0, 2.0)

    def test_keeps_some_of_very_many_samples_and_says_of_how_many_it_is(self):
        runtime = summarize([float(value) for value in range(10_000)])
        assert runtime.calls == 10_000
        assert len(runtime.samples) == 128
        assert runtime.samples[:2] == (0.0, 78.0)
        assert runtime.median == 4999.5

    def test_keeps_the_quartiles_of_two_uneven_calls_between_them(self):
        few = summarize([0.01, 3.9])
        assert 0.01 <= few.q1 <= few.median <= few.q3 <= 3.9

    def test_orders_its_quantiles(self):
        runtime = summarize([float(value) for value in range(1, 102)])
        assert runtime.median == 51
        assert runtime.min == 1
        assert runtime.max == 101
        assert runtime.q1 < runtime.low < runtime.median < runtime.high < runtime.q3

    def test_bounds_the_median_in_at_least_93_of_100_samplings(self):
        random_ = random.Random(4)
        held = []
        for _ in range(EVALUATIONS):
            runtime = summarize([random_.lognormvariate(0, 0.3) for _ in range(60)])
            held.append(runtime.low <= 1.0 <= runtime.high)
        assert share(held) >= 0.93


def rounds(random_: random.Random, slowdown: float, count: int, noise: float):
    """Seconds of base, kernel and baseline in rounds that mirror each other."""
    drift, made = 1.0, []
    for index in range(count):
        sides = [1e-4, 1e-4, 1e-4 * (1 + slowdown)]  # base, baseline, kernel
        order = (0, 1, 2) if index % 2 else (2, 1, 0)
        seen = [0.0] * 3
        for side in order:
            drift *= 1 + random_.gauss(0, noise / 4)
            seen[side] = sides[side] * drift * random_.lognormvariate(0, noise)
        made.append(seen)
    return [list(side) for side in zip(*made, strict=True)]


def changes(slowdown: float, *, noise: float, times: int, count: int = 48):
    """What is said of so many comparisons, each with its own processes' bias."""
    random_ = random.Random(11)
    said = []
    for _ in range(times):
        base, baseline, kernel = rounds(random_, slowdown, count, noise)
        bias = random_.gauss(0, 0.003)
        ratios = [
            math.log(b) - math.log(k) + bias for b, k in zip(base, kernel, strict=True)
        ]
        floor = noise_floor([base, baseline, kernel])
        said.append(change_of(speedup_interval(ratios, 0.006), floor))
    return said


class TestAChange:
    def test_is_not_found_where_there_is_none(self):
        said = changes(0.0, noise=0.01, times=400)
        assert said.count("SLOWER") == said.count("FASTER") == 0
        assert said.count("SAME") > 380

    def test_of_three_percent_is_found(self):
        assert changes(0.03, noise=0.01, times=200).count("SLOWER") >= 195

    def test_is_as_likely_found_when_it_is_an_improvement(self):
        assert changes(-0.03, noise=0.01, times=200).count("FASTER") >= 195

    def test_of_one_percent_is_too_small_to_be_called_slower(self):
        assert changes(0.01, noise=0.01, times=200).count("SLOWER") <= 2

    def test_is_not_found_in_noise_that_hides_it(self):
        said = changes(0.0, noise=0.2, times=200)
        assert said.count("SLOWER") == said.count("FASTER") == 0

    def test_is_undecided_beside_noise_of_its_size(self):
        speedup = Interval(value=0.95, low=0.94, high=0.96)
        assert change_of(speedup, 0.01) == "SLOWER"
        assert change_of(speedup, 0.08) == "AMBIGUOUS"


def test_the_noise_floor_is_what_sides_differ_by_from_themselves():
    steady = [[1.0] * 16, [2.0] * 16]
    assert noise_floor(steady) == pytest.approx(0.0)
    restless = [[1.0, 1.1] * 8, [2.0, 2.2] * 8]
    assert noise_floor(restless) == pytest.approx(0.1)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_what_is_exactly_as_slow_as_is_allowed_seldom_fails(alpha):
    """The share of a run of n kernels is alpha / n: their sum bounds the run's."""
    random_, evaluations, failures = random.Random(7), 1000, 0
    for _ in range(evaluations):
        base, _, kernel = rounds(random_, 0.03, 24, 0.01)
        bias = random_.gauss(0, 0.003)  # 95 % of it within 0.6 %
        ratios = [
            math.log(b) - math.log(k) + bias for b, k in zip(base, kernel, strict=True)
        ]
        found = decisive_interval(ratios, 0.006, alpha)
        failures += found.high < regression_limit(0.03)
    assert failures <= alpha * evaluations


def test_a_regression_is_told_by_how_much_longer_a_kernel_takes():
    assert regression_limit(0.25) == 0.8
