"""``--kb-compare-ref``: each changed kernel beside its version at a commit."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.skipif(
    subprocess.run(["git", "--version"], capture_output=True, check=False).returncode,
    reason="git is not installed",
)


FETCHED = "main:refs/remotes/origin/main"


class Repository:
    def __init__(self, root) -> None:
        self.root = root
        self("init", "-q", "-b", "main")

    def __call__(self, *words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0")
        done = subprocess.run(
            ["git", *identity, *words],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def commit(self) -> None:
        self("add", "-A")
        self("commit", "-q", "-m", "a commit")


@pytest.fixture
def git(pytester, kernels):
    """Kernels a and b at 1 ms each, committed."""
    repository = Repository(pytester.path)
    (pytester.path / ".gitignore").write_text(".kernelbench\n__pycache__\n*.log\n")
    kernels.add("a", "runtime=1e-3")
    kernels.add("b", "runtime=1e-3")
    repository.commit()
    kernels.always = ("--kb-compare-ref=main",)
    return repository


@pytest.mark.both_modes
class TestAKernelThatBecame:
    def test_slower_by_5_percent_is_regressed(self, kernels, git):
        kernels.add("a", "runtime=1.05e-3")
        result = kernels.run()
        result.assert_outcomes(failed=1, skipped=1)
        result.stdout.fnmatch_lines(
            [
                "*REGRESSED: takes +5.0% [[]+3.9, +6.1] longer than in main, at most 3%*",
                " a *REGRESSED*SLOWER -4.8%",
                " against main: 1 SLOWER",
                " gate: 1 of 1 kernel held to their limits, *at most 1%",
                " not run: unchanged since main: b_kernel.py::ModelNew",
            ]
        )

    def test_slower_by_1_percent_is_not_failed(self, kernels, git):
        kernels.add("a", "runtime=1.01e-3")
        kernels.run().assert_outcomes(passed=1, skipped=1)

    def test_faster_says_so(self, kernels, git):
        kernels.add("a", "runtime=0.8e-3")
        result = kernels.run()
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines([" against main: 1 FASTER"])

    def test_slower_by_more_than_is_allowed_here_is_regressed(self, kernels, git):
        kernels.add("a", "runtime=1.05e-3")
        kernels.run("--kb-max-regression=10%").assert_outcomes(passed=1, skipped=1)
        kernels.run("--kb-max-regression=2%").assert_outcomes(failed=1, skipped=1)


class TestAKernelThatIs:
    def test_unchanged_is_not_run(self, kernels, git):
        result = kernels.run("-rs")
        result.stdout.fnmatch_lines(["kernelbench: 0 evaluations of 2 kernels *"])
        result.assert_outcomes(skipped=2)
        assert result.ret == 0
        assert not kernels.events()["submit"]
        result.stdout.fnmatch_lines(["SKIPPED * unchanged since main"])

    def test_new_is_evaluated_without_a_base(self, kernels, git):
        kernels.add("c")
        result = kernels.run("--kb-strict")
        result.assert_outcomes(passed=1, skipped=2)
        result.stdout.fnmatch_lines(
            [" not gated: not compared: new since main: c_kernel.py"]
        )

    def test_deleted_is_listed(self, kernels, git):
        (git.root / "a_kernel.py").unlink()
        (git.root / "conftest.py").write_text("")
        result = kernels.run()
        result.stdout.fnmatch_lines(
            [" no longer there: deleted since main: a_kernel.py"]
        )

    @pytest.mark.parametrize("added", [True, False])
    def test_renamed_and_changed_is_compared_with_what_it_was(
        self, kernels, git, added
    ):
        (git.root / "a_kernel.py").rename(git.root / "moved_kernel.py")
        path = git.root / "moved_kernel.py"
        path.write_text(path.read_text().replace("1e-3", "1.2e-3"))
        if added:
            git("add", "-A")
        result = kernels.run()
        result.assert_outcomes(failed=1, skipped=1)
        result.stdout.fnmatch_lines([" against main: 1 SLOWER"])

    def test_only_renamed_is_evaluated_without_a_base(self, kernels, git):
        git("mv", "a_kernel.py", "moved_kernel.py")
        result = kernels.run("--kb-strict")
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines(["*only renamed, from a_kernel.py*"])

    def test_changed_in_a_later_commit_is_compared_with_where_the_branch_left(
        self, kernels, git
    ):
        git("checkout", "-q", "-b", "topic")
        kernels.add("a", "runtime=1.2e-3")
        git.commit()
        git("checkout", "-q", "main")
        kernels.add("b", "runtime=0.5e-3")
        git.commit()
        git("checkout", "-q", "topic")
        kernels.run().assert_outcomes(failed=1, skipped=1)

    def test_beside_a_changed_import_cannot_be_compared(self, kernels, git):
        kernels.add("a", "runtime=1e-3\nimport parts")
        (git.root / "parts.py").write_text("x = 1\n")
        git.commit()
        (git.root / "parts.py").write_text("x = 2\n")
        result = kernels.run()
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines(
            ["*not compared: parts.py changed, too, and exists only once*"]
        )
        kernels.run("--kb-strict").assert_outcomes(failed=1, skipped=1)


class TestABaseThatFails:
    def test_is_told_and_fails_no_kernel(self, kernels, git):
        kernels.add("a", "verdict=WRONG")
        git.commit()
        kernels.add("a", "runtime=1e-3")
        result = kernels.run()
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines(
            [
                " gate: 0 of 1 kernel *",
                " not gated: not compared with main: the base is WRONG: a_kernel.py",
            ]
        )

    def test_fails_its_kernel_under_strict(self, kernels, git):
        kernels.add("a", "verdict=WRONG")
        git.commit()
        kernels.add("a", "runtime=1e-3")
        kernels.run("--kb-strict").assert_outcomes(failed=1, skipped=1)


class TestTheGate:
    def test_may_only_warn(self, kernels, git):
        kernels.add("a", "runtime=1.2e-3")
        result = kernels.run("--kb-gate=warn", "-v")
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines(
            [
                "*PASSED (REGRESSED)*",
                "*(--kb-gate=warn: none fails)",
                " warning: a_kernel.py: takes +20.0% *",
            ]
        )

    def test_warns_of_slow_kernels_too(self, kernels, pytester):
        kernels.add("a", "speedup=0.5")
        kernels.run("--kb-min-speedup=1", "--kb-gate=warn").assert_outcomes(passed=1)

    def test_never_forgives_a_wrong_kernel(self, kernels, git):
        kernels.add("a", "verdict=WRONG")
        kernels.run("--kb-gate=warn").assert_outcomes(failed=1, skipped=1)

    def test_tells_which_kernels_it_did_not_hold(self, kernels, pytester):
        kernels.add("a")
        kernels.add("b", "verdict=NO-DEVICE reason='no card'")
        result = kernels.run("--kb-min-speedup=1")
        result.stdout.fnmatch_lines(
            [
                " gate: 1 of 2 kernels held to their limits*",
                " not gated: NO-DEVICE: no card: b_kernel.py",
            ]
        )

    def test_is_not_spoken_of_where_there_is_none(self, kernels):
        kernels.add("a")
        assert "gate" not in kernels.run().stdout.str()

    def test_shares_the_chance_of_a_false_failure_among_what_it_compares(
        self, kernels, git, pytester
    ):
        for name in ("a", "b"):
            kernels.add(name, "runtime=1.01e-3")
        pytester.makeconftest(
            "import pytest\n"
            "@pytest.hookimpl(trylast=True)\n"
            "def pytest_collection_finish(session):\n"
            "    for item in session.items:\n"
            "        print('alpha', item.request.options.alpha)\n"
        )
        result = kernels.run("--kb-alpha=2%", "-s")
        assert result.stdout.str().count("alpha 0.01") == 2


class TestAHandWrittenTest:
    TEST = (
        "def test_it(kernelbench):\n    kernelbench('a_kernel.py').assert_correct()\n"
    )

    def test_fails_for_a_kernel_that_regressed(self, kernels, git, pytester):
        pytester.makepyfile(test_it=self.TEST)
        kernels.add("a", "runtime=1.2e-3")
        kernels.run("test_it.py").assert_outcomes(failed=1)

    def test_passes_with_a_warning_where_the_gate_only_warns(
        self, kernels, git, pytester
    ):
        pytester.makepyfile(test_it=self.TEST)
        kernels.add("a", "runtime=1.2e-3")
        kernels.run("test_it.py", "--kb-gate=warn").assert_outcomes(passed=1)


class TestWhatGitCannotTell:
    def test_is_said_of_an_unknown_commit_in_one_line(self, kernels, git):
        kernels.always = ("--kb-compare-ref=nowhere",)
        result = kernels.run()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: --kb-compare-ref: no commit 'nowhere' in*"]
        )

    def test_is_said_where_there_is_no_repository(self, kernels, monkeypatch, pytester):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(pytester.path.parent))
        kernels.add("a")
        result = kernels.run("--kb-compare-ref=main")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --kb-compare-ref: *not a git repository*"])

    def test_is_said_of_a_shallow_clone_with_what_helps(
        self, kernels, git, pytester, monkeypatch
    ):
        git("checkout", "-q", "-b", "topic")
        git("commit", "-q", "--allow-empty", "-m", "another")
        clone = pytester.path / "clone"
        git("clone", "-q", "--depth=1", f"file://{git.root}", str(clone))
        monkeypatch.chdir(clone)
        kernels.always = ("--kb-compare-ref=origin/main",)
        result = kernels.run()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["*this clone is shallow, try 'git fetch origin main:refs/remotes*"]
        )
        subprocess.run(
            ["git", "fetch", "-q", "--depth=1", "origin", FETCHED],
            check=True,
        )
        kernels.run().assert_outcomes(skipped=2)


def test_a_subdirectory_is_as_good_as_the_root(kernels, git, monkeypatch):
    kernels.add("below/c", "runtime=1e-3")
    git.commit()
    kernels.add("below/c", "runtime=1.2e-3")
    monkeypatch.chdir(git.root / "below")
    kernels.run().assert_outcomes(failed=1)


def test_nothing_in_the_repository_is_written(kernels, git):
    kernels.add("a", "runtime=1.2e-3")
    kernels.add("c")

    def written():
        return git("status", "--porcelain"), sorted((git.root / ".git").rglob("*"))

    before = written()
    kernels.run("-p", "no:cacheprovider")
    assert written() == before
