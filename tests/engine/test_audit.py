"""Problems that accept kernels without work: found, cured, or not timed."""

from __future__ import annotations

import pytest
import torch

from pytest_kernelbench.engine.auditing import nulls
from pytest_kernelbench.engine.auditing.redraws import FOURFOLD, SIGNS, SIZES
from pytest_kernelbench.engine.devices import CpuDevice
from pytest_kernelbench.engine.reference import Reference
from pytest_kernelbench.gates import judge
from pytest_kernelbench.model import Audit, Options, Verdict


def audit(engine, forward, inputs, *, tolerance="default", precision="float32", **more):
    source = engine.function_problem(forward, inputs, **more)
    reference = Reference(source, "p/one.py", CpuDevice(), precision, 7)
    with torch.no_grad():
        reference.probe(1)
        found = nulls.audit(reference, 3, tolerance, seconds=60)
    return Audit.from_builtins(found)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors: waking another thread takes longer than they do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TestAProblemThatAsksForWork:
    @pytest.mark.parametrize(
        ("forward", "inputs"),
        [
            ("return torch.relu(x)", "[torch.randn(64, 64)]"),
            ("return torch.softmax(x, -1)", "[torch.randn(8, 5000)]"),
            ("return x.argmax(1)", "[torch.randn(64, 64)]"),
            ("return x > 0", "[torch.randn(64, 64)]"),
            ("return torch.fft.fft(x)", "[torch.randn(64)]"),
            # One output that is an input does not make the other one easier.
            ("return x, x.exp()", "[torch.randn(64, 64)]"),
            ("return x.sum(1, keepdim=True).expand(64, 64)", "[torch.randn(64, 64)]"),
            ("return x.mul_(2)", "[torch.randn(64)]"),
            ("return torch.dropout(x, 0.5, True)", "[torch.randn(400)]"),
        ],
    )
    def test_is_left_as_it_is(self, engine, forward, inputs):
        assert audit(engine, forward, inputs).verdict == "ok"


class TestAProblemThatAcceptsANullKernel:
    @pytest.mark.parametrize(
        ("forward", "inputs", "accepted", "redraw"),
        [
            ("return torch.relu(x)", "[torch.rand(64, 64)]", {"an input"}, SIGNS),
            (
                "return torch.nn.functional.hardtanh(x)",
                "[torch.rand(64, 64)]",
                {"an input"},
                FOURFOLD,
            ),
            (
                "return torch.mean((x - y) ** 2)",
                "[torch.rand(2000, 2000), torch.rand(2000, 2000)]",
                {"a constant", "another call's output"},
                SIZES,
            ),
        ],
    )
    def test_gets_other_inputs_where_that_helps(
        self, engine, forward, inputs, accepted, redraw
    ):
        arguments = "x, y" if "y" in forward.replace("functional", "") else "x"
        # A tolerance for which the mean of so few numbers is already constant.
        tolerance = "1e-3" if "mean" in forward else "default"
        found = audit(engine, forward, inputs, arguments=arguments, tolerance=tolerance)
        assert found.verdict == "tightened"
        assert set(found.accepted) >= accepted
        assert redraw in found.redraw or found.tolerance == "default"

    def test_is_judged_by_the_default_tolerance_where_that_helps(self, engine):
        wide = ("return torch.softmax(x, -1)", "[torch.rand(8, 50000)]")
        found = audit(engine, *wide, tolerance="kernelbench")
        assert found.verdict == "tightened"
        assert (found.redraw, found.tolerance) == ("", "default")
        assert "zeros" in found.accepted

    @pytest.mark.parametrize(
        ("forward", "accepted"),
        [
            ("return torch.relu(x - 100)", "zeros"),
            ("return x.t()", "an input"),
            ("return x - x.mean(1, keepdim=True) + float('nan')", "another call's"),
            ("return torch.group_norm(x, 1).mean(1)", "zeros"),
        ],
    )
    def test_is_unscorable_where_nothing_helps(self, engine, forward, accepted):
        size = "64, 1" if ".t()" in forward else "64, 64"
        found = audit(engine, forward, f"[torch.randn({size})]")
        assert found.verdict == "unscorable"
        assert any(name.startswith(accepted) for name in found.accepted)

    def test_gets_no_inputs_that_it_cannot_compute(self, engine):
        # Zero for every number from which a root can be drawn.
        found = audit(engine, "return torch.sqrt(x) * 0", "[torch.rand(64, 64)]")
        assert found.verdict == "unscorable"

    def test_gets_no_inputs_that_would_end_a_gpus_process(self, engine):
        forward = "x = torch.relu(x) ; return x  # as bernoulli() wants it"
        found = audit(engine, forward, "[torch.rand(64, 64)]")
        assert found.verdict == "unscorable"


