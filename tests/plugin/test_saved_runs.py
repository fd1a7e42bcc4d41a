"""Runs are kept, and later runs are held against them."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest

from pytest_kernelbench.runs import read_run

both_modes = pytest.mark.both_modes


@pytest.fixture(autouse=True)
def as_on_a_gpu(kernels):
    """The noise between sessions that a GPU has; on a CPU little would be certain."""
    kernels.always = ("--kb-session-noise=1%",)


def saved(kernels, device="fake-cpu"):
    return sorted((kernels.pytester.path / ".kernelbench" / device).glob("*.json"))


def evaluations(path):
    return json.loads(path.read_text())["kernelbench"]["evaluations"]


def git(where, *words):
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@e", *words]
    done = subprocess.run(command, cwd=where, check=True, capture_output=True)
    return done.stdout.decode().strip()


def aged(path, **fields):
    """Change what a saved run says of itself."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


class TestSaving:
    @both_modes
    def test_a_run_is_kept_by_device_and_number(self, kernels):
        kernels.add("a", "speedup=1.28")
        kernels.add("b", "verdict=WRONG")
        for number in ("0001", "0002"):
            result = kernels.run("--kb-save=main")
            path = f".kernelbench/fake-cpu/{number}_main.json"
            result.stdout.fnmatch_lines([f" saved {path}"])
        assert [path.name for path in saved(kernels)] == [
            "0001_main.json",
            "0002_main.json",
        ]
        assert [one["verdict"] for one in evaluations(saved(kernels)[0])] == [
            "PASS",
            "WRONG",
        ]
        (benchmark,) = json.loads(saved(kernels)[0].read_text())["benchmarks"]
        assert benchmark["stats"]["data"]

    def test_autosave_names_commit_and_time(self, kernels):
        kernels.add("a")
        for words in (["init"], ["add", "."], ["commit", "-m", "all"]):
            git(kernels.pytester.path, *words)
        head = git(kernels.pytester.path, "rev-parse", "HEAD")
        kernels.run("--kb-autosave")
        (path,) = saved(kernels)
        run = read_run(path)
        moment = run.datetime[:19].replace("-", "").replace(":", "").replace("T", "_")
        assert path.name == f"0001_{head[:12]}_{moment}.json"
        kernels.add("a", "speedup=2")
        kernels.run("--kb-autosave")
        assert saved(kernels)[-1].name.endswith("_uncommitted-changes.json")

    def test_a_run_on_two_devices_is_two_files(self, kernels):
        kernels.add("a", "chip='NVIDIA L40S'")
        kernels.add("b", "chip='NVIDIA H200'")
        kernels.run("--kb-save=x")
        for device in ("NVIDIA-L40S", "NVIDIA-H200"):
            (path,) = saved(kernels, device)
            assert len(evaluations(path)) == 1

    def test_a_fixture_call_is_kept_too(self, kernels):
        kernels.add("k", "speedup=1.5")
        kernels.pytester.makepyfile(
            "def test_it(kernelbench): kernelbench('k_kernel.py').assert_correct()"
        )
        kernels.run("--kb-save=x", "test_a_fixture_call_is_kept_too.py")
        (one,) = evaluations(saved(kernels)[0])
        assert one["nodeid"].endswith("::test_it")

    def test_what_was_never_timed_is_not_kept_and_said(self, kernels):
        kernels.add("a", "verdict=WRONG")
        result = kernels.run("--kb-save=x")
        result.stdout.fnmatch_lines([" not saved: nothing was timed"])
        assert not saved(kernels)

    def test_a_run_that_stopped_early_is_kept_as_far_as_it_came(self, kernels):
        kernels.add("a", "speedup=1.28")
        kernels.add("b", "error='gone'")
        kernels.add("c", "speedup=1.3")
        kernels.run("--kb-save=x", "-x")
        (one,) = evaluations(saved(kernels)[0])
        assert one["kernel"] == "a_kernel.py"

    def test_an_interrupted_run_is_kept_as_far_as_it_came(self, kernels):
        kernels.add("a", "speedup=1.28")
        kernels.add("b", "sleep=60")
        command = kernels.command("--kb-save=x", "-v")
        running = subprocess.Popen(
            command, cwd=kernels.pytester.path, stdout=subprocess.PIPE, text=True
        )
        for line in running.stdout:
            if "a_kernel.py::ModelNew PASSED" in line:
                break
        time.sleep(0.5)  # into the wait for b
        running.send_signal(signal.SIGINT)
        output = running.communicate(timeout=30)[0]
        assert running.returncode == pytest.ExitCode.INTERRUPTED, output
        (one,) = evaluations(saved(kernels)[0])
        assert one["kernel"] == "a_kernel.py"

    def test_without_a_terminal_it_is_kept_all_the_same(self, kernels):
        kernels.add("a")
        kernels.run("--kb-save=x", "-p", "no:terminal")
        assert saved(kernels)

    def test_a_name_that_is_no_file_name_is_refused(self, kernels):
        result = kernels.run("--kb-save=a/b")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --kb-save: expected a name without *"])

    def test_that_it_cannot_be_kept_in_the_end_is_one_line(self, kernels):
        kernels.add("a")
        kernels.pytester.makeconftest(
            """
            def pytest_runtest_teardown(item):
                (item.config.rootpath / ".kernelbench" / "fake-cpu").write_text("")
            """
        )
        result = kernels.run("--kb-save=x")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["kernelbench: *.kernelbench: not saved: *"])


