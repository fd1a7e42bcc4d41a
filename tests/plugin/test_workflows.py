"""The action and the example workflows, their steps run as they stand."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
from loopback_github import TOKEN, LoopbackGitHub
from runner_of_github import assigned, obeyed
from workflows import ACTION, EXAMPLES, ROOT, Runner, all_steps, read

FORKS, TRUSTED = EXAMPLES
KERNEL = "# kernelbench: problem=builtin/softmax\n# fake: {}\nclass ModelNew: pass\n"
FAKE = "kernels/ --kb-executor=fake"


@pytest.fixture
def runner(tmp_path):
    """A checkout with two kernels, one of them wrong."""
    repository = tmp_path / "repository"
    (repository / "kernels").mkdir(parents=True)
    (repository / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    kernel(repository, "kernels/good_kernel.py", "speedup=1.28")
    kernel(repository, "kernels/bad_kernel.py", "verdict=WRONG reason='off by one'")
    git(repository, "init", "-q", "-b", "main")
    commit(repository)
    made = Runner(tmp_path, repository)
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 7}}')
    return made


def kernel(repository, name, script=""):
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text(KERNEL.format(script))


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(repository):
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "a state")
    return git(repository, "rev-parse", "HEAD")


def named(path, name):
    (step,) = [step for step in all_steps(path) if step.get("name") == name]
    return step


def inputs(**given):
    defaults = {
        f"inputs.{name}": about.get("default", "")
        for name, about in read(ACTION)["inputs"].items()
    }
    given = {f"inputs.{name.replace('_', '-')}": value for name, value in given.items()}
    return {**defaults, **given, "inputs.token": TOKEN}


def secrets(step, compare=""):
    """What the expressions of a step stand for: no secrets, and what to compare with."""
    known = {f"secrets.MODAL_TOKEN_{name}": "" for name in ("ID", "SECRET")}
    found = re.search(r"\${{ (github.base_ref .*) }}", step["env"].get("COMPARE", ""))
    return known if found is None else known | {found[1]: compare}


class TestTheAction:
    def evaluate(self, runner, arguments=FAKE, **given):
        step = named(ACTION, "Evaluate")
        return runner.run(step, inputs(arguments=arguments, **given))

    def test_reports_and_fails_as_pytest_does(self, runner):
        done = self.evaluate(runner)
        assert done.returncode == 1
        (command,) = obeyed(done.stdout)
        assert command.name == "error"
        assert command.properties["file"] == "kernels/bad_kernel.py"
        assert command.properties["line"] == "3"
        assert (
            "1 of 2 kernels failed: 1 WRONG" in (runner.folder / "summary").read_text()
        )
        told = json.loads((runner.folder / "temp/kernelbench/run.json").read_text())
        assert len(told["kernelbench"]["evaluations"]) == 2

    def test_has_the_outputs_that_the_step_has(self, runner):
        self.evaluate(runner)
        written = assigned(runner.folder / "output")
        outputs = read(ACTION)["outputs"]
        assert outputs.keys() == written.keys() - {"comment"}
        for name, about in outputs.items():
            assert f" steps.evaluate.outputs.{name} " in about["value"]

    def test_succeeds_where_all_is_well(self, runner):
        done = self.evaluate(runner, f"{FAKE} -k good")
        assert done.returncode == 0
        assert not obeyed(done.stdout)
        assert assigned(runner.folder / "output")["conclusion"] == "success"

    def test_runs_in_a_folder_of_the_repository(self, runner):
        done = self.evaluate(
            runner, ". --kb-executor=fake", working_directory="kernels"
        )
        (command,) = obeyed(done.stdout)
        assert command.properties["file"] == "kernels/bad_kernel.py"

    def test_says_that_no_kernel_was_found(self, runner):
        shutil.rmtree(runner.workspace / "kernels")
        (runner.workspace / "kernels").mkdir()
        done = self.evaluate(runner)
        assert done.returncode == 5
        assert "No kernel was evaluated" in (runner.folder / "summary").read_text()

    def test_tells_of_a_kernel_that_cannot_be_read(self, runner):
        (runner.workspace / "kernels" / "broken_kernel.py").write_text(
            "class ModelNew:\n  )\n"
        )
        done = self.evaluate(runner, f"{FAKE} --continue-on-collection-errors -k good")
        assert done.returncode == 1
        (command,) = obeyed(done.stdout)
        assert command.properties["file"] == "kernels/broken_kernel.py"
        assert "1 not evaluated" in (runner.folder / "summary").read_text()
        assert assigned(runner.folder / "output")["conclusion"] == "failure"

    def test_leaves_no_results_of_an_earlier_run(self, runner):
        self.evaluate(runner)
        done = self.evaluate(runner, f"{FAKE} --no-such-option")
        assert done.returncode == 4
        assert not (runner.folder / "temp/kernelbench/run.json").exists()
        assert not obeyed(done.stdout)

    def test_refuses_words_that_no_shell_could_split(self, runner):
        done = self.evaluate(runner, "kernels/ '")
        assert done.returncode == 1
        assert done.stdout == (
            "pytest-kernelbench: --words: No closing quotation: kernels/ '\n"
        )

    @pytest.mark.parametrize("words", ["", " -s -v", " -rA -q"])
    def test_obeys_no_file_name_test_or_kernel(self, runner, words):
        order = "::error file=x.py::forged"
        for name in (f"kernels/{order[:7]}::a", "kernels/##[error]b"):
            kernel(
                runner.workspace, f"{name}_kernel.py", f"verdict=CRASH log='{order}'"
            )
        (runner.workspace / "kernels" / "test_loud.py").write_text(
            f"import os\nprint({order!r})\n"
            "def test_it():\n"
            f"    print({order!r}); os.write(2, b'{order}\\n')\n"
            f"    open(os.environ.get('GITHUB_OUTPUT', os.devnull), 'a').write('x=y')\n"
            f"    print('::stop-commands::t'); assert 0, '##[error]forged'\n"
        )
        done = self.evaluate(runner, f"kernels/ --kb-executor=fake{words}")
        titles = [one.properties["title"] for one in obeyed(done.stdout)]
        expected = ["WRONG", *["CRASH"] * 2]
        assert [title.partition(":")[0] for title in titles] == expected
        assert "x" not in assigned(runner.folder / "output")

    def test_tells_pytest_that_the_job_is_cancelled(self, runner):
        kernel(runner.workspace, "kernels/long_kernel.py", "sleep=600")
        step = named(ACTION, "Evaluate")
        started = runner.start(step, inputs(arguments=f"{FAKE} -v"))
        lines = iter(started.stdout.readline, "")
        output = "".join(
            itertools.takewhile(lambda line: "good_kernel" not in line, lines)
        )
        started.terminate()
        output += started.communicate(timeout=60)[0]
        assert started.returncode == 2, output
        assert "KeyboardInterrupt" in output
        assert "1 of 2 kernels failed" in (runner.folder / "summary").read_text()

    def test_comments_once_and_updates_in_place(self, runner):
        comment = named(ACTION, "Comment")
        with LoopbackGitHub() as github:
            github.add("<!-- pytest-kernelbench kernels/evaluate -->", login="mallory")
            for words, expected in (
                ("", "1 of 2 kernels failed"),
                (" -k good", "1 kernel"),
            ):
                self.evaluate(runner, FAKE + words)
                done = runner.run(comment, inputs(), GITHUB_API_URL=github.api)
                assert done.returncode == 0, done.stdout
                assert done.stdout == "https://github.com/o/r/pull/7#2\n"
                assert expected in github.comments[1]["body"]
            assert len(github.comments) == 2

    @pytest.mark.slow
    def test_installs_the_package_that_it_came_with(self, tmp_path):
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        runner = Runner(tmp_path, tmp_path, tmp_path / "venv" / "bin")
        values = inputs(extras="hub") | {"github.action_path": str(ROOT)}
        done = runner.run(named(ACTION, "Install"), values)
        assert done.returncode == 0, done.stdout
        assert (tmp_path / "venv" / "bin" / "pytest-kernelbench").exists()


class TestTheExamples:
    def test_the_trusted_one_runs_as_it_stands(self, runner):
        evaluate, comment = (named(TRUSTED, name) for name in ("Evaluate", "Comment"))
        done = runner.run(evaluate, secrets(evaluate, ""), ARGUMENTS=FAKE)
        assert done.returncode == 1
        with LoopbackGitHub() as github:
            values = {"github.token": TOKEN}
            done = runner.run(comment, values, GITHUB_API_URL=github.api)
            assert done.returncode == 0, done.stdout
            assert "1 of 2 kernels failed" in github.comments[0]["body"]

    def test_a_pull_request_is_compared_with_its_base(self, runner):
        git(runner.workspace, "update-ref", "refs/remotes/origin/main", "HEAD")
        kernel(runner.workspace, "kernels/good_kernel.py", "speedup=2 runtime=5e-4")
        commit(runner.workspace)
        evaluate = named(TRUSTED, "Evaluate")
        values = secrets(evaluate, "--kb-compare-ref=origin/main")
        done = runner.run(evaluate, values, ARGUMENTS=FAKE)
        assert done.returncode == 0, done.stdout
        summary = (runner.folder / "summary").read_text()
        assert "1 kernel passed" in summary
        assert (
            "unchanged since origin&#47;main&#58; kernels&#47;bad&#95;kernel" in summary
        )

    def test_of_a_fork_only_the_kernels_are_taken(self, runner, tmp_path):
        (runner.workspace / "kernels" / "shared_kernel.py").write_text("VALUE = 1\n")
        commit(runner.workspace)
        head = self.fork(runner.workspace, tmp_path)
        repository = runner.workspace
        base = git(repository, "rev-parse", "HEAD")
        done = runner.run(
            named(FORKS, "Take the kernels"),
            {"github.event.pull_request.head.sha": head},
        )
        assert done.returncode == 0, done.stdout
        changed = git(repository, "status", "--porcelain", "-uall").splitlines()
        assert sorted(line.strip() for line in changed) == [
            "?? kernels/deep/new.cu",
            "?? kernels/new_kernel.py",
            "D kernels/bad_kernel.py",
            "M kernels/good_kernel.py",
        ]
        assert not (repository / "kernels" / "new_kernel.py").is_symlink()
        told = done.stdout.splitlines()
        assert "took kernels/new_kernel.py" in told
        assert "dropped kernels/bad_kernel.py" in told
        assert "left kernels/conftest.py" in told
        assert "left kernels/link_kernel.py" in told
        assert "left kernels/shared_kernel.py" in told
        assert not obeyed(done.stdout)
        assert base == git(repository, "rev-parse", "HEAD")

    def fork(self, repository, tmp_path):
        """A clone whose head is of someone else, as GitHub offers it to the base."""
        fork = tmp_path / "fork"
        git(tmp_path, "clone", "-q", repository, fork)
        (fork / "kernels" / "bad_kernel.py").unlink()
        kernel(fork, "kernels/good_kernel.py", "speedup=9 runtime=1e-4")
        kernel(fork, "kernels/new_kernel.py")
        (fork / "kernels" / "deep").mkdir()
        (fork / "kernels" / "deep" / "new.cu").write_text(
            "// kernelbench: problem=x\ntorch::Tensor forward(torch::Tensor x);\n"
        )
        evil = "raise SystemExit('this ran')\n"
        for name in ("conftest.py", "kernels/conftest.py", "kernels/__init__.py"):
            (fork / name).write_text(evil)
        for name in ("test_new_kernel", "new_ref", "level1_1_ref", "plain"):
            (fork / "kernels" / f"{name}.py").write_text(evil + KERNEL.format(""))
        (fork / "kernels" / "plain.py").write_text(evil)
        (fork / "kernels" / "::error::x.py").write_text(evil)
        kernel(fork, "kernels/shared_kernel.py")
        (fork / "kernels" / "link_kernel.py").symlink_to("/etc/passwd")
        (fork / "pytest.ini").write_text("[pytest]\naddopts = --no-such\n")
        head = commit(fork)
        git(repository, "remote", "add", "origin", fork)
        return head

    def test_what_a_fork_brings_is_judged_by_the_base(self, runner, tmp_path):
        head = self.fork(runner.workspace, tmp_path)
        (runner.workspace / "pytest.ini").write_text(
            "[pytest]\nkb_problem_map =\n    *.py = builtin/softmax\n"
            "    *.cu = builtin/gelu\n"
        )
        values = {"github.event.pull_request.head.sha": head}
        runner.run(named(FORKS, "Take the kernels"), values)
        arguments = read(FORKS)["env"]["ARGUMENTS"]
        ours = re.sub(
            r"--kb-gpu=\S+ --kb-max-cost=\S+", "--kb-executor=fake", arguments
        )
        evaluate = named(FORKS, "Evaluate")
        done = runner.run(evaluate, secrets(evaluate), ARGUMENTS=ours)
        assert done.returncode == 0, done.stdout
        assert "this ran" not in done.stdout
        summary = (runner.folder / "summary").read_text()
        assert "4 kernels passed" in summary.partition("\n")[0]
        assert "against <code>base</code>" in summary

    @pytest.mark.slow
    def test_the_trusted_one_runs_in_a_clean_clone_from_its_first_step(self, tmp_path):
        git(tmp_path, "clone", "-q", ROOT, "repository")
        repository = tmp_path / "repository"
        shutil.copytree(repository / "examples", repository / "kernels")
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        wheels = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w"]
        subprocess.run([*wheels, tmp_path / "wheels", repository], check=True)
        runner = Runner(tmp_path, repository, tmp_path / "venv" / "bin")
        steps = {step["name"]: step for step in all_steps(TRUSTED) if "name" in step}
        done = runner.run(
            {
                "run": steps["Install"]["run"].replace(
                    "kernelbench==", "kernelbench[local]=="
                )
            },
            {},
            PIP_FIND_LINKS=str(tmp_path / "wheels"),
            PIP_CONSTRAINT=str(repository / "constraints.txt"),
        )
        assert done.returncode == 0, done.stdout
        words = "kernels/ --kb-device=cpu --kb-no-timing -k 'softmax or swiglu'"
        evaluate = steps["Evaluate"]
        done = runner.run(evaluate, secrets(evaluate), ARGUMENTS=words)
        assert done.returncode == 0, done.stdout
        summary = (runner.folder / "summary").read_text()
        assert summary.startswith("### ✅ 3 kernels passed")
        assert assigned(runner.folder / "output")["correct"] == "3"


class TestWhatIsShipped:
    @pytest.mark.parametrize("path", [ACTION, *EXAMPLES], ids=lambda path: path.name)
    def test_uses_only_what_is_pinned_by_a_full_hash(self, path):
        used = re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))
        assert used
        for one in used:
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)

    @pytest.mark.parametrize("path", [ACTION, *EXAMPLES], ids=lambda path: path.name)
    def test_no_expression_is_part_of_a_script(self, path):
        assert all("${{" not in step.get("run", "") for step in all_steps(path))

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
    def test_secrets_and_rights_are_where_they_are_needed(self, path):
        whole = read(path)
        assert whole["permissions"] == {}
        assert "secrets." not in json.dumps(whole.get("env", {}))
        for name, job in whole["jobs"].items():
            assert "env" not in job
            rights = {"evaluate": {"contents": "read"}}
            assert job["permissions"] == rights.get(name, {"pull-requests": "write"})
            with_secrets = [
                step["name"] for step in job["steps"] if "secrets." in json.dumps(step)
            ]
            assert with_secrets == (["Evaluate"] if name == "evaluate" else [])
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False

    def test_the_fork_is_never_checked_out(self):
        for step in all_steps(FORKS):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert (
                    step["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
                )

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
    def test_installs_this_version(self, path):
        version = metadata.version("pytest-kernelbench")
        for step in all_steps(path):
            if step.get("name") == "Install":
                assert step["run"].endswith(f" pytest-kernelbench=={version}")
