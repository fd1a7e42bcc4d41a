"""Stored numbers against new ones: what is certain, and what is not."""

from __future__ import annotations

import math

import pytest

from pytest_kernelbench.changes import (
    Earlier,
    between_sessions,
    change,
    is_faster,
    ratio,
    worse,
)
from pytest_kernelbench.limits import Limit, limit
from pytest_kernelbench.model import EvalResult, Interval, Runtime, Verdict


def around(value, spread=0.001):
    return Interval(value=value, low=value * (1 - spread), high=value * (1 + spread))


def runtime(median, samples=4):
    return Runtime(
        median=median,
        low=median * 0.999,
        high=median * 1.001,
        mean=median,
        stddev=median * 0.001,
        min=median,
        max=median,
        q1=median,
        q3=median,
        samples=(median,) * samples,
    )


def result(speedup=None, median=None, **fields):
    return EvalResult(
        verdict=Verdict.PASS,
        kernel="k.py",
        problem="p",
        device="cpu",
        speedup=None if speedup is None else around(speedup),
        runtime=None if median is None else runtime(median),
        **fields,
    )


def earlier(speedup=None, median=None, **fields):
    return Earlier(
        against="0001_main",
        speedup=None if speedup is None else around(speedup),
        runtime=None if median is None else runtime(median),
        **fields,
    )


def found(text, now, then, noise=0.01, alpha=0.01):
    origin = f"--kb-x={text}"
    return worse(limit(text), now, then, noise=noise, alpha=alpha, origin=origin)


class TestALimit:
    @pytest.mark.parametrize(
        ("text", "field", "share", "absolute"),
        [
            ("speedup:5%", "speedup", 0.05, None),
            ("speedup:0.1", "speedup", None, 0.1),
            ("speedup:0.1x", "speedup", None, 0.1),
            ("median:2.5%", "median", 0.025, None),
            ("median: 2us", "median", None, 2e-6),
            ("median:0.001", "median", None, 1e-3),
            ("mean:1e-6", "mean", None, 1e-6),
            ("mean:.5ms", "mean", None, 0.5e-3),
            ("speedup:0%", "speedup", 0.0, None),
        ],
    )
    def test_is_a_share_or_an_amount(self, text, field, share, absolute):
        read = limit(text)
        assert (read.field, read.text) == (field, text)
        assert read.share == pytest.approx(share)
        assert read.absolute == pytest.approx(absolute)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "5%", "speedup", "speedup:", "speedup:fast", "speedup:2us"),
            *("median:2x", "median:-5%", "median:nan", "ops:5%", "median:5%%"),
            "median:1.2.3%",
        ],
    )
    def test_that_cannot_be_read_is_refused_with_an_example(self, text):
        with pytest.raises(
            ValueError, match="expected FIELD:AMOUNT such as speedup:5%"
        ):
            limit(text)

    @pytest.mark.parametrize("field", ["min", "max", "stddev", "iqr"])
    def test_of_a_number_without_an_interval_is_refused_for_that(self, field):
        with pytest.raises(ValueError, match=f"{field} has no interval"):
            limit(f"{field}:5%")


class TestARatio:
    def test_of_equal_numbers_is_one_with_the_noise_between_sessions(self):
        exact = Interval(value=2.0, low=2.0, high=2.0)
        seen = ratio(exact, exact, noise=0.01)
        assert seen.value == 1
        assert math.log(seen.high) == pytest.approx(between_sessions(0.01))
        assert seen.low == pytest.approx(1 / seen.high)

    def test_is_as_uncertain_as_both_sides_together(self):
        narrow = ratio(around(1.0, 0.03), around(1.0, 1e-9), noise=1e-9)
        both = ratio(around(1.0, 0.03), around(1.0, 0.04), noise=1e-9)
        assert math.log(narrow.high) == pytest.approx(math.log(1.03), rel=1e-3)
        assert math.log(both.high) == pytest.approx(0.05, rel=0.03)

    def test_takes_each_side_of_an_uneven_interval_for_what_it_is(self):
        uneven = Interval(value=1.0, low=0.9, high=1.0)
        exact = Interval(value=1.0, low=1.0, high=1.0)
        assert ratio(uneven, exact, noise=1e-9).high == pytest.approx(1.0)
        assert ratio(exact, uneven, noise=1e-9).low == pytest.approx(1.0)

    def test_stays_finite_where_an_end_is_at_zero(self):
        broken = Interval(value=1.0, low=0.0, high=2.0)
        seen = ratio(broken, broken, noise=0.01)
        assert 0 < seen.low < seen.high < math.inf


