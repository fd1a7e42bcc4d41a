"""How the outer clock finds what a side's own clock leaves out."""

from __future__ import annotations

import dataclasses
import random
import statistics

import pytest

from pytest_kernelbench.engine.bursts import Burst, Measured, measured
from pytest_kernelbench.engine.clients import KernelFault, TimeBudget
from pytest_kernelbench.engine.sampling import Sampler, overhead_per_call
from pytest_kernelbench.model import Options, Verdict

ROUND_TRIP = 400e-6
PER_CALL = 20e-6


def burst(
    random_: random.Random, calls: int, seconds: float, *, claimed: float | None = None
) -> Measured:
    """A burst of calls that take ``seconds`` and are said to take ``claimed``."""
    real = [seconds * random_.lognormvariate(0, 0.02) for _ in range(calls)]
    jitter = abs(random_.gauss(0, 20e-6))
    wall = sum(real) + calls * PER_CALL + ROUND_TRIP + jitter
    told = real if claimed is None else [claimed] * calls
    return Measured(seconds=told, wall=wall, host=5e-6)


def bursts(seconds: float, *, claimed: float | None = None) -> list[Measured]:
    random_ = random.Random(3)
    lengths = [random_.randint(1, 4) for _ in range(10)]
    lengths += [random_.randint(20, 40) for _ in range(30)]
    return [burst(random_, calls, seconds, claimed=claimed) for calls in lengths]


class TestTheCostOfACall:
    def test_is_told_from_the_constant_cost_of_a_burst(self):
        cost, error = overhead_per_call(bursts(1e-4))
        assert cost == pytest.approx(PER_CALL, abs=4 * error)
        assert error < 5e-6

    def test_holds_the_time_that_a_side_hides(self):
        honest, _ = overhead_per_call(bursts(1e-3))
        hiding, _ = overhead_per_call(bursts(1e-3, claimed=1e-4))
        assert hiding - honest == pytest.approx(9e-4, rel=0.05)

    def test_holds_the_time_of_one_long_call_that_works_for_all_others(self):
        random_ = random.Random(5)
        made = []
        for calls in [2, 3, 4, *range(20, 40)]:
            whole = burst(random_, calls, 1e-3)
            told = [*[1e-5] * (calls - 1), sum(whole.seconds)]
            made.append(Measured(seconds=told, wall=whole.wall, host=5e-6))
        hiding, _ = overhead_per_call(made)
        assert hiding > 8e-4

    def test_includes_the_constant_where_all_bursts_have_one_length(self):
        random_ = random.Random(5)
        cost, _ = overhead_per_call([burst(random_, 1, 1e-3) for _ in range(20)])
        assert cost > PER_CALL


def sampler(*, options: Options | None = None, slots: int = 40) -> Sampler:
    return Sampler(options or Options(), (0.01, 2e-6), slots, TimeBudget(180))


def filled(kernel: list[Measured], baseline: list[Measured]) -> Sampler:
    made = sampler()
    for pair in zip(kernel, baseline, strict=True):
        made.add(*pair)
    return made


class TestHiddenTime:
    def test_is_nothing_for_equal_sides(self):
        hidden, resolution = filled(bursts(1e-3), bursts(1e-3)).hidden_seconds()
        assert abs(hidden) < resolution

    @pytest.mark.parametrize("times", [0.25, 4.0])
    def test_is_nothing_for_an_honestly_faster_or_slower_side(self, times):
        made = filled(bursts(times * 1e-3), bursts(1e-3))
        hidden, resolution = made.hidden_seconds()
        assert abs(hidden) < resolution

    def test_is_what_a_kernel_leaves_out(self):
        made = filled(bursts(1e-3, claimed=5e-4), bursts(1e-3))
        hidden, resolution = made.hidden_seconds()
        assert hidden == pytest.approx(5e-4, rel=0.1)
        assert hidden > resolution

    def test_that_cannot_be_resolved_is_said_to_be(self):
        (limit,) = filled(bursts(1e-6), bursts(1e-6)).limits()
        assert "too short for the outer clock" in limit

    def test_of_a_long_call_is_resolved(self):
        assert filled(bursts(1e-3), bursts(1e-3)).limits() == []


