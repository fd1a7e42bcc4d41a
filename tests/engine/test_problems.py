"""Problems of every form, and what becomes of an evaluation when one is broken."""

from __future__ import annotations

from collections import Counter

import pytest
from forms import FORMS

from pytest_kernelbench.engine import clients
from pytest_kernelbench.errors import ProblemError
from pytest_kernelbench.model import Verdict


@pytest.mark.parametrize("name", FORMS)
def test_a_problem_with(engine, name):
    problem = engine.function_problem(*FORMS[name], arguments="x, y")
    result = engine.evaluate(engine.kernel_of(problem), problem)
    assert (result.verdict, result.reason) == (Verdict.PASS, "")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
class TestAPrecision:
    def test_is_that_of_inputs_and_weights(self, engine, precision):
        name = {"fp16": "float16", "bf16": "bfloat16"}[precision]
        body = f"assert x.dtype is self.linear.weight.dtype is torch.{name}, x.dtype\n"
        body += "return torch.softmax(self.linear(x), dim=-1)"
        result = engine.evaluate(engine.kernel_source(body), precision=precision)
        assert (result.verdict, result.reason) == (Verdict.PASS, "")
        assert result.precision == precision

    def test_is_asked_of_the_output_as_well(self, engine, precision):
        body = "return torch.softmax(self.linear(x), dim=-1).float()"
        result = engine.evaluate(engine.kernel_source(body), precision=precision)
        assert result.verdict is Verdict.DTYPE

    def test_does_not_make_zeros_right(self, engine, precision):
        source = engine.kernel_source("return torch.zeros_like(x)")
        result = engine.evaluate(source, precision=precision)
        assert result.verdict is Verdict.WRONG


WEIGHTS = """\
import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.first = nn.Linear(32, 32)
        self.second = nn.Linear(32, 32)
        self.register_buffer("scale", scale)
        self.norm = nn.BatchNorm1d(32)

    def forward(self, x):
        return self.norm(self.second(self.first(x))) * self.scale


def get_inputs():
    return [torch.randn(64, 32)]


def get_init_inputs():
    return [torch.rand(32)]
"""
SEED_NOTE = "weights are made from the same seed"


class TestWeights:
    def test_are_the_problems_when_names_and_shapes_match(self, engine):
        # Made in another order, so the same seed would give others.
        lines = WEIGHTS.splitlines(keepends=True)
        first = next(i for i, line in enumerate(lines) if "self.first = " in line)
        lines[first], lines[first + 1] = lines[first + 1], lines[first]
        source = engine.kernel_of("".join(lines))
        result = engine.evaluate(source, WEIGHTS)
        assert (result.verdict, result.reason) == (Verdict.PASS, "")
        assert not any(SEED_NOTE in note for note in result.notes)

    def test_are_of_the_same_seed_when_names_differ_and_that_is_said(self, engine):
        source = engine.kernel_of(WEIGHTS.replace("self.first", "self.before"))
        result = engine.evaluate(source, WEIGHTS)
        assert (result.verdict, result.reason) == (Verdict.PASS, "")
        assert any(SEED_NOTE in note for note in result.notes)

    def test_of_other_names_in_another_order_are_others(self, engine):
        source = engine.kernel_of(WEIGHTS).replace(
            "        self.first = nn.Linear(32, 32)\n",
            "        self.other = nn.Linear(32, 32)\n"
            "        self.before = nn.Linear(32, 32)\n",
        )
        source = source.replace("self.first(x)", "self.before(x)")
        result = engine.evaluate(source, WEIGHTS)
        assert result.verdict is Verdict.WRONG
        assert any(SEED_NOTE in note for note in result.notes)

    def test_may_be_more_than_the_problems(self, engine):
        source = engine.kernel_of(WEIGHTS).replace(
            "        self.first =",
            "        self.workspace = nn.Parameter(torch.empty(5))\n"
            "        self.first =",
        )
        assert engine.evaluate(source, WEIGHTS).verdict is Verdict.PASS

    def test_that_a_kernel_prepares_at_its_first_call_are_the_right_ones(self, engine):
        body = (
            "if not kept: kept.append(self.linear.weight.t().contiguous())\n"
            "return torch.softmax(x @ kept[0] + self.linear.bias, dim=-1)"
        )
        result = engine.evaluate(engine.kernel_source(body, "kept = []"))
        assert (result.verdict, result.reason) == (Verdict.PASS, "")