class TestAChange:
    @pytest.mark.parametrize(
        ("now", "word"),
        [(1.0, "SAME"), (0.985, "SAME"), (1.1, "FASTER"), (0.9, "SLOWER")],
    )
    def test_has_one_word(self, now, word):
        seen = change(result(now), earlier(1.0), noise=0.01)
        assert seen.verdict == word
        assert seen.against == "0001_main"
        assert seen.noise == between_sessions(0.01)

    @pytest.mark.parametrize("now", [1.0, 0.95, 1.05])
    def test_that_may_be_large_is_ambiguous(self, now):
        seen = change(result(now), earlier(1.0), noise=0.05)
        assert seen.verdict == "AMBIGUOUS"

    def test_keeps_the_runtime_from_before_where_it_is_known(self):
        then = earlier(1.0, median=1e-3)
        assert change(result(1.0), then, noise=0.01).before == then.runtime

    @pytest.mark.parametrize(("now", "then"), [(None, 1.0), (1.0, None)])
    def test_needs_both_speedups(self, now, then):
        assert change(result(now), earlier(then), noise=0.01) is None


class TestWorse:
    @pytest.mark.parametrize(
        ("now", "certain"),
        [(1.2, None), (1.0, None), (0.96, None), (0.94, False), (0.9, True)],
    )
    def test_a_speedup_is_worse_for_certain_beyond_limit_and_noise(self, now, certain):
        seen = found("speedup:5%", result(now), earlier(1.0))
        assert (seen and seen.certain) == certain

    @pytest.mark.parametrize(("now", "certain"), [(0.95, None), (0.85, True)])
    def test_a_speedup_may_have_an_absolute_limit(self, now, certain):
        seen = found("speedup:0.1", result(now), earlier(1.0))
        assert (seen and seen.certain) == certain

    @pytest.mark.parametrize("field", ["median", "mean"])
    @pytest.mark.parametrize("amount", ["5%", "50us"])
    @pytest.mark.parametrize(
        ("now", "certain"), [(0.9e-3, None), (1.06e-3, False), (1.1e-3, True)]
    )
    def test_a_time_is_worse_when_it_is_longer(self, field, amount, now, certain):
        text = f"{field}:{amount}"
        seen = found(text, result(median=now), earlier(median=1e-3))
        assert (seen and seen.certain) == certain

    def test_wide_intervals_within_the_limit_are_no_reason_to_worry(self):
        assert found("speedup:3%", result(0.99), earlier(1.0), noise=0.2) is None

    def test_nothing_is_said_of_what_was_not_measured(self):
        assert found("median:5%", result(1.0), earlier(1.0)) is None
        assert found("speedup:5%", result(), earlier(1.0)) is None

    def test_the_reason_has_both_numbers_the_interval_and_the_limit(self):
        seen = found("speedup:5%", result(1.1), earlier(1.28, same_kernel=True))
        assert seen.reason == (
            "speedup 1.1x, 14.1% lower [11.6, 16.4] than 1.28x in 0001_main, "
            "at most 5% allowed (--kb-x=speedup:5%); its source is the same"
        )

    def test_a_time_is_told_in_microseconds(self):
        seen = found("median:5%", result(median=1.2e-3), earlier(median=1e-3))
        assert seen.reason.startswith("median 1200 us, 20.0% longer [16.7, ")
        assert "than 1000 us in 0001_main, at most 5% allowed" in seen.reason

    def test_a_zero_in_an_old_file_decides_nothing(self):
        zero = Earlier(against="x", speedup=Interval(value=0.0, low=0.0, high=0.0))
        assert found("speedup:5%", result(1.0), zero) is None


@pytest.mark.parametrize(("alpha", "certain"), [(0.025, True), (1e-6, False)])
def test_what_is_certain_depends_on_the_errors_that_a_run_may_make(alpha, certain):
    assert (
        found("speedup:5%", result(0.9), earlier(1.0), alpha=alpha).certain == certain
    )
    seen = is_faster(result(1.05), earlier(1.0), noise=0.01, alpha=alpha)
    assert seen == certain


def test_equal_kernels_are_hardly_ever_worse_for_certain():
    import random

    draw = random.Random(5)
    three = Limit(field="speedup", share=0.03, absolute=None, text="speedup:3%")
    alarms = 0
    for _ in range(2000):
        now, then = (math.exp(draw.gauss(0, 0.01)) for _ in range(2))
        seen = worse(
            three, result(now), earlier(then), noise=0.01, alpha=0.01, origin="-"
        )
        alarms += bool(seen and seen.certain)
    assert alarms == 0
