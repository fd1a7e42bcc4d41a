"""When a threshold fails, passes, or decides nothing."""

from __future__ import annotations

import msgspec
import pytest

from pytest_kernelbench.gates import (
    judge,
    require_assurance,
    require_kernel,
)
from pytest_kernelbench.model import (
    EvalRequest,
    EvalResult,
    Interval,
    Kernel,
    Options,
    Problem,
    Runtime,
    Verdict,
)


def result(**fields):
    known = {"verdict": Verdict.PASS, "kernel": "k.py", "problem": "p", "device": "cpu"}
    return EvalResult(**(known | fields))


def interval(low, high):
    return Interval(value=(low + high) / 2, low=low, high=high)


def runtime(low, high):
    middle = (low + high) / 2
    names = ("median", "mean", "min", "max", "q1", "q3")
    return Runtime(low=low, high=high, stddev=0.0, **dict.fromkeys(names, middle))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.2, 1.3, Verdict.PASS),
        (1.1, 1.19, Verdict.SLOW),
        (1.1, 1.3, Verdict.AMBIGUOUS),
        (1.1, 1.2, Verdict.AMBIGUOUS),
    ],
)
def test_a_speedup_fails_only_when_its_interval_excludes_the_limit(low, high, verdict):
    judged = judge(result(speedup=interval(low, high)), Options(min_speedup=1.2))
    assert judged.verdict is verdict
    if verdict is not Verdict.PASS:
        assert "at least 1.2x required" in judged.reason
        assert f"{low:g}, {high:g}" in judged.reason


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (30e-6, 40e-6, Verdict.PASS),
        (41e-6, 50e-6, Verdict.SLOW),
        (39e-6, 41e-6, Verdict.AMBIGUOUS),
    ],
)
def test_a_runtime_fails_only_when_its_interval_excludes_the_limit(low, high, verdict):
    judged = judge(result(runtime=runtime(low, high)), Options(max_runtime=40e-6))
    assert judged.verdict is verdict


def test_without_a_measurement_a_threshold_decides_nothing():
    judged = judge(result(), Options(min_speedup=1.0, max_runtime=1e-3))
    assert judged.verdict is Verdict.AMBIGUOUS
    assert "no speedup measured" in judged.reason
    assert "no runtime measured" in judged.reason


def test_a_problem_that_asks_nothing_cannot_satisfy_a_threshold():
    seen = result(unscorable="the problem accepts zeros")
    judged = judge(seen, Options(min_speedup=1.0))
    assert judged.verdict is Verdict.AMBIGUOUS
    assert judged.reason.startswith("unscorable, as the problem accepts zeros: no")


def test_slow_by_one_limit_is_slow_though_the_other_is_open():
    seen = result(speedup=interval(0.8, 0.9), runtime=runtime(1e-3, 3e-3))
    judged = judge(seen, Options(min_speedup=1.0, max_runtime=2e-3))
    assert judged.verdict is Verdict.SLOW
    assert "runtime" not in judged.reason


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASS])
def test_other_verdicts_are_not_touched(verdict):
    seen = result(verdict=verdict, speedup=interval(0.1, 0.2))
    assert judge(seen, Options(min_speedup=1.0)) == seen


def test_without_thresholds_nothing_changes():
    seen = result(speedup=interval(0.1, 0.2))
    assert judge(seen, Options()) == seen


@pytest.mark.parametrize(
    ("seen", "level", "verdict"),
    [
        ("L1", None, Verdict.PASS),
        ("L2", "L2", Verdict.PASS),
        ("L3", "L2", Verdict.PASS),
        ("L1", "L2", Verdict.INTEGRITY),
        (None, "L1", Verdict.INTEGRITY),
    ],
)
def test_a_success_counts_only_with_the_assurance_asked_for(seen, level, verdict):
    assert require_assurance(result(assurance=seen), level).verdict is verdict


def test_a_failure_needs_no_assurance():
    seen = result(verdict=Verdict.BUILD)
    assert require_assurance(seen, "L3") == seen


def test_judging_keeps_the_rest_of_the_result():
    seen = result(speedup=interval(0.8, 0.9), notes=("a note",), seed=7)
    judged = judge(seen, Options(min_speedup=1.0))
    assert msgspec.structs.replace(judged, verdict=Verdict.PASS, reason="") == seen


TRITON = """
import triton, torch
@triton.jit
def add(x): ...
class ModelNew:
    def forward(self, x): {}
"""
INLINE = (
    "from torch.utils.cpp_extension import load_inline as made\nmade('k', 'c', 'd')"
)


class TestAKernelOfItsOwn:
    def judged(self, source, *, asked=True, verdict=Verdict.PASS, language="python"):
        request = EvalRequest(
            kernel=Kernel(path="k.py", source=source, language=language),
            problem=Problem(id="p", name="p", source="", origin="p.py"),
            device="cpu",
            options=Options(require_kernel=asked),
        )
        return require_kernel(result(verdict=verdict), request).verdict

    @pytest.mark.parametrize(
        "source",
        [
            "import torch\nclass ModelNew: forward = torch.relu",
            TRITON.format("return torch.relu(x)"),
            "import triton, torch",
        ],
    )
    def test_is_missed_only_where_it_is_required(self, source):
        assert self.judged(source) is Verdict.INTEGRITY
        assert self.judged(source, asked=False) is Verdict.PASS

    @pytest.mark.parametrize(
        "source",
        [TRITON.format("add[(1,)](x)"), INLINE, "import tilelang", "newer syntax ?"],
    )
    def test_is_seen_in_the_text(self, source):
        assert self.judged(source) is Verdict.PASS

    def test_is_taken_for_granted_in_other_languages(self):
        assert self.judged("at::mm", language="cuda") is Verdict.PASS

    def test_is_not_missed_in_what_has_failed_already(self):
        assert self.judged("import torch", verdict=Verdict.WRONG) is Verdict.WRONG
