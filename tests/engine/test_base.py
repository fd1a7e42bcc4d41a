"""A kernel beside its base: what is found, and whose fault is whose."""

from __future__ import annotations

import msgspec
import pytest

from pytest_kernelbench.model import EvalResult, Kernel, Verdict

# Too small to be split among threads, which wait for each other where others run, and
# long enough for a clock to tell from a process's start.
PROBLEM = """\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        y = torch.zeros_like(x)
        for turn in range(20):
            y = y + torch.sin(x + turn)
        return y


def get_inputs():
    return [torch.randn(16, 512)]
"""
GOOD = PROBLEM.partition("def get_inputs")[0].replace("Model(", "ModelNew(")
THIRTYFOLD = GOOD.replace(
    "for turn in", "for _ in range(580): y + torch.sin(x + 1)\n        for turn in"
)
WRONG = GOOD.replace("return y", "return y * 2")
LYING = f"""\
from pytest_kernelbench.engine import candidate

REAL = candidate.run_burst

def lying(*words):
    seconds, host = REAL(*words)
    half = len(seconds) // 2 + 1
    told = [s * 0.3 if n <= half else s for n, s in enumerate(seconds)]
    return told, host

candidate.run_burst = lying

{GOOD}"""
DEADLY = GOOD.replace("return y", "import os; os._exit(1)")


@pytest.fixture(scope="module")
def against(engine):
    def evaluate(head: str, base: str, **options: object) -> EvalResult:
        options = {"timing": True, "max_time": 1.0} | options
        request = engine.request(head, PROBLEM, **options)
        earlier = Kernel(path="origin/main:k/a_kernel.py", source=base)
        request = msgspec.structs.replace(request, base=earlier)
        return engine.executor.submit(request).result(timeout=120)

    return evaluate


@pytest.fixture(scope="module")
def decided(against):
    def evaluate(head: str, base: str) -> EvalResult:
        """Once more, and again, where other people's load has hidden even this."""
        for _ in range(3):
            result = against(head, base)
            if result.change is not None and result.change.verdict != "AMBIGUOUS":
                return result
        pytest.skip("this machine is too busy to tell a kernel from thirty of it")

    return evaluate


@pytest.fixture(scope="module")
def slowed(decided):
    return decided(THIRTYFOLD, GOOD)


class TestAKernelThatDoesThirtyTimesTheWork:
    def test_is_slower_than_its_base(self, slowed):
        assert slowed.verdict is Verdict.PASS
        assert slowed.change.verdict == "SLOWER"
        assert slowed.change.speedup.high < 1

    def test_is_measured_twice_before_that_is_said(self, slowed):
        assert [n for n in slowed.notes if "measured twice against origin/main" in n]

    def test_names_the_base_and_its_runtime(self, slowed):
        assert slowed.change.against == "origin/main"
        assert slowed.change.before.median < slowed.runtime.median

    def test_has_the_speedup_over_pytorch_as_well(self, slowed):
        assert slowed.speedup.value < 1

    def test_is_faster_the_other_way_round(self, decided):
        assert decided(GOOD, THIRTYFOLD).change.verdict == "FASTER"


def test_a_head_that_lies_about_half_of_its_calls_is_not_faster(against):
    result = against(LYING, GOOD)
    change = result.change
    assert change is None or change.verdict != "FASTER", result.notes


class TestWhatIsWrongWithTheBase:
    @pytest.mark.parametrize(
        ("base", "why"),
        [
            ("import os; os._exit(3)", "CRASH"),
            ("class ModelNew(", "BUILD"),
            (WRONG, "WRONG"),
            (DEADLY, "CRASH"),
        ],
    )
    def test_is_a_note_and_no_fault_of_the_kernel(self, against, base, why):
        result = against(GOOD, base)
        assert result.verdict is Verdict.PASS
        assert result.speedup is not None
        assert result.change is None
        (note,) = [n for n in result.notes if "not compared with origin/main" in n]
        assert why in note

    def test_does_not_make_a_wrong_kernel_right(self, against):
        assert against(WRONG, WRONG).verdict is Verdict.WRONG


def test_equal_sources_have_builds_of_their_own(against):
    result = against(GOOD, GOOD)
    assert result.verdict is Verdict.PASS
    assert result.change is not None


def test_a_base_is_not_run_where_nothing_is_timed(against):
    result = against(GOOD, DEADLY, timing=False)
    assert result.verdict is Verdict.PASS
    assert not result.notes
