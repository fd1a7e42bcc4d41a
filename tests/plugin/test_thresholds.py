"""Limits: where they come from, and who wins."""

from __future__ import annotations

import pytest

both_modes = pytest.mark.both_modes


def limit(result):
    return next(line for line in result.outlines if line.startswith("limit: "))


@both_modes
def test_a_kernel_below_the_limit_is_slow(kernels):
    kernels.add("k", "speedup=1.1")
    result = kernels.run("--kb-min-speedup=1.2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "SLOW: speedup 1.1x [[]1.09, 1.11], at least 1.2x required",
            "k_kernel.py, builtin/softmax on fake cpu",
            "limit: min-speedup 1.2 from --kb-min-speedup",
        ]
    )


def test_the_ini_file_sets_a_limit(kernels):
    kernels.pytester.makeini("[pytest]\nkb_min_speedup = 2")
    kernels.add("k")
    result = kernels.run()
    result.assert_outcomes(failed=1)
    assert limit(result) == "limit: min-speedup 2.0 from kb_min_speedup (tox.ini)"


def test_the_command_line_wins_over_directive_and_ini(kernels):
    kernels.pytester.makeini("[pytest]\nkb_min_speedup = 2")
    kernels.add("k", directive="min-speedup=3")
    kernels.run("--kb-min-speedup=1.1").assert_outcomes(passed=1)


def test_a_directive_tightens(kernels):
    kernels.pytester.makeini("[pytest]\nkb_min_speedup = 1.1")
    kernels.add("k", directive="min-speedup=3")
    result = kernels.run()
    result.assert_outcomes(failed=1)
    assert limit(result) == "limit: min-speedup 3.0 from k_kernel.py:1"


def test_a_directive_does_not_loosen_and_is_told_so(kernels):
    kernels.pytester.makeini("[pytest]\nkb_min_speedup = 2")
    kernels.add("k", directive="min-speedup=1.1")
    result = kernels.run()
    result.assert_outcomes(failed=1)
    assert limit(result) == "limit: min-speedup 2.0 from kb_min_speedup (tox.ini)"
    result.stdout.fnmatch_lines(
        ["*note: k_kernel.py:1: min_speedup 1.1 is not tighter than 2.0: ignored"]
    )


def test_a_directive_limits_the_time(kernels):
    kernels.add("k", "runtime=0.001", directive="max-time-us=900")
    result = kernels.run()
    result.assert_outcomes(failed=1)
    assert limit(result) == "limit: max-runtime 900 us from k_kernel.py:1"


def test_limits_of_the_ini_file_need_timing(kernels):
    kernels.pytester.makeini("[pytest]\nkb_min_speedup = 2")
    kernels.add("k")
    result = kernels.run("--kb-no-timing")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*k_kernel.py*PASS *[!0-9.x]  L1"])


BAD = [
    ("--kb-min-speedup=-1", "--kb-min-speedup: expected a number above 0, got '-1'"),
    ("--kb-min-speedup=nan", "--kb-min-speedup: expected a number above 0, got 'nan'"),
    (
        "--kb-min-speedup=fast",
        "--kb-min-speedup: expected a number above 0, got 'fast'",
    ),
    ("--kb-trials=0", "--kb-trials: expected a whole number of at least 1, got '0'"),
    ("--kb-timeout=inf", "--kb-timeout: expected a number above 0, got 'inf'"),
    ("--kb-seed=-3", "--kb-seed: expected a whole number from 0 to *, got '-3'"),
    ("--kb-precision=fp23", "--kb-precision: * got 'fp23'; did you mean 'fp32'[?]"),
    ("--kb-executor=fak", "--kb-executor: *fake, local, modal* did you mean 'fake'[?]"),
    ("--kb-gpu=L4OS", "--kb-gpu: expected GPU names, got 'L4OS'; did you mean 'L40S'*"),
    ("--kb-tolerance=1e-3,", "--kb-tolerance: expected *ATOL[[],RTOL], got '1e-3,'"),
    ("--kb-device=gpu", "--kb-device: expected cpu, cuda or cuda:N, got 'gpu'"),
    (
        "--kb-precision-target=100%",
        "--kb-precision-target: expected a share above 0 and below 100%*",
    ),
    ("--kb-cache=hot", "--kb-cache: expected one of cold, warm, got 'hot'"),
    ("--kb-json=.", "--kb-json: cannot write *: is a directory"),
    ("--kb-json=file/out.json", "--kb-json: cannot write *: *file is not a directory"),
    ("--kb-storage=file", "--kb-storage: cannot write *: *file is not a directory"),
]


