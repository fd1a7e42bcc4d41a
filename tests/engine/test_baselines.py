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


SLOW_WHERE_THE_FILE_IS_UNSEEN = """\
import os, time, torch

class Model(torch.nn.Module):
    def forward(self, x):
        if not os.path.exists({path!r}):
            time.sleep(0.02)
        return torch.relu(x)

def get_inputs():
    return [torch.randn(64, 1024)]
"""

NEEDS_THE_FILE = """\
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        open({path!r}).close()

    def forward(self, x):
        return torch.relu(x)

def get_inputs():
    return [torch.randn(64, 1024)]
"""

FAILS_LATER_WHERE_THE_FILE_IS_UNSEEN = """\
import os, torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 20 and not os.path.exists({path!r}):
            raise RuntimeError("no more")
        return torch.relu(x)

def get_inputs():
    return [torch.randn(64, 1024)]
"""

RELU = """\
import torch

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)
"""


@pytest.fixture
def seen_by_the_oracle(engine, reachable):
    if not engine.evaluate_good().environment["isolation"].startswith("L2: namespaces"):
        pytest.skip("kernels see all files here")
    path = reachable / "file"
    path.touch()
    return str(path)


def test_runs_in_a_process_such_as_the_kernels(engine, seen_by_the_oracle):
    problem = SLOW_WHERE_THE_FILE_IS_UNSEEN.format(path=seen_by_the_oracle)
    result = engine.evaluate(RELU, problem, timing=True, max_time=0.2)
    assert result.verdict is Verdict.PASS, result
    assert result.baseline.runtime.median > 0.02
    assert not [note for note in result.notes if "the baseline" in note]


def test_runs_beside_the_oracle_where_such_a_process_lacks_something(
    engine, seen_by_the_oracle
):
    problem = NEEDS_THE_FILE.format(path=seen_by_the_oracle)
    result = engine.evaluate(RELU, problem, timing=True, max_time=0.2)
    assert result.verdict is Verdict.PASS, result
    assert result.baseline.runtime.median < 0.02
    (note,) = [note for note in result.notes if "the baseline" in note]
    assert note.startswith("the baseline runs in the oracle's process, not in one like")
    assert "FileNotFoundError" in note


def test_that_fails_there_later_is_no_fault_of_the_kernels(engine, seen_by_the_oracle):
    problem = FAILS_LATER_WHERE_THE_FILE_IS_UNSEEN.format(path=seen_by_the_oracle)
    result = engine.evaluate(RELU, problem, timing=True, max_time=0.2)
    assert result.verdict is Verdict.PASS, result
    (note,) = [note for note in result.notes if "the baseline" in note]
    assert note.endswith("RuntimeError: no more")


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
