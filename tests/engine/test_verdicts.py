"""Each way in which a kernel can go wrong, its verdict, and that no other suffers."""

from __future__ import annotations

import re

import pytest

from pytest_kernelbench.model import EvalResult, Verdict

SOFTMAX = "y = torch.softmax(self.linear(x), dim=-1)\n"

CASES = {
    # At the build: importing the file and whatever that compiles.
    "a syntax error": ("class ModelNew(:", None, "BUILD", "SyntaxError: invalid"),
    "a missing module": ("import nothing_here", None, "BUILD", "No module named"),
    "no entry point": ("x = 1", None, "BUILD", "ModelNew"),
    "an exit at import": ("import sys; sys.exit(0)", None, "BUILD", "SystemExit: 0"),
    "a compiler's error": (
        (
            "from torch.utils.cpp_extension import load_inline\n"
            "raise RuntimeError(\"Error building extension 'k'\\nerror: expected ';'\")"
        ),
        None,
        "BUILD",
        "RuntimeError: Error building extension 'k'",
    ),
    "a silent exit at import": (
        "import os; os._exit(0)",
        None,
        "CRASH",
        "ended its own process during its build",
    ),
    "a fault at import": (
        "import ctypes; ctypes.string_at(0)",
        None,
        "CRASH",
        "killed by SIGSEGV during its build",
    ),
    # At the first call, or any other.
    "an exception": ("", "raise ValueError('no such\\nthing')", "CRASH", "no such$"),
    "an exit": ("import sys", "sys.exit(3)", "CRASH", "^SystemExit: 3$"),
    "a keyboard interrupt": ("", "raise KeyboardInterrupt", "CRASH", "KeyboardInt"),
    "a silent exit": (
        "import os",
        "os._exit(0)",
        "CRASH",
        "^ended its own process during its first call$",
    ),
    "a fault": (
        "import ctypes",
        "ctypes.string_at(0)",
        "CRASH",
        "^killed by SIGSEGV during its first call$",
    ),
    "an abort": ("import os", "os.abort()", "CRASH", "killed by SIGABRT"),
    "its own SIGKILL": (
        "import os, signal",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "CRASH",
        "killed by SIGKILL .*memory runs out",
    ),
    "a real-time signal": (
        "import os",
        "os.kill(os.getpid(), 40)",
        "CRASH",
        "killed by signal 40",
    ),
    "an exception that cannot be shown": (
        "class Hidden(Exception):\n    def __str__(self): raise ValueError",
        "raise Hidden",
        "CRASH",
        "",
    ),
    "too much memory": ("", "return torch.empty(1 << 50)", "OOM", "allocate"),
    "its own MemoryError": ("", "raise MemoryError('all of it')", "OOM", "all of it"),
    # Its output.
    "zeros": ("", "return torch.zeros_like(x)", "WRONG", "1024 of 1024 elements"),
    "one wrong element": (
        "",
        SOFTMAX + "y[3, 5] += 1e-3; return y",
        "WRONG",
        r"^1 of 1024 elements differ: max error 0\.001, allowed \S+$",
    ),
    "lower precision": (
        "",
        (
            "w, b = self.linear.weight.bfloat16(), self.linear.bias.bfloat16()\n"
            "y = nn.functional.linear(x.bfloat16(), w, b)\n"
            "return torch.softmax(y.float(), dim=-1)"
        ),
        "WRONG",
        "differ",
    ),
    "an output that nobody wrote": ("", "return torch.empty_like(x)", None, ""),
    "a changed input": (
        "",
        SOFTMAX + "x.zero_(); return y",
        "WRONG",
        "^changed its input 0 in place$",
    ),
    "the wrong shape": (
        "",
        SOFTMAX + "return y[:, :7]",
        "SHAPE",
        r"^shape \[16, 7\], the problem's is \[16, 64\]$",
    ),
    "a shape that would broadcast": ("", SOFTMAX + "return y[:1]", "SHAPE", "1, 64"),
    "another structure": (
        "",
        SOFTMAX + "return y, y",
        "SHAPE",
        r"^returned \(a tensor, a tensor\), the problem's is a tensor$",
    ),
    "nothing": ("", "return None", "SHAPE", "returned None"),
    "something that is no tensor": ("", "return object()", "SHAPE", "a object"),
    "another dtype": (
        "",
        SOFTMAX + "return y.double()",
        "DTYPE",
        "^dtype float64, the problem's is float32$",
    ),
    "another device": ("", SOFTMAX + "return y.to('meta')", "DTYPE", "on meta"),
    "NaN": (
        "",
        SOFTMAX + "y[0, :9] = torch.nan; return y",
        "NONFINITE",
        "^9 of 1024 elements are not finite as expected$",
    ),
    "an output out of the second call on": (
        "calls = []",
        SOFTMAX + "calls.append(0)\nreturn y if len(calls) < 2 else y + 1",
        "WRONG",
        "differ",
    ),
    # What it says to the controller behind the runner's back.
    "a frame that is no JSON": (
        "import os",
        "os.write(3, b'\\0\\0\\0\\4abcd')",
        "INTEGRITY",
        "forged message during its first call: not JSON",
    ),
    "a frame without an end": (
        "import os",
        "os.write(3, b'\\xff' * 8)",
        "INTEGRITY",
        "a frame of 4294967295 bytes",
    ),
    "a verdict of its own": (
        "import os, struct",
        'm = b\'{"failed": "PASS"}\'\nos.write(3, struct.pack("!I", len(m)) + m)',
        "INTEGRITY",
        "",
    ),
    "a verdict that skips": (
        "import os, struct",
        'm = b\'{"failed": "NO_DEVICE"}\'\nos.write(3, struct.pack("!I", len(m)) + m)',
        "INTEGRITY",
        "",
    ),
    "times that cannot be": (
        "import os, struct",
        (
            'm = b\'{"seconds": [1e999], "host_seconds": 1}\'\n'
            'os.write(3, struct.pack("!I", len(m)) + m)'
        ),
        "INTEGRITY",
        "reported times that cannot be",
    ),
}