@pytest.mark.parametrize(("word", "message"), BAD, ids=[word for word, _ in BAD])
def test_a_bad_value_is_one_line(pytester, word, message):
    (pytester.path / "file").write_text("")
    result = pytester.runpytest_inprocess("-p", "no:anyio", word)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    assert len([line for line in result.errlines if line.strip()]) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kb_min_speedup = fast", "kb_min_speedup (tox.ini): *'fast'*"),
        (
            "kb_min_speedup = nan",
            "kb_min_speedup (tox.ini): expected a number above 0*",
        ),
        ("kb_precision = double", "kb_precision (tox.ini): expected one of fp32*"),
        ("kb_no_timing = perhaps", "kb_no_timing (tox.ini): *perhaps*"),
        ("kb_problem_map = softmax", "kb_problem_map (tox.ini): *'glob = problem'*"),
    ],
)
def test_a_bad_line_of_the_ini_file_is_named(pytester, line, message):
    pytester.makeini(f"[pytest]\n{line}")
    result = pytester.runpytest_inprocess("-p", "no:anyio")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--kb-no-timing", "--kb-graph"),
            "--kb-graph needs timing: drop --kb-no-timing",
        ),
        (
            ("--kb-no-timing", "--kb-min-speedup=1"),
            "--kb-min-speedup needs timing: drop --kb-no-timing",
        ),
        (
            ("--kb-gpu=L4", "--kb-device=cpu"),
            "--kb-device is for local runs: drop it or --kb-gpu",
        ),
        (
            ("--kb-gpu=L4", "--kb-executor=local"),
            "--kb-gpu is for runs on Modal: drop --kb-executor",
        ),
        (
            ("--kb-max-regression=5%",),
            "--kb-max-regression: nothing to fall behind: add --kb-compare-ref or *",
        ),
        (
            ("--kb-gate=warn", "--kb-strict"),
            "--kb-strict fails what --kb-gate=warn lets pass: drop one",
        ),
        (
            ("-o", "kb_no_timing=true", "--kb-min-speedup=1"),
            "--kb-min-speedup needs timing: drop kb_no_timing *",
        ),
        (
            ("-o", "kb_directives=perhaps"),
            "kb_directives *: *'perhaps'",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(pytester, words, message):
    result = pytester.runpytest_inprocess("-p", "no:anyio", *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_the_command_line_takes_a_run_home_from_the_gpus_of_the_ini_file(kernels):
    kernels.pytester.makeini("[pytest]\nkb_gpu = L40S")
    kernels.add("a")
    result = kernels.run("--kb-device=cpu")
    result.stdout.fnmatch_lines(["kernelbench: 1 evaluation on cpu (fake), *"])


def test_a_gate_that_only_warns_fails_nothing_that_the_ini_file_is_strict_about(
    kernels,
):
    kernels.pytester.makeini("[pytest]\nkb_strict = true\nkb_min_speedup = 1")
    kernels.add("a", "speedup=1.0 spread=0.1")
    kernels.run().assert_outcomes(failed=1)
    kernels.run("--kb-gate=warn").assert_outcomes(passed=1)


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 reads native TOML")
def test_native_toml_types_are_taken(kernels):
    kernels.pytester.makepyprojecttoml(
        "[tool.pytest]\nkb_min_speedup = 2\nkb_trials = 3\nkb_no_cache = true\n"
        'kb_precision_target = "1%"\nkb_problems = []\n'
    )
    kernels.add("k")
    result = kernels.run()
    result.assert_outcomes(failed=1)
    assert limit(result).endswith("from kb_min_speedup (pyproject.toml)")


def test_kernels_with_a_limit_share_the_chance_of_a_false_failure(kernels):
    kernels.add("a")
    kernels.add("b")
    kernels.add("skipped", directive="marks=skip")
    kernels.pytester.makeconftest(
        """
        from pytest_kernelbench.executors.fake import FakeExecutor

        class Telling(FakeExecutor):
            def submit(self, request):
                print("alpha", request.options.alpha)
                return super().submit(request)

        def pytest_kernelbench_executors(config):
            return {"telling": lambda settings: Telling()}
        """
    )
    options = ["--kb-executor=telling", "--kb-min-speedup=0.5", "--kb-alpha=2%", "-s"]
    result = kernels.pytester.runpytest("--kb-device=cpu", *options)
    result.assert_outcomes(passed=2, skipped=1)
    assert [line for line in result.outlines if "alpha" in line] == ["alpha 0.01"] * 2
