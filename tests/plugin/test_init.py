"""A repository after ``pytest-kernelbench init``: nothing lost, and its tests pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pytest_kernelbench.cli import main
from pytest_kernelbench.options import OPTIONS

EXAMPLES = Path(__file__).parents[2] / "examples"
WRITTEN = {
    ".github/workflows/kernels.yml",
    "kernels/swiglu_kernel.py",
    "kernels/swiglu_ref.py",
}


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    made = tmp_path / "repository"
    made.mkdir()
    subprocess.run(["git", "init", "--quiet", str(made)], check=True)
    monkeypatch.chdir(made)
    return made


def files(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and ".git/" not in path.as_posix()
    }


def pytest_in(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:anyio", *words],
        cwd=directory,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_empty_repository_has_all_it_needs(repository, capsys):
    assert main(["init"]) == 0
    assert files(repository).keys() == {*WRITTEN, "pytest.ini"}
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "wrote pytest.ini"
    assert told[-1] == "next: pytest kernels"


def test_its_tests_are_found_and_pass(repository):
    main(["init"])
    done = pytest_in(repository, "--kb-executor=fake", "--strict-config")
    assert done.returncode == 0, done.stdout
    assert "kernels/swiglu_kernel.py" in done.stdout
    assert "1 passed" in done.stdout


def test_its_tests_pass_on_the_cpu_for_real(repository):
    main(["init"])
    done = pytest_in(repository, "--kb-device=cpu", "--kb-no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"swiglu\S*\s.*PASS\s", done.stdout), done.stdout


def test_a_dry_run_says_the_same_and_writes_nothing(repository, capsys):
    main(["init", "--dry-run"])
    told = capsys.readouterr().out
    assert files(repository) == {}
    assert "would write pytest.ini" in told
    assert "would write .github/workflows/kernels.yml" in told


def test_doing_it_twice_does_nothing_more(repository, capsys):
    main(["init"])
    before = files(repository)
    capsys.readouterr()
    assert main(["init"]) == 0
    assert files(repository) == before
    told = capsys.readouterr().out.splitlines()[:-1]
    assert [line.split()[0] for line in told] == ["kept"] * 4


def test_what_is_there_is_never_overwritten(repository, capsys):
    mine = repository / "kernels" / "swiglu_kernel.py"
    mine.parent.mkdir()
    mine.write_text("# mine\n")
    main(["init"])
    assert mine.read_text() == "# mine\n"
    told = capsys.readouterr().out
    assert "kept kernels/swiglu_kernel.py: is there and differs" in told


class TestSettings:
    def test_are_added_to_pyproject_toml_at_its_end(self, repository, capsys):
        path = repository / "pyproject.toml"
        path.write_text('[project]\nname = "mine"  # a comment')
        main(["init"])
        text = path.read_text()
        assert text.startswith('[project]\nname = "mine"  # a comment\n\n[tool.pytest')
        options = tomllib.loads(text)["tool"]["pytest"]["ini_options"]
        assert options == {"kb_files": ["*_kernel.py"], "kb_max_time": 2}
        assert "added to pyproject.toml" in capsys.readouterr().out
        assert not (repository / "pytest.ini").exists()
        assert pytest_in(repository, "--kb-executor=fake").returncode == 0

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-q'\n"),
            ("pyproject.toml", "[tool.pytest]\nminversion = '8'\n"),
            ("pytest.ini", ""),
            (".pytest.ini", "[pytest]\naddopts = -q\n"),
            ("tox.ini", "[pytest]\naddopts = -q\n"),
            ("setup.cfg", "[tool:pytest]\naddopts = -q %(x)s\n"),
            ("pytest.toml", "[pytest]\nminversion = '8'\n"),
        ],
    )
    def test_that_are_there_are_neither_changed_nor_hidden(
        self, repository, name, text, capsys
    ):
        (repository / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
        (repository / name).write_text(text)
        before = files(repository)
        main(["init"])
        after = files(repository)
        assert {name: after[name] for name in before} == before
        assert after.keys() - before.keys() == WRITTEN
        assert f"kept {name}: has pytest's settings" in capsys.readouterr().out

    def test_of_another_tool_in_the_same_file_are_no_reason_to_stop(self, repository):
        (repository / "tox.ini").write_text("[tox]\nenvlist = py311\n")
        main(["init"])
        assert (repository / "pytest.ini").exists()

    def test_that_leave_kernels_out_are_told_of(self, repository, capsys):
        (repository / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
        main(["init"])
        assert "its testpaths lack 'kernels'" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("name", "text", "why"),
        [
            ("pyproject.toml", "[project\n", "not TOML"),
            ("tox.ini", "no section\n", "cannot be read"),
        ],
    )
    def test_that_nobody_can_read_are_an_error_of_one_line(
        self, repository, name, text, why, capsys
    ):
        (repository / name).write_text(text)
        assert main(["init"]) == 1
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert why in told
        assert files(repository) == {name: text}

    def test_cannot_be_added_to_a_table_that_is_closed(self, repository, capsys):
        (repository / "pyproject.toml").write_text("tool = {black = {}}\n")
        main(["init"])
        assert "kept pyproject.toml: no section can be" in capsys.readouterr().out


def test_a_directory_below_has_its_workflow_at_the_top(repository, capsys):
    below = repository / "packages" / "gpu"
    below.mkdir(parents=True)
    main(["init", "packages/gpu"])
    written = files(repository)
    assert "packages/gpu/kernels/swiglu_kernel.py" in written
    workflow = written[".github/workflows/kernels.yml"]
    assert "- run: pytest packages/gpu/kernels/\n" in workflow
    assert "@" not in re.sub(r"uses: \S+@[0-9a-f]{40} ", "", workflow)
    assert "next: pytest packages/gpu/kernels" in capsys.readouterr().out


def test_a_directory_that_is_not_there_is_an_error_of_one_line(repository, capsys):
    assert main(["init", "nowhere"]) == 1
    assert capsys.readouterr().err.endswith("not a directory; make it first\n")


class TestTheWorkflow:
    def test_runs_commands_that_pass_here(self, repository):
        """Its steps as they stand, but for the installation."""
        main(["init"])
        workflow = (repository / WRITTEN_WORKFLOW).read_text()
        active = re.findall(r"^      - run: (.*)$", workflow, re.MULTILINE)
        install, doctor, tests = active
        assert install.startswith("pip install 'pytest-kernelbench[local]'")
        assert main(doctor.split()[1:]) == 0
        done = pytest_in(repository, *tests.split()[1:], "--kb-executor=fake")
        assert done.returncode == 0

    def test_pins_actions_and_names_options_that_exist(self, repository):
        main(["init"])
        workflow = (repository / WRITTEN_WORKFLOW).read_text()
        uses = re.findall(r"uses: (.*)", workflow)
        assert len(uses) == 2
        assert all(re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", use) for use in uses)
        named = set(re.findall(r"--kb-[a-z-]+[a-z]", workflow))
        assert named <= {option.flag for option in OPTIONS}


WRITTEN_WORKFLOW = ".github/workflows/kernels.yml"


@pytest.mark.parametrize("name", ["swiglu_kernel.py", "swiglu_ref.py"])
def test_the_example_is_one_of_ours(repository, name):
    main(["init"])
    assert (repository / "kernels" / name).read_text() == (EXAMPLES / name).read_text()
