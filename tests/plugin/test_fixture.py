"""Evaluations from hand-written tests."""

from __future__ import annotations

import json

import pytest

both_modes = pytest.mark.both_modes

SOURCE = "# fake: speedup=1.2\\nclass ModelNew: ...\\n"


@both_modes
def test_source_text_is_evaluated(kernels):
    kernels.pytester.makepyfile(
        f"""
        def test_fast(kernelbench):
            result = kernelbench({SOURCE!r}, "builtin/softmax", precision="fp16")
            result.assert_correct()
            result.assert_speedup(1.1)
            assert result.verdict == "PASS"
            assert result.precision == "fp16"
            assert result.speedup.value == 1.2
        """.replace("\\\\n", "\\n")
    )
    result = kernels.run("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*builtin/softmax*PASS*1.20x*"])
    (line,) = map(json.loads, kernels.journal())
    assert line["nodeid"].endswith("::test_fast")


@pytest.mark.parametrize(
    ("script", "check", "message"),
    [
        ("verdict=WRONG reason='off by one'", "assert_correct()", "WRONG: off by one"),
        ("verdict=CRASH reason='signal 11'", "assert_speedup(1)", "CRASH: signal 11"),
        ("speedup=1.1", "assert_speedup(1.5)", "SLOW: speedup 1.1x *1.5x required"),
        ("spread=0.5", "assert_speedup(1.5)", "AMBIGUOUS: speedup 1.5x *"),
    ],
)
def test_an_assertion_that_fails_shows_the_test_and_the_numbers(
    kernels, script, check, message
):
    kernels.add("k", script)
    kernels.pytester.makepyfile(
        f"""
        def test_it(kernelbench):
            result = kernelbench("k_kernel.py")
            result.{check}
        """
    )
    result = kernels.run("-k", "test_it")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">       result.{check}", f"E       {message}"])
    assert "calls.py" not in result.stdout.str()


def test_a_slow_kernel_is_correct(kernels):
    kernels.add("k", "speedup=0.5")
    kernels.pytester.makepyfile(
        """
        def test_it(kernelbench):
            result = kernelbench("k_kernel.py", min_speedup=1.0)
            assert result.verdict == "SLOW"
            result.assert_correct()
        """
    )
    kernels.run("-k", "test_it").assert_outcomes(passed=1)


def test_the_marker_sets_defaults_and_the_command_line_wins(kernels):
    kernels.add("k")
    kernels.pytester.makepyfile(
        """
        import pytest

        @pytest.mark.kernelbench(problem="builtin/gelu", precision="bf16", trials=2)
        def test_it(kernelbench):
            result = kernelbench("k_kernel.py")
            print("seen", result.problem, result.precision)
        """
    )
    result = kernels.run("-k", "test_it", "-s")
    result.stdout.fnmatch_lines(["*seen builtin/gelu bf16"])
    result = kernels.run("-k", "test_it", "-s", "--kb-precision=fp32")
    result.stdout.fnmatch_lines(["*seen builtin/gelu fp32"])


def test_a_problem_may_be_a_file_or_text(kernels):
    kernels.add("k")
    text = "class Model: ...\ndef get_inputs(): return []\n"
    (kernels.pytester.path / "mine.py").write_text(text)
    kernels.pytester.makepyfile(
        f"""
        def test_it(kernelbench):
            assert kernelbench("k_kernel.py", "mine.py").problem == "mine.py"
            assert kernelbench("k_kernel.py", {text!r}).problem == "test_it"
        """
    )
    kernels.run("-k", "test_it").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("'none_kernel.py'", "not evaluated: no kernel file none_kernel.py"),
        ("'k_kernel.py', 'builtin/sofmax'", "*nearest: builtin/softmax*"),
        ("'class ModelNew: ...\\n'", "*say which problem*"),
        (
            "'k_kernel.py', precison='fp16'",
            "*the call: precison: no such option; did you mean 'precision'[?]",
        ),
        ("'k_kernel.py', trials='many'", "*the call: *trials*"),
    ],
)
def test_a_call_that_cannot_be_made_is_one_line(kernels, call, message):
    kernels.add("k")
    kernels.pytester.makepyfile(f"def test_it(kernelbench): kernelbench({call})")
    result = kernels.run("-k", "test_it")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
    assert "Traceback" not in result.stdout.str()
    assert "calls.py" not in result.stdout.str()


def test_a_missing_device_skips_the_test(kernels):
    kernels.add("k", "verdict=NO-DEVICE reason='no CUDA here'")
    kernels.pytester.makepyfile(
        "def test_it(kernelbench): kernelbench('k_kernel.py'); assert 0"
    )
    kernels.run("-k", "test_it").assert_outcomes(skipped=1)
    kernels.run("-k", "test_it", "--kb-require-device").assert_outcomes(failed=1)


@both_modes
def test_the_same_call_is_evaluated_once(kernels):
    kernels.add("k")
    kernels.pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(kernelbench, number):
            kernelbench("k_kernel.py").assert_correct()
        """
    )
    kernels.run("-k", "test_it").assert_outcomes(passed=4)
    assert kernels.events()["submit"] == 1
    assert len(kernels.journal()) == 4


@pytest.mark.parametrize("mode", ["xdist"])  # whose processes end with the patch
def test_workers_that_ask_at_once_share_one_executor(kernels):
    kernels.add("k")
    kernels.pytester.makeconftest(
        """
        import time
        from pytest_kernelbench import session

        made = session._owned

        def made_slowly(config):
            time.sleep(0.5)
            return made(config)

        session._owned = made_slowly
        """
    )
    kernels.pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(kernelbench, number):
            kernelbench("k_kernel.py").assert_correct()
        """
    )
    kernels.run("-k", "test_it").assert_outcomes(passed=4)
    assert kernels.events()["open"] == 1
    assert kernels.events()["submit"] == 1


def test_a_device_with_a_slip_is_not_skipped_as_missing(kernels, pytester):
    kernels.add("k")
    pytester.makepyfile(
        'def test_it(kernelbench): kernelbench("k_kernel.py", device="cdua")'
    )
    result = pytester.runpytest_inprocess(
        "-p", "no:anyio", "--kb-executor=local", "-k", "it"
    )
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*device: expected cpu, cuda or cuda:N, got 'cdua'"])
