"""When a kernel beside its base is evaluated again, and what counts then."""

from __future__ import annotations

import pytest

from pytest_kernelbench.engine.suspects import beside_base
from pytest_kernelbench.model import (
    Change,
    EvalRequest,
    EvalResult,
    Interval,
    Kernel,
    Problem,
    Verdict,
)

BASE = Kernel(path="v1:k/a_kernel.py", source="base")
REQUEST = EvalRequest(
    kernel=Kernel(path="k/a_kernel.py", source="head"),
    problem=Problem(id="p/1", name="p", source="", origin=""),
    device="cpu",
    base=BASE,
)


def change(verdict: str, value: float) -> Change:
    speedup = Interval(value=value, low=value - 0.01, high=value + 0.01)
    return Change(verdict=verdict, against="v1", speedup=speedup)


def result(verdict: Verdict = Verdict.PASS, **more: object) -> EvalResult:
    fields = {"stages": {"base": 1.0}, "elapsed_seconds": 2.0, "reason": "why"} | more
    return EvalResult(
        verdict=verdict, kernel="k/a_kernel.py", problem="p/1", device="cpu", **fields
    )


class Scripted:
    """Gives results in turn and remembers what was asked."""

    def __init__(self, *results: EvalResult) -> None:
        self._results = list(results)
        self.asked: list[bool] = []

    def __call__(self, request: EvalRequest) -> EvalResult:
        self.asked.append(request.base is not None)
        return self._results.pop(0)


@pytest.mark.parametrize("verdict", ["FASTER", "SAME", "AMBIGUOUS"])
def test_what_is_not_slower_is_measured_once(verdict):
    evaluate = Scripted(result(change=change(verdict, 1.0)))
    assert beside_base(REQUEST, evaluate).change.verdict == verdict
    assert evaluate.asked == [True]


class TestASuspect:
    def test_is_measured_once_more(self):
        slower = result(change=change("SLOWER", 0.9))
        evaluate = Scripted(slower, slower)
        beside_base(REQUEST, evaluate)
        assert evaluate.asked == [True, True]

    @pytest.mark.parametrize("values", [(0.9, 0.95), (0.95, 0.9)])
    def test_that_is_slower_again_is_as_slow_as_the_milder_of_both(self, values):
        evaluate = Scripted(*[result(change=change("SLOWER", v)) for v in values])
        found = beside_base(REQUEST, evaluate)
        assert found.change.verdict == "SLOWER"
        assert found.change.speedup.value == 0.95
        assert found.elapsed_seconds == 4.0
        (note,) = found.notes
        assert note.startswith("measured twice against v1: 0.9")

    def test_that_is_not_slower_again_is_undecided_over_both_intervals(self):
        evaluate = Scripted(
            result(change=change("SLOWER", 0.9)), result(change=change("SAME", 1.0))
        )
        found = beside_base(REQUEST, evaluate).change
        assert found.verdict == "AMBIGUOUS"
        assert (found.speedup.low, found.speedup.high) == (0.89, 1.01)

    def test_whose_base_fails_the_second_time_is_undecided(self):
        evaluate = Scripted(
            result(change=change("SLOWER", 0.9)),
            result(notes=("not compared with v1: the base is CRASH",)),
        )
        found = beside_base(REQUEST, evaluate)
        assert found.change.verdict == "AMBIGUOUS"
        assert found.notes == ("not compared with v1: the base is CRASH",)

    def test_that_fails_the_second_time_has_failed(self):
        evaluate = Scripted(result(change=change("SLOWER", 0.9)), result(Verdict.WRONG))
        assert beside_base(REQUEST, evaluate).verdict is Verdict.WRONG


class TestAFaultBesideTheBase:
    @pytest.mark.parametrize("verdict", ["CRASH", "TIMEOUT", "OOM", "INTEGRITY"])
    def test_is_decided_by_the_kernel_alone(self, verdict):
        evaluate = Scripted(result(Verdict(verdict)), result())
        found = beside_base(REQUEST, evaluate)
        assert found.verdict is Verdict.PASS
        assert evaluate.asked == [True, False]
        (note,) = found.notes
        assert f"not compared with v1: beside its base it was {verdict}" in note

    def test_of_the_output_is_the_kernels_own(self):
        evaluate = Scripted(result(Verdict.WRONG))
        assert beside_base(REQUEST, evaluate).verdict is Verdict.WRONG

    def test_before_the_base_was_there_is_the_kernels_own(self):
        evaluate = Scripted(result(Verdict.CRASH, stages={"check": 1.0}))
        assert beside_base(REQUEST, evaluate).verdict is Verdict.CRASH
