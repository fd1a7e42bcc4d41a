"""What a test run shows of kernels that pass, fail, or cannot be judged."""

from __future__ import annotations

import pytest

both_modes = pytest.mark.both_modes


@both_modes
def test_every_kernel_is_evaluated_once(kernels):
    for number in range(6):
        kernels.add(f"k{number}")
    result = kernels.run()
    result.assert_outcomes(passed=6)
    events = kernels.events()
    assert events["open"] == events["close"] == 1
    assert events["submit"] == events["done"] == 6


@both_modes
def test_a_bad_kernel_fails_and_a_broken_executor_is_an_error(kernels):
    kernels.add("good")
    kernels.add("wrong", "verdict=WRONG reason='2 of 5 trials differ'")
    kernels.add("lost", "error='the remote went away'")
    kernels.add("bad_problem", "problem_error='get_inputs() raised ValueError'")
    result = kernels.run()
    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "FAILED wrong_kernel.py::ModelNew - WRONG: 2 of 5 trials differ",
        ]
    )
    text = result.stdout.str()
    assert "not evaluated: the remote went away" in text
    assert "not evaluated: get_inputs() raised ValueError" in text
    assert "2 not evaluated" in text
    assert "Traceback" not in text
    assert "session.py" not in text


def test_what_an_executor_calls_an_error_is_no_pass(kernels):
    kernels.add("k", "verdict=ERROR reason='the remote went away'")
    result = kernels.run()
    result.assert_outcomes(errors=1)
    assert "not evaluated: the remote went away" in result.stdout.str()


@pytest.mark.parametrize(
    "verdict",
    [
        "BUILD",
        "CRASH",
        "TIMEOUT",
        "OOM",
        "WRONG",
        "SHAPE",
        "DTYPE",
        "NONFINITE",
        "INTEGRITY",
    ],
)
def test_each_failing_verdict_names_itself(kernels, verdict):
    kernels.add("k", f"verdict={verdict} reason='so it is'")
    result = kernels.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [f"{verdict}: so it is", f"FAILED k_kernel.py::ModelNew - {verdict}: so it is"]
    )


@both_modes
def test_a_missing_device_skips_with_the_reason(kernels):
    kernels.add("k", "verdict=NO-DEVICE reason='torch sees no CUDA device'")
    result = kernels.run("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*torch sees no CUDA device"])


def test_a_missing_device_fails_where_it_is_required(kernels):
    kernels.add("k", "verdict=NO-DEVICE reason='torch sees no CUDA device'")
    result = kernels.run("--kb-require-device")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*required by --kb-require-device"])


def test_an_undecided_threshold_passes_with_a_warning(kernels):
    kernels.add("k", "speedup=1.0 spread=0.2")
    result = kernels.run("--kb-min-speedup=1.1", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["k_kernel.py::ModelNew PASSED (AMBIGUOUS)*", "*warning: k_kernel.py: speedup*"]
    )


def test_an_undecided_threshold_fails_under_strict(kernels):
    kernels.add("k", "speedup=1.0 spread=0.2")
    result = kernels.run("--kb-min-speedup=1.1", "--kb-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["limit: min-speedup 1.1 from --kb-min-speedup", "required by --kb-strict"]
    )


def test_weaker_isolation_than_asked_for_fails(kernels):
    kernels.add("k", "assurance=L1")
    result = kernels.run("--kb-min-assurance=L2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["INTEGRITY: assurance L1, at least L2 required (--kb-min-assurance)"]
    )
    kernels.run("--kb-min-assurance=L1").assert_outcomes(passed=1)


def test_a_failure_shows_kernel_output_without_control_characters(kernels):
    kernels.add("k", r"verdict=CRASH reason='signal 11' log='\x1b[31mred\x1b[0m bye'")
    path = kernels.add("k2")
    path.write_text(
        "# kernelbench: problem=builtin/softmax\n"
        "# fake: verdict=CRASH log='a\x1b[31mb\x1b]0;title\x07c\x08d'\n"
        "class ModelNew: ...\n"
    )
    text = kernels.run().stdout.str()
    assert "Captured kernel output call" in text
    assert "abc\\x08d" in text
    assert "\x1b]" not in text
    assert "\x08" not in text


@both_modes
def test_a_failure_names_the_command_that_replays_it(kernels):
    kernels.add("sub/k", "verdict=WRONG")
    result = kernels.run("--kb-seed=77", "--kb-trials=3", "--kb-json=out.json")
    result.stdout.fnmatch_lines(
        [
            (
                "replay: pytest sub/k_kernel.py::ModelNew --kb-executor=fake "
                "--kb-trials=3 --kb-seed=77"
            )
        ]
    )


def test_one_seed_is_drawn_and_shown(kernels):
    kernels.add("a", "verdict=WRONG")
    kernels.add("b", "verdict=WRONG")
    lines = kernels.run().outlines
    header = next(line for line in lines if line.startswith("kernelbench: 2 eval"))
    seed = header.rpartition(" ")[2]
    assert sum(f"--kb-seed={seed}" in line for line in lines) == 2


@both_modes
def test_reruns_are_evaluated_anew(kernels):
    kernels.add("flaky", "flaky=WRONG")
    kernels.pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            from _pytest.runner import runtestprotocol
            runtestprotocol(item, nextitem=nextitem, log=False)
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """
    )
    result = kernels.run()
    result.assert_outcomes(passed=1)
    assert kernels.events()["submit"] == 2


@both_modes
def test_an_expected_failure_is_one(kernels):
    kernels.add("k", "verdict=WRONG", directive="marks=xfail")
    kernels.run().assert_outcomes(xfailed=1)


def test_a_skipped_kernel_is_not_evaluated(kernels):
    kernels.add("k", directive="marks=skip")
    kernels.run().assert_outcomes(skipped=1)
    assert kernels.events()["submit"] == 0


def test_waiting_long_is_not_silent(kernels):
    kernels.pytester.makeconftest(
        """
        import pytest_kernelbench.session

        pytest_kernelbench.session.HEARTBEAT_SECONDS = 0.05
        """
    )
    kernels.add("k", "sleep=0.4")
    words = ("--kb-executor=fake", "-p", "no:anyio")
    result = kernels.pytester.runpytest_subprocess(*words)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["kernelbench: 0 of 1 evaluated, waiting for k_kernel.py::ModelNew"]
    )


@both_modes
def test_an_executor_that_cannot_start_is_told_per_kernel(kernels):
    kernels.add("a")
    kernels.add("b")
    kernels.pytester.makeconftest(
        """
        def pytest_kernelbench_executors(config):
            def broken(settings):
                raise RuntimeError("no credentials; run 'modal setup'")
            return {"fake": broken}
        """
    )
    result = kernels.run()
    result.assert_outcomes(errors=2)
    text = result.stdout.str()
    assert "not evaluated: RuntimeError: no credentials; run 'modal setup'" in text
    assert "INTERNALERROR" not in text