class TestALowerPrecision:
    def test_is_noticed_in_a_product(self, engine):
        inputs = "[torch.rand(64, 256), torch.rand(256, 64)]"
        found = audit(engine, "return x @ y", inputs, arguments="x, y")
        assert found.precisions == ()

    def test_is_noticed_by_other_inputs_where_positive_sums_hide_it(self, engine):
        inputs = "[torch.rand(16, 8192), torch.rand(8192, 16)]"
        found = audit(engine, "return x @ y", inputs, arguments="x, y")
        assert (found.verdict, found.precisions) == ("tightened", ())
        assert set(found.accepted) >= {"fp16 inputs"}
        assert "signs" in found.redraw

    def test_is_told_where_it_is_not(self, engine):
        found = audit(
            engine, "return x.argmax(1)", "[torch.eye(64)[torch.randperm(64)]]"
        )
        assert found.precisions == ("bf16", "fp16", "tf32")

    def test_is_bf16_for_a_problem_in_fp16(self, engine):
        product = ("return x @ y", "[torch.rand(64, 256), torch.rand(256, 64)]")
        found = audit(engine, *product, arguments="x, y", precision="float16")
        assert found.precisions == ("bf16",)


def test_an_audit_that_takes_too_long_is_given_up():
    source = (
        "import torch\nModel = torch.nn.ReLU\ndef get_inputs(): return [torch.rand(9)]"
    )
    reference = Reference(source, "p/one.py", CpuDevice(), "float32", 7)
    found = Audit.from_builtins(nulls.audit(reference, 3, "default", seconds=0))
    assert found.verdict == "unknown"


class TestAnEvaluation:
    RELU = ("return torch.relu(x)", "[torch.rand(64, 64)]")

    def test_catches_the_null_kernel_on_other_inputs_and_says_so(self, engine):
        problem = engine.function_problem(*self.RELU)
        null = engine.kernel_of(problem).replace("torch.relu(x)", "x.clone()")
        result = engine.evaluate(null, problem, trials=1)
        assert result.verdict is Verdict.WRONG
        assert any("accepts an input: half of" in note for note in result.notes)
        honest = engine.evaluate(engine.kernel_of(problem), problem)
        assert (honest.verdict, honest.unscorable) == (Verdict.PASS, "")

    def test_times_nothing_where_a_null_kernel_would_gain_by_it(self, engine):
        problem = engine.function_problem("return torch.relu(x - 100)", self.RELU[1])
        result = engine.evaluate(engine.kernel_of(problem), problem, timing=True)
        assert (result.verdict, result.reason) == (Verdict.PASS, "")
        assert (result.runtime, result.speedup, result.score) == (None, None, 0.0)
        assert "zeros" in result.unscorable
        assert any(limit.startswith("unscorable: ") for limit in result.limits)
        gated = judge(result, Options(min_speedup=1.0))
        assert gated.verdict is Verdict.AMBIGUOUS

    def test_asks_once_per_problem_precision_and_tolerance(self, engine):
        problem = engine.function_problem("return x.cos()", "[torch.randn(64)]")
        kernel = engine.kernel_of(problem)
        known = engine.executor._audits._known
        for options in ({}, {"precision": "bf16"}, {"tolerance": "1e-3"}):
            before = len(known)
            for seed in (1, 2):
                result = engine.evaluate(kernel, problem, seed=seed, **options)
                assert result.verdict is Verdict.PASS
            assert len(known) == before + 1


def test_a_problem_that_is_too_slow_to_be_audited_is_found_so_without_a_kernel(engine):
    slow = engine.function_problem(
        "time.sleep(0.3); return torch.zeros_like(x)",
        "[torch.randn(8, 8)]",
        init="import time",
    )
    kernel = engine.kernel_of(slow).replace("time.sleep(0.3); ", "")
    first = engine.evaluate(kernel, slow, timeout=2, trials=1)
    assert any(one.startswith("the problem was not audited") for one in first.limits)
    assert any(one.startswith("evaluated twice") for one in first.notes)
    second = engine.evaluate(f"{kernel}# another", slow, timeout=2, trials=1)
    assert second.limits == first.limits
    assert not any(one.startswith("evaluated twice") for one in second.notes)