class TestAClaimThatTheOuterClockContradicts:
    """By too little to accuse the kernel: the machine is busy."""

    CLAIMED, TRUE = 1e-6, 224e-6

    def noisy(
        self, random_: random.Random, seconds: float, claimed: float | None
    ) -> list[Measured]:
        lengths = [*range(1, 17)] * 2
        made = [burst(random_, n, seconds, claimed=claimed) for n in lengths]
        return [
            dataclasses.replace(one, wall=one.wall + abs(random_.gauss(0, 2e-3)))
            for one in made
        ]

    @pytest.fixture
    def doubted(self):
        random_ = random.Random(11)
        lying = self.noisy(random_, self.TRUE, self.CLAIMED)
        return filled(lying, self.noisy(random_, self.TRUE, None))

    def test_is_no_reason_to_accuse(self, doubted):
        assert doubted.clocks_agree()

    def test_is_not_believed(self, doubted):
        assert doubted.contradicted() > self.TRUE / 3
        assert statistics.median(doubted.runtimes()) > self.TRUE / 3
        assert doubted.speedup().low < 1 < doubted.speedup().value < 3

    def test_lengthens_runtime_and_speedup_alike(self):
        # A claim that is small enough to be taken on trust, if nothing spoke against it.
        random_ = random.Random(11)
        lying = self.noisy(random_, 6e-4, 4.2e-4)
        made = filled(lying, self.noisy(random_, 6e-4, None))
        assert made.contradicted() > 0
        known = made.baseline_median() / statistics.median(made.runtimes())
        assert made.speedup().value == pytest.approx(known, rel=0.02)

    def test_widens_the_interval_of_a_gain_that_it_cannot_bear_out(self):
        random_ = random.Random(11)
        shaved = self.noisy(random_, 1e-4, 0.72e-4)
        pairs = zip(shaved, self.noisy(random_, 1e-4, None), strict=True)
        words = (Options(), (0.01, 2e-6), 40, TimeBudget(180))
        trusting, wary = Sampler(*words), Sampler(*words, device_kind="cpu")
        for pair in pairs:
            trusting.add(*pair)
            wary.add(*pair)
        assert trusting.speedup().low > 1.25
        assert wary.speedup().low < 1.25
        assert wary.speedup().value == trusting.speedup().value

    def test_is_told(self, doubted):
        (limit,) = doubted.limits()
        assert "more per call than the kernel's own process" in limit

    def test_is_seen_although_all_bursts_are_made_as_long_as_the_longest(self):
        random_, claimed = random.Random(5), 1e-4
        honest = bursts(5e-4)
        padded = [
            dataclasses.replace(
                burst(random_, len(one.seconds), 5e-4, claimed=claimed),
                wall=40 * 5e-4 + len(one.seconds) * claimed,
            )
            for one in honest
        ]
        made = filled(padded, honest)
        assert not made.clocks_agree()
        assert made.speedup().low < 1.1

    def test_is_seen_although_short_bursts_lie_and_most_long_ones_do_not(self):
        random_ = random.Random(11)
        kernel, baseline, lies = [], [], 0
        for made in range(60):
            calls = random_.choice([1, 2, *range(4, 9)])
            lie = calls <= 4 or 0.535 * (made + 1) - lies > 1
            lies += lie
            claimed = 7e-5 if lie else None
            kernel.append(burst(random_, calls, 1e-3, claimed=claimed))
            baseline.append(burst(random_, calls, 1e-3))
        found = filled(kernel, baseline)
        assert found.speedup().low <= 1
        assert not found.clocks_agree()

    def test_is_seen_although_most_bursts_lie_about_half_of_their_calls(self):
        mixed = [
            dataclasses.replace(
                one,
                seconds=[
                    value * (0.6 if number <= len(one.seconds) // 2 + 1 else 1)
                    for number, value in enumerate(one.seconds)
                ],
            )
            for one in bursts(1e-3)
        ]
        made = filled(mixed, bursts(1e-3))
        assert made.contradicted() > 0
        assert made.speedup().low < 1.1

    @pytest.mark.parametrize("times", [0.05, 0.25, 1.0])
    def test_is_not_seen_in_honest_kernels(self, times):
        made = filled(bursts(times * 1e-3), bursts(1e-3))
        assert made.contradicted() == 0.0
        assert made.runtimes() == made.kernel_seconds


class TestSidesThatAreAlike:
    """On a machine where it takes milliseconds to wake and stop a process."""

    WAKING = 8e-3

    def slow(
        self, seconds: float, seed: int, *, claimed: float | None = None
    ) -> list[Measured]:
        random_, made = random.Random(seed), []
        for calls in [1, 2] * 8:
            told = burst(random_, calls, seconds, claimed=claimed)
            waking = self.WAKING * random_.lognormvariate(0, 0.1)
            made.append(
                dataclasses.replace(told, wall=told.wall + waking, waking=self.WAKING)
            )
        return made

    def test_are_no_reason_to_accuse_a_kernel_of_what_the_machine_takes(self):
        made = filled(self.slow(6.8e-3, 1), self.slow(12e-3, 2))
        assert made.clocks_agree()
        assert made.contradicted() == 0.0

    def test_are_not_what_a_baseline_is_that_nobody_stops(self):
        kernel = self.slow(6.8e-3, 1)
        at_once = [
            dataclasses.replace(one, wall=one.wall - self.WAKING, waking=None)
            for one in self.slow(12e-3, 2)
        ]
        assert filled(kernel, at_once).contradicted() > 0

    def test_show_what_a_kernel_hides(self):
        made = filled(self.slow(6.8e-3, 1, claimed=3.4e-3), self.slow(6.8e-3, 2))
        assert not made.clocks_agree()
        assert made.hidden_seconds()[0] == pytest.approx(3.4e-3, rel=0.2)

    def test_believe_no_gain_that_leaving_out_the_copies_would_give(self):
        copy, random_ = 1e-3, random.Random(7)
        kernel, baseline = [], []
        for calls in [4, 8, 12, 16] * 4:
            true = burst(random_, calls, 2e-3)
            without = burst(random_, calls, 2e-3, claimed=2e-3 - copy)
            kernel.append(without)
            baseline.append(
                dataclasses.replace(
                    true, wall=true.wall + calls * copy, waking=ROUND_TRIP
                )
            )
        made = filled(kernel, baseline)
        assert made.clocks_agree()
        assert made.speedup().value > 1.9
        assert made.speedup().low < 1.05


class TestTheSampler:
    def test_finds_the_speedup_of_the_typical_call(self):
        interval = filled(bursts(1e-3), bursts(2e-3)).speedup()
        assert interval.low < 2.0 < interval.high
        assert interval.high / interval.low < 1.1

    def test_is_no_surer_than_what_pairs_cannot_average_out(self):
        made = Sampler(Options(), (0.1, 0.0), 40, TimeBudget(180))
        for pair in zip(bursts(1e-3), bursts(1e-3), strict=True):
            made.add(*pair)
        assert made.speedup().low < 0.91
        assert made.speedup().high > 1.1

    def test_leaves_out_the_first_call_of_a_burst(self):
        slow_first = Measured(seconds=[1.0, 1e-3, 1e-3], wall=1.1, host=5e-6)
        made = filled([slow_first] * 8, [slow_first] * 8)
        assert max(made.kernel_seconds) == 1e-3

    def test_keeps_the_only_call_of_a_burst(self):
        lone = Measured(seconds=[1e-3], wall=2e-3, host=5e-6)
        assert filled([lone] * 8, [lone] * 8).kernel_seconds == [1e-3] * 8

    def test_warns_of_few_pairs(self):
        lone = Measured(seconds=[1.0], wall=1.1, host=5e-6)
        assert "only 3 pairs" in " ".join(filled([lone] * 3, [lone] * 3).limits())

    def test_draws_bursts_of_many_lengths_and_never_more_than_there_are_slots(self):
        made = sampler(slots=40)
        made.add(burst(random.Random(1), 1, 1e-5), burst(random.Random(2), 1, 1e-5))
        made.start()
        choices = random.Random(1)
        lengths = {made.draw_calls(choices) for _ in range(300)}
        assert min(lengths) <= 3
        assert max(lengths) == 40
        assert len(lengths) > 20

    def test_makes_single_calls_of_a_kernel_that_takes_seconds(self):
        made = sampler(slots=40)
        made.add(burst(random.Random(1), 1, 2.0), burst(random.Random(2), 1, 2.0))
        made.start()
        assert {made.draw_calls(random.Random(1)) for _ in range(20)} == {1}

    def test_keeps_bursts_short_of_a_kernel_that_takes_far_longer_than_it_says(self):
        made = sampler(slots=64)
        for seed in (1, 2):
            told = burst(random.Random(seed), 1, 1e-2, claimed=1e-6)
            made.add(told, burst(random.Random(seed), 1, 1e-4))
        made.start()
        assert max(made.draw_calls(random.Random(n)) for n in range(50)) == 9

    def test_looks_twice_at_a_kernel_whose_first_burst_stalls(self):
        made = sampler(slots=40)
        assert not made.is_warm
        stalled = Measured(seconds=[1e-5], wall=2.0, host=5e-6)
        made.add(stalled, burst(random.Random(1), 1, 1e-5))
        assert not made.is_warm
        made.add(burst(random.Random(2), 1, 1e-5), burst(random.Random(3), 1, 1e-5))
        assert made.is_warm
        made.start()
        assert max(made.draw_calls(random.Random(n)) for n in range(50)) == 40

    @pytest.mark.parametrize("side", [0, 1])
    def test_makes_long_bursts_although_the_first_call_of_a_side_was_slow(self, side):
        pairs = [[burst(random.Random(seed), 1, 1e-4) for _ in "kb"] for seed in (1, 2)]
        pairs[0][side] = burst(random.Random(3), 1, 0.015)
        made = sampler(slots=40)
        made.add(*pairs[0])
        assert made.is_warm
        made.start()
        assert made.most_calls == 1
        made.add(*pairs[1])
        assert made.most_calls == 40

    def test_looks_once_at_a_kernel_that_takes_seconds(self):
        made = sampler()
        made.add(burst(random.Random(1), 1, 2.0), burst(random.Random(2), 1, 2.0))
        assert made.is_warm

    def test_forgets_the_settling_pair_when_it_starts(self):
        made = filled(bursts(1e-3)[:1], bursts(9e-3)[:1])
        made.start()
        assert made.log_ratios == []

    def test_goes_on_while_there_are_too_few_pairs(self):
        assert not filled(bursts(1e-3)[:2], bursts(1e-3)[:2]).is_done()

    def test_ends_when_the_limit_leaves_no_room_for_another_pair(self):
        made = Sampler(Options(), (0.01, 2e-6), 40, TimeBudget(0))
        made.add(burst(random.Random(1), 1, 1e-3), burst(random.Random(2), 1, 1e-3))
        assert made.is_done()

    def test_ends_when_the_budget_is_spent(self):
        options = Options(max_time=0.0, precision_target=0.0)
        made = sampler(options=options)
        for pair in zip(bursts(1e-3)[:9], bursts(1e-3)[:9], strict=True):
            made.add(*pair)
        assert made.is_done()


REPLY = {"seconds": [1e-3, 2e-3], "host_seconds": 1e-5}


class TestWhatASideReports:
    def test_is_taken_when_it_can_be(self):
        taken = measured(REPLY, 0.01, 2)
        assert taken.seconds == [1e-3, 2e-3]
        assert taken.wall == 0.01

    @pytest.mark.parametrize(
        "changed",
        [
            {"seconds": [1e-3]},
            {"seconds": [1e-3] * 3},
            {"seconds": [1e-3, 0.0]},
            {"seconds": [1e-3, -1e-3]},
            {"seconds": [1e-3, float("nan")]},
            {"seconds": [1e-3, float("inf")]},
            {"seconds": [1e-3, "fast"]},
            {"seconds": [1e-3, None]},
            {"seconds": [1e-3, 10**400]},
            {"seconds": [6e-3, 6e-3]},
            {"seconds": "ab"},
            {"seconds": {"0": 1, "1": 1}},
            {"seconds": None},
            {"host_seconds": None},
            {"host_seconds": 10**400},
        ],
        ids=str,
    )
    def test_is_a_fault_when_it_cannot_be(self, changed):
        with pytest.raises(KernelFault) as caught:
            measured({**REPLY, **changed}, 0.01, 2)
        assert caught.value.verdict is Verdict.INTEGRITY


def test_a_burst_is_plain_data():
    made = Burst(places=[(0, 0)], seeds=[1], redraws=[""], draws=[2], padding=512)
    with pytest.raises(AttributeError):
        made.padding = 0
