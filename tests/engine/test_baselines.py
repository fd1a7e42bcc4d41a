"""What a speedup is against, other than the problem as it stands."""

from __future__ import annotations

import pytest

from pytest_kernelbench.model import Verdict

CHAIN = "return torch.tanh(torch.sigmoid(x * 2 + 1) * x - x / 3)"
INPUTS = "[torch.rand(64, 1024)]"


def timed(engine, problem, baseline):
    kernel = engine.kernel_of(engine.function_problem(CHAIN, INPUTS))
    result = engine.evaluate(
        kernel, problem, baseline=baseline, timing=True, max_time=0.5
    )
    assert result.verdict is Verdict.PASS, result
    return result


REFUSING = """
original = torch.compile
def refuse(*_, **__):
    torch.compile = original  # other problems are judged in this process, too
    raise NotImplementedError("not here")
torch.compile = refuse
"""


def test_that_cannot_be_compiled_is_taken_as_it_stands_and_says_so(engine):
    problem = engine.function_problem(CHAIN, INPUTS) + REFUSING
    result = timed(engine, problem, "compile")
    assert result.baseline.kind == "eager"
    (note,) = [note for note in result.notes if "torch.compile" in note]
    assert note.endswith("baseline is eager: NotImplementedError: not here")


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["compile", "best"])
def test_is_compiled_where_that_is_asked_for_or_quicker(engine, baseline):
    result = timed(engine, engine.function_problem(CHAIN, INPUTS), baseline)
    assert result.baseline.kind in {"compile": ["compile"]}.get(
        baseline, ["compile", "eager"]
    )
    assert [note for note in result.notes if "torch.compile" in note] == []