def require_good(result: EvalResult) -> None:
    assert (result.verdict, result.reason) == (Verdict.PASS, "")
    assert (result.built, result.correct) == (True, True)


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_with(engine, name):
    top, body, verdict, reason = CASES[name]
    source = top if body is None else engine.kernel_source(body, top)
    result = engine.evaluate(source)
    if verdict is not None:
        assert result.verdict is Verdict[verdict], result
    assert result.verdict.is_failure
    assert re.search(reason, result.reason), result.reason
    assert "\n" not in result.reason
    assert not result.correct
    assert result.runtime is None
    assert result.speedup is None
    require_good(engine.evaluate_good())


@pytest.mark.parametrize("top", ["import time; time.sleep(1000)", "while True: pass"])
def test_a_build_that_does_not_end_is_a_timeout(engine, top):
    result = engine.evaluate(engine.kernel_source(top=top), build_timeout=1)
    assert result.verdict is Verdict.TIMEOUT
    assert result.reason == "did not finish its build within 1 s"
    require_good(engine.evaluate_good())


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(1000)",
        "while True: pass",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64)); time.sleep(1000)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
    ],
    ids=["asleep", "busy", "deaf", "stopped"],
)
def test_a_call_that_does_not_end_is_a_timeout(engine, body):
    source = engine.kernel_source(body, "import os, signal, time")
    result = engine.evaluate(source, timeout=1)
    assert result.verdict is Verdict.TIMEOUT
    assert result.reason == "did not finish its first call within 1 s"
    require_good(engine.evaluate_good())


@pytest.fixture(scope="module")
def result(engine):
    return engine.evaluate(engine.kernel_source(), timing=True, max_time=0.2, trials=3)


class TestAGoodKernel:
    def test_passes_with_a_runtime_a_baseline_and_a_speedup(self, result):
        require_good(result)
        assert result.runtime.median > 0
        assert result.baseline.kind == "eager"
        assert result.baseline.runtime.median > 0
        speedup = result.speedup
        assert speedup.low < speedup.value < speedup.high
        assert result.score == 1 / result.runtime.median

    def test_is_checked_once_a_trial_and_again_while_it_is_timed(self, result):
        assert len(result.trials) > 3
        assert all(trial.passed for trial in result.trials)
        assert {trial.elements for trial in result.trials} == {1024}
        assert all(t.max_abs_error <= t.allowed_error for t in result.trials)

    def test_is_told_where_and_how_it_ran(self, result):
        assert result.device == "cpu"
        assert result.device_name
        assert result.assurance in ("L1", "L2")
        assert result.seed == 1
        assert "torch" in result.environment
        stages = {"start", "build", "audit", "prepare", "check", "timing"}
        assert set(result.stages) == stages

    def test_need_not_be_a_module(self, engine):
        source = "import torch\n\nclass ModelNew:\n    def __init__(self, size):\n"
        source += "        pass\n    def __call__(self, x):\n        return x.relu()\n"
        problem = engine.problem_source.replace(
            "torch.softmax(self.linear(x), dim=-1)", "torch.relu(x)"
        )
        require_good(engine.evaluate(source, problem))

    def test_is_not_replayed_from_a_graph_on_a_cpu(self, engine):
        result = engine.evaluate(engine.kernel_source(), timing=True, graph=True)
        require_good(result)
        assert result.graph is None
        assert "no CUDA graph: this is no GPU" in result.notes

    def test_is_not_timed_when_nobody_asks(self, engine):
        result = engine.evaluate_good()
        assert result.runtime is None
        assert len(result.trials) == 2

    @pytest.mark.parametrize("name", ["random.py", "torch.py", "a b-c.v2.py"])
    def test_may_be_called_like_a_library(self, engine, name):
        source = engine.kernel_source(top="import random; random.random()")
        require_good(engine.evaluate(source, path=f"k/{name}"))


def test_a_kernel_that_goes_wrong_while_it_is_timed_is_found(engine):
    body = SOFTMAX + "calls.append(0)\nreturn y if len(calls) < 5 else y * 1.1"
    source = engine.kernel_source(body, "calls = []")
    result = engine.evaluate(source, timing=True, max_time=0.2)
    assert result.verdict is Verdict.WRONG
    assert result.runtime is None


def test_the_log_of_a_failure_names_the_users_file_and_the_line(engine):
    source = engine.kernel_source("raise ValueError('here')")
    result = engine.evaluate(source, path="my/kernels/softmax.py")
    line = source.splitlines().index("        raise ValueError('here')") + 1
    assert f'File "my/kernels/softmax.py", line {line}, in forward' in result.log
    assert "pytest_kernelbench" not in result.log


def test_the_compiler_output_is_in_the_log(engine):
    source = "import os\nos.write(2, b'error: expected a semicolon')\nraise OSError"
    result = engine.evaluate(source)
    assert result.verdict is Verdict.BUILD
    assert "error: expected a semicolon" in result.log