class TestABrokenProblem:
    @pytest.mark.parametrize(
        ("broken", "message"),
        [
            (("def get_inputs", "def get_other"), "^p/one.py defines no get_inputs$"),
            (
                ("super().__init__()", "raise ValueError('no\\nmore')"),
                "^p/one.py: Model: ValueError: no",
            ),
            (
                ("return torch.softmax(", "return undefined("),
                "^p/one.py: forward: NameError",
            ),
            (
                ("return torch.softmax(self.linear(x), dim=-1)", "return 3"),
                "^p/one.py: forward returns no tensor$",
            ),
        ],
    )
    def test_is_named_and_no_kernel_is_blamed(self, engine, broken, message):
        problem = engine.problem_source.replace(*broken)
        with pytest.raises(ProblemError, match=message) as caught:
            engine.evaluate(engine.kernel_source(), problem)
        assert "\n" not in str(caught.value)
        assert engine.evaluate_good().verdict is Verdict.PASS

    def test_that_does_not_end_is_given_up(self, engine, monkeypatch):
        monkeypatch.setattr(clients, "_ORACLE_GRACE", 0.5)
        problem = engine.problem_source.replace(
            "return torch.soft", "while True: pass\n        return torch.soft"
        )
        with pytest.raises(ProblemError, match="does not come to an end"):
            engine.evaluate(engine.kernel_source(), problem, timeout=0.5)
        monkeypatch.undo()
        assert engine.evaluate_good().verdict is Verdict.PASS


def test_a_slow_problem_does_not_spend_a_kernels_time(engine):
    problem = engine.problem_source.replace(
        "return torch.soft", "time.sleep(0.6); return torch.soft"
    )
    problem = f"import time\n{problem}"
    result = engine.evaluate(engine.kernel_source(), problem, timeout=1, trials=3)
    assert (result.verdict, result.reason) == (Verdict.PASS, "")


@pytest.mark.parametrize(
    ("tolerance", "verdict"),
    [
        ("default", "WRONG"),
        ("kernelbench", "PASS"),
        ("1e-6", "WRONG"),
        ("1e-4", "PASS"),
    ],
)
def test_a_tolerance_is_the_one_that_was_asked_for(engine, tolerance, verdict):
    body = "return torch.softmax(self.linear(x), dim=-1) + 5e-5"
    result = engine.evaluate(engine.kernel_source(body), tolerance=tolerance)
    assert result.verdict is Verdict[verdict]


class TestAProblemThatIsInexactItself:
    FORWARD = "return x * (1 if x.dtype is torch.float64 else 1.0001)"
    INPUTS = "[torch.randn(64, 64)]"

    @pytest.mark.parametrize("factor", [1, 1.0001, 0.9999])
    def test_excuses_as_much_of_a_kernel(self, engine, factor):
        assert self.verdict_on(engine, f"return x * {factor}") is Verdict.PASS

    def test_excuses_no_more(self, engine):
        assert self.verdict_on(engine, "return x * 1.001") is Verdict.WRONG

    def verdict_on(self, engine, body):
        problem = engine.function_problem(self.FORWARD, self.INPUTS)
        kernel = engine.kernel_of(engine.function_problem(body, self.INPUTS))
        return engine.evaluate(kernel, problem).verdict


def test_a_problem_is_not_run_to_verify_what_float64_shows_to_be_right(
    engine, tmp_path
):
    runs = tmp_path / "runs"
    told = f"print(x.dtype, file=open({str(runs)!r}, 'a')); return x + 1"
    problem = engine.function_problem(told, "[torch.randn(64, 64)]")
    kernel = engine.kernel_of(
        engine.function_problem("return x + 1", "[torch.randn(64, 64)]")
    )
    counts = []
    for trials in (2, 2, 12):  # for the first of them the problem is audited
        runs.write_text("")
        result = engine.evaluate(kernel, problem, trials=trials, timing=False)
        assert (result.verdict, result.reason) == (Verdict.PASS, "")
        counts.append(Counter(runs.read_text().split()))
    _, fewer, more = counts
    assert more["torch.float64"] >= fewer["torch.float64"] + 10
    assert more["torch.float32"] <= fewer["torch.float32"]