class TestComparing:
    @both_modes
    def test_each_kernel_has_its_change_in_table_summary_and_json(self, kernels):
        kernels.add("a", "speedup=1.5")
        kernels.add("b", "speedup=1.5")
        kernels.run("--kb-save=main")
        kernels.add("a", "speedup=1.2")
        result = kernels.run("--kb-compare", "--kb-json=out.json")
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(
            [
                " kernel * speedup * L *change",
                " a *PASS*SLOWER -20.0%",
                " b *PASS*SAME +0.0%",
                " against 0001_main (* old): 1 SAME, 1 SLOWER",
            ]
        )
        first, _ = json.loads((kernels.pytester.path / "out.json").read_text())[
            "kernelbench"
        ]["evaluations"]
        assert first["change"]["verdict"] == "SLOWER"
        assert first["change"]["before"]["median"] == pytest.approx(1e-3)

    @both_modes
    def test_what_got_worse_for_certain_fails_its_test(self, kernels):
        kernels.add("a", "speedup=1.5")
        kernels.add("b", "speedup=1.5")
        kernels.run("--kb-save=main")
        kernels.add("a", "speedup=1.2")
        result = kernels.run("--kb-compare", "--kb-compare-fail=speedup:5%")
        result.assert_outcomes(failed=1, passed=1)
        result.stdout.fnmatch_lines(
            [
                (
                    "REGRESSED: speedup 1.2x, 20.0% lower [[]*, *] than 1.5x in "
                    "0001_main (* old), at most 5% allowed (--kb-compare-fail=speedup:5%)"
                ),
                "replay: pytest a_kernel.py::ModelNew * --kb-compare=newest *",
                "FAILED a_kernel.py::ModelNew - REGRESSED: *",
            ]
        )

    def test_the_ini_file_may_say_all_of_it(self, kernels):
        kernels.pytester.makeini(
            "[pytest]\nkb_autosave = true\nkb_compare = newest\n"
            "kb_compare_fail =\n    speedup:5%\n    median:50%"
        )
        kernels.add("a", "speedup=1.5")
        kernels.run().assert_outcomes(passed=1)
        kernels.add("a", "speedup=1.2")
        result = kernels.run()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            ["REGRESSED: *, at most 5% allowed (kb_compare_fail (tox.ini))"]
        )
        assert len(saved(kernels)) == 2

    def test_a_fixture_call_that_got_worse_fails_its_test(self, kernels):
        kernels.add("k", "speedup=1.5")
        kernels.pytester.makepyfile(
            test_it="def test(kernelbench): kernelbench('k_kernel.py').assert_correct()"
        )
        words = ("test_it.py", "--kb-compare", "--kb-compare-fail=speedup:5%")
        kernels.run("--kb-save=x", "test_it.py").assert_outcomes(passed=1)
        kernels.run(*words).assert_outcomes(passed=1)
        kernels.add("k", "speedup=1.2")
        result = kernels.run(*words)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*REGRESSED: speedup 1.2x, 20.0% lower*"])

    def test_times_are_compared_only_when_asked_for(self, kernels):
        kernels.add("a", "speedup=1.5 runtime=1e-3")
        kernels.run("--kb-save=main")
        kernels.add("a", "speedup=1.5 runtime=2e-3")
        compare = ("--kb-compare", "--kb-compare-fail=speedup:2.5%")
        kernels.run(*compare).assert_outcomes(passed=1)
        result = kernels.run(*compare, "--kb-compare-fail=median:2.5%")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["REGRESSED: median 2000 us, 100.0% longer *"])

    def test_what_may_be_noise_is_ambiguous(self, kernels):
        kernels.add("a", "speedup=1.5")
        kernels.run("--kb-save=main")
        kernels.add("a", "speedup=1.41")
        words = ("--kb-compare", "--kb-compare-fail=speedup:5%")
        result = kernels.run(*words)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(
            [" warning: a_kernel.py: speedup 1.41x, 6.0% lower*"]
        )
        kernels.run(*words, "--kb-strict").assert_outcomes(failed=1)
        kernels.add("a", "speedup=1.40 spread=0.001")
        kernels.run("--kb-session-noise=0.1%", *words).assert_outcomes(failed=1)

    def test_a_run_is_chosen_by_number_name_glob_or_path(self, kernels):
        for name, speedup in (("one", 1.0), ("two", 2.0), ("three", 3.0)):
            kernels.add("a", f"speedup={speedup}")
            kernels.run(f"--kb-save={name}")
        path = saved(kernels)[1]
        for run in ("2", "0002", "two", "0002_t", "tw*", "fake-*/0002", path):
            result = kernels.run(f"--kb-compare={run}")
            result.stdout.fnmatch_lines([" against 0002_two (*): 1 FASTER"])
        result = kernels.run("--kb-compare=t*")
        result.stdout.fnmatch_lines([" against 0003_three (*): 1 SAME"])

    @pytest.mark.parametrize(
        ("word", "message"),
        [
            ("mian", "no saved run 'mian' in *; did you mean 'main'[?]"),
            ("7", "no saved run '7' in *; the newest is '0001_main'"),
            (".", "'.' is no saved run; an option without one comes after the paths"),
        ],
    )
    def test_a_run_that_is_not_there_is_one_line(self, kernels, word, message):
        kernels.add("a")
        kernels.run("--kb-save=main")
        result = kernels.run(f"--kb-compare={word}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: --kb-compare: {message}"])

    def test_a_limit_without_a_run_is_one_line(self, kernels):
        result = kernels.run("--kb-compare-fail=speedup:5%")
        result.stderr.fnmatch_lines(
            ["ERROR: --kb-compare-fail: nothing to compare with: add --kb-compare"]
        )

    def test_a_limit_on_what_has_no_interval_is_one_line(self, kernels):
        result = kernels.run("--kb-compare", "--kb-compare-fail=min:5%")
        result.stderr.fnmatch_lines(
            ["ERROR: --kb-compare-fail: * min has no interval*"]
        )

    def test_the_first_run_says_that_there_is_nothing_yet(self, kernels):
        kernels.add("a")
        result = kernels.run("--kb-compare")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([" note: not compared: no saved run in *"])
        result = kernels.run("--kb-compare", "--kb-compare-fail=speedup:5%")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["*a_kernel.py*AMBIGUOUS*", " warning: *no saved*"])

    def test_a_new_kernel_is_no_failure(self, kernels):
        kernels.add("a")
        kernels.run("--kb-save=main")
        kernels.add("b")
        result = kernels.run(
            "--kb-compare", "--kb-compare-fail=speedup:5%", "--kb-strict"
        )
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(
            [" not gated: not compared: not measured in 0001_main: b_*"]
        )

    def test_a_regression_is_not_accepted_by_running_twice(self, kernels):
        words = ("--kb-compare", "--kb-compare-fail=speedup:5%", "--kb-autosave")
        kernels.add("a", "speedup=1.5")
        kernels.run(*words).assert_outcomes(passed=1)
        kernels.add("a", "speedup=1.2")
        kernels.run(*words).assert_outcomes(failed=1)
        kernels.run(*words).assert_outcomes(failed=1)
        assert len(saved(kernels)) == 3
        # Nor by running often …
        for number in range(4, 30):
            text = saved(kernels)[-1].read_text()
            (saved(kernels)[0].parent / f"{number:04}_again.json").write_text(text)
        kernels.run(*words).assert_outcomes(failed=1)
        # … but by saving one that was not held to the past.
        kernels.run("--kb-autosave")
        kernels.run(*words).assert_outcomes(passed=1)

    def test_a_kernel_that_the_newest_run_lacks_is_found_in_the_one_before(
        self, kernels
    ):
        kernels.add("a")
        kernels.add("b")
        kernels.run("--kb-save=full")
        kernels.run("--kb-save=part", "-k", "a_kernel")
        result = kernels.run("--kb-compare")
        result.stdout.fnmatch_lines(
            [" against 0002_part (*): 1 SAME", " against 0001_full (*): 1 SAME"]
        )

    def test_what_is_resumed_is_compared_as_well(self, kernels):
        kernels.add("a", "speedup=1.5")
        kernels.run("--kb-save=main")
        kernels.add("a", "speedup=1.2")
        kernels.run()
        words = ("--kb-resume", "--kb-compare", "--kb-compare-fail=speedup:5%")
        result = kernels.run(*words)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            ["REGRESSED: *", " note: not evaluated again: from *"]
        )

    def test_a_failure_of_correctness_stays_what_it_is(self, kernels):
        kernels.add("a")
        kernels.run("--kb-save=main")
        kernels.add("a", "verdict=WRONG")
        result = kernels.run("--kb-compare", "--kb-compare-fail=speedup:5%")
        result.stdout.fnmatch_lines(["*a_kernel.py*WRONG*"])

    def test_the_age_of_what_it_is_compared_with_is_told(self, kernels):
        kernels.add("a")
        kernels.run("--kb-save=main")
        aged(saved(kernels)[0], datetime="2020-01-01T00:00:00+00:00")
        result = kernels.run("--kb-compare")
        result.stdout.fnmatch_lines([" against 0001_main (* days old): 1 SAME"])

    def test_a_file_that_cannot_be_read_is_said_and_no_result_lost(self, kernels):
        kernels.add("a")
        kernels.run("--kb-save=main")
        saved(kernels)[0].write_text("{")
        result = kernels.run("--kb-compare")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([" note: not compared: *0001_main.json: not a *"])


