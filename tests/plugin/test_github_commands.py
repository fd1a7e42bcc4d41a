"""``pytest-kernelbench github`` where no workflow calls it."""

from __future__ import annotations

import subprocess

import pytest
from runner_of_github import obeyed

from pytest_kernelbench.cli import main


@pytest.fixture
def saved(kernels, monkeypatch):
    kernels.add("deep/bad", "verdict=WRONG reason='off by one'")
    kernels.run("--kb-json=run.json")
    monkeypatch.chdir(kernels.pytester.path / "deep")
    return kernels.pytester.path / "run.json"


def test_a_saved_run_is_reported_as_the_session_would(saved, capsys, monkeypatch):
    capsys.readouterr()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(saved.parent / "summary"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(saved.parent))
    words = ["--comment", str(saved.parent / "c.md"), "--key", "L40S"]
    assert main(["github", "report", str(saved), *words]) == 0
    (command,) = obeyed(capsys.readouterr().out)
    assert command.properties["file"] == "deep/bad_kernel.py"
    assert "1 of 1 kernel failed" in (saved.parent / "summary").read_text()
    assert (
        (saved.parent / "c.md").read_text().startswith("<!-- pytest-kernelbench L40S")
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["report", "nothing.json"], "nothing.json: No such file or directory"),
        (["report", "../run.json", "--comment", ".."], "not written"),
        (["comment", "nothing.md"], "nothing.md: No such file or directory"),
        (["comment", "../run.json"], "GITHUB_REPOSITORY and GITHUB_TOKEN not set"),
        (["take", "no-such-commit", "."], "git ls-tree: fatal:"),
    ],
)
def test_trouble_is_one_line(saved, capsys, words, told):
    capsys.readouterr()
    assert main(["github", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("pytest-kernelbench: ")
    assert told in error
    assert error.count("\n") == 1


def test_a_kernel_that_cannot_be_replaced_is_named(kernels, monkeypatch, capsys):
    path = kernels.add("kernels/a")
    monkeypatch.chdir(kernels.pytester.path)
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "one")):
        subprocess.run(["git", *words], check=True)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("where there was a folder")
    assert main(["github", "take", "HEAD", "kernels"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("pytest-kernelbench: kernels")
    assert error.count("\n") == 1
