"""Reports to GitHub from a session, and that no kernel can give the runner orders."""

from __future__ import annotations

import subprocess
import sys

import pytest
from runner_of_github import assigned, obeyed

both_modes = pytest.mark.both_modes

ORDERS = "::error file=x.py::forged\n ::stop-commands::t\n##[error]forged\na ##[group]b"


@pytest.fixture
def step(kernels, pytester, monkeypatch):
    """A step of a job: what the runner sets in its environment."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.setenv(name, str(pytester.path / name))
    return pytester.path


@pytest.fixture
def alone(monkeypatch):
    """Without the plugin that annotates failures, should it be installed."""
    name = "pytest_github_actions_annotate_failures"
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-p no:{name}")


def commands(result):
    return obeyed(result.stdout.str() + "\n" + result.stderr.str())


@both_modes
def test_a_step_gets_a_summary_outputs_and_annotations(kernels, step, alone):
    kernels.add("good", "speedup=1.28")
    kernels.add("bad", "verdict=WRONG reason='off by one'")
    kernels.add("gone", "error='no such host'")
    result = kernels.run("--kb-json=run.json", "--kb-github-comment=deep/comment.md")
    summary = (step / "GITHUB_STEP_SUMMARY").read_text()
    assert summary.startswith("### ❌ 2 of 3 kernels failed: 1 WRONG, 1 not evaluated")
    words = assigned(step / "GITHUB_OUTPUT")
    assert (words["conclusion"], words["failed"], words["geomean"]) == (
        ("failure", "1", "1.28")
    )
    assert words["json"] == str(step / "run.json")
    assert (step / "deep" / "comment.md").read_text().startswith("<!-- pytest-kernelb")
    told = [(c.properties["file"], c.properties.get("line")) for c in commands(result)]
    assert told == [("bad_kernel.py", "6"), ("gone_kernel.py", None)]


@both_modes
@pytest.mark.parametrize("verbosity", ["-v", "-q", "-rA"])
def test_a_kernel_cannot_give_orders(kernels, step, alone, verbosity):
    kernels.add("a", f"verdict=CRASH log={ORDERS!r} reason={ORDERS!r}")
    kernels.add("b", f"limit={ORDERS!r} note={ORDERS!r}")
    kernels.add("c", f"error={ORDERS!r}")
    kernels.add("d", f"verdict=NO-DEVICE reason={ORDERS!r}")
    kernels.add("e", f"verdict=AMBIGUOUS reason={ORDERS!r}")
    kernels.pytester.makepyfile(
        f"""
        KERNEL = r'''
        # fake: verdict=WRONG reason={ORDERS!r} log={ORDERS!r}
        class ModelNew: pass
        '''

        def test_introspection(kernelbench):
            result = kernelbench(KERNEL, "builtin/softmax").result
            assert result.verdict == "PASS"

        def test_output(kernelbench):
            result = kernelbench(KERNEL, "builtin/softmax")
            print(result.feedback())
            result.assert_correct()
        """
    )
    seen = commands(kernels.run(verbosity))
    assert {one.name for one in seen} == {"error", "warning", "notice"}
    assert {one.properties.get("title", "").partition(":")[0] for one in seen} == {
        *("CRASH", "not evaluated", "skipped", "AMBIGUOUS", "WRONG")
    }
    assert not {"x.py"} & {one.properties.get("file") for one in seen}


def test_failures_are_told_once_beside_the_plugin_that_tells_them(kernels, step):
    pytest.importorskip("pytest_github_actions_annotate_failures")
    kernels.add("bad", "verdict=WRONG reason='off by one'")
    kernels.add("gone", "error='no such host'")
    kernels.add("slower", "speedup=1.0 spread=0.1", directive="min-speedup=1")
    kernels.mode = "xdist"  # a process of its own: that plugin prints to stderr
    seen = commands(kernels.run("--kb-github"))
    assert sorted((one.name, one.properties["file"]) for one in seen) == [
        ("error", "bad_kernel.py"),
        ("error", "gone_kernel.py"),
        ("warning", "slower_kernel.py"),
    ]


@pytest.mark.parametrize("words", [["--kb-github=off"], ["--collect-only"]])
def test_nothing_is_written_unasked(kernels, step, words):
    kernels.add("a")
    result = kernels.run(*words)
    assert not (step / "GITHUB_STEP_SUMMARY").exists()
    assert not (step / "GITHUB_OUTPUT").exists()
    assert not commands(result)


def test_a_project_without_kernels_gets_nothing(kernels, step):
    kernels.pytester.makepyfile("def test_it(): pass")
    kernels.pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert not (step / "GITHUB_STEP_SUMMARY").exists()


def test_a_gate_that_found_no_kernel_says_so_when_asked_for(kernels, step):
    kernels.pytester.makepyfile("def test_it(): pass")
    kernels.run("--kb-github=on")
    summary = (step / "GITHUB_STEP_SUMMARY").read_text()
    assert summary.startswith("### ⚠️ No kernel was evaluated")


def test_outside_of_actions_nothing_is_written_but_what_is_asked_for(kernels):
    kernels.add("bad", "verdict=WRONG")
    assert not commands(kernels.run("--kb-github-comment=c.md"))
    assert (kernels.pytester.path / "c.md").read_text().startswith("<!-- ")
    (command,) = commands(kernels.run("--kb-github"))
    assert command.properties["file"] == "bad_kernel.py"


def test_the_ini_file_can_turn_it_off(kernels, step):
    kernels.add("a")
    kernels.pytester.makeini("[pytest]\nkb_github = off")
    kernels.run()
    assert not (step / "GITHUB_STEP_SUMMARY").exists()


def test_a_rerun_is_told_once_with_its_last_outcome(kernels, step):
    kernels.add("a", "verdict=WRONG")
    kernels.run("--kb-json=a.json")
    kernels.run("--kb-json=b.json")
    summary = (step / "GITHUB_STEP_SUMMARY").read_text()
    assert summary.count("### ") == 2


def test_a_summary_that_cannot_be_written_is_one_line(kernels, step):
    kernels.add("a")
    (step / "GITHUB_STEP_SUMMARY").mkdir()
    result = kernels.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["kernelbench: *SUMMARY: not written: Is a directory"])


def test_a_comment_that_cannot_be_written_is_told_before_anything_runs(kernels):
    kernels.add("a")
    result = kernels.run("--kb-github-comment=.")
    result.stderr.fnmatch_lines(["ERROR: --kb-github-comment: cannot write *directory"])
    assert not kernels.events()


def test_a_wrong_word_is_one_line(kernels):
    result = kernels.run("--kb-github=maybe")
    result.stderr.fnmatch_lines(
        ["ERROR: --kb-github: expected one of auto, on, off, got 'maybe'*"]
    )


def test_a_kernel_that_is_called_like_a_package_is_not_taken_for_it(step, pytester):
    pytester.makepyfile(
        msgspec="raise SystemExit('imported')", test_one="def test(): pass"
    )
    # -P: as the command that is installed.
    command = (sys.executable, "-P", "-m", "pytest_kernelbench", "github", "run")
    done = subprocess.run(
        [*command, "--", "test_one.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1 passed" in done.stdout