class TestWhatMayNotBeCompared:
    def test_another_version_is_refused_unless_asked_for(self, kernels):
        kernels.add("a", "speedup=1.5 torch=2.11")
        kernels.run("--kb-save=main")
        kernels.add("a", "speedup=1.2 torch=2.13")
        result = kernels.run("--kb-compare")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(
            [
                (
                    " note: not compared: 0001_main: torch 2.11 then, 2.13 now "
                    "(--kb-compare-across allows it)"
                )
            ]
        )
        result.stdout.no_fnmatch_line("*SLOWER*")
        gated = ("--kb-compare", "--kb-compare-fail=speedup:5%")
        result = kernels.run(*gated)
        result.stdout.fnmatch_lines(
            [
                "*a_kernel.py*AMBIGUOUS*",
                " gate: 0 of 1 kernel held to their limits, 1 undecided*",
                " not gated: not compared: 0001_main: torch *: a_kernel.py",
            ]
        )
        kernels.run(*gated, "--kb-strict").assert_outcomes(failed=1)
        kernels.run(*gated, "--kb-compare-across").assert_outcomes(failed=1)

    def test_another_device_is_refused_unless_asked_for(self, kernels):
        kernels.add("a", "chip='NVIDIA H200'")
        kernels.run("--kb-save=main")
        kernels.add("a", "chip='NVIDIA L40S'")
        result = kernels.run("--kb-compare")
        result.stdout.fnmatch_lines(
            [
                (
                    " note: not compared: 0001_main is of NVIDIA-H200, this is "
                    "NVIDIA-L40S (--kb-compare-across allows it)"
                )
            ]
        )
        result = kernels.run("--kb-compare", "--kb-compare-across")
        result.stdout.fnmatch_lines([" against 0001_main (*): 1 SAME"])

    def test_an_older_run_with_the_same_versions_is_used(self, kernels):
        kernels.add("a", "torch=2.11")
        kernels.run("--kb-save=old")
        kernels.add("a", "torch=2.13")
        kernels.run("--kb-save=new")
        kernels.add("a", "torch=2.11")
        result = kernels.run("--kb-compare")
        result.stdout.fnmatch_lines([" against 0001_old (*): 1 SAME"])

    def test_another_problem_is_refused_always(self, kernels):
        reference = kernels.pytester.path / "reference.py"
        kernels.add("a", problem="reference.py")
        for size in (1, 2):
            reference.write_text(
                f"class Model: ...\ndef get_inputs(): return [{size}]\n"
                "def get_init_inputs(): return []\n"
            )
            result = kernels.run(
                "--kb-compare", "--kb-save=main", "--kb-compare-across"
            )
        result.stdout.fnmatch_lines(
            [" note: not compared: 0001_main: the problem has changed since"]
        )

    def test_another_cache_or_precision_is_not_the_same_measurement(self, kernels):
        kernels.add("a")
        kernels.run("--kb-save=main")
        result = kernels.run("--kb-compare", "--kb-cache=warm")
        result.stdout.fnmatch_lines([" note: *0001_main: cold cache then, warm now"])
        result = kernels.run("--kb-compare", "--kb-precision=fp16")
        result.stdout.fnmatch_lines([" note: not compared: not measured in 0001_main"])
