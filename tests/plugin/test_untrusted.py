"""With kb_directives = off nothing beside or below kernels is run, and the rest is."""

from __future__ import annotations

import pytest

RAN = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"


@pytest.fixture
def strict(kernels):
    kernels.pytester.makeini(
        "[pytest]\nkb_directives = off\nkb_problem_map =\n    a_* = builtin/gelu"
    )
    kernels.add("theirs/a")
    return kernels


def place(kernels, name: str, text: str = RAN):
    path = kernels.pytester.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("argument", ["theirs", "theirs/a_kernel.py", "."])
@pytest.mark.parametrize(
    "name",
    ["conftest.py", "__init__.py", "below/conftest.py", "below/deep/conftest.py"],
)
def test_what_pytest_would_import_is_refused_unread(strict, name, argument):
    path = place(strict, f"theirs/{name}")
    result = strict.run(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: theirs/{name}: *kb_directives = off*"])
    assert not path.with_name("ran").exists()


@pytest.mark.parametrize("name", ["pytest.ini", "pyproject.toml", "tox.ini"])
def test_configuration_beside_kernels_is_refused_though_pytest_obeys_it(kernels, name):
    kernels.add("theirs/a")
    section = "tool.pytest.ini_options" if name.endswith("toml") else "pytest"
    place(kernels, f"theirs/{name}", f"[{section}]\nkb_directives = true\n")
    result = kernels.run("-o", "kb_directives=off", "theirs")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {name}: *"])


@pytest.mark.parametrize("name", ["test_it.py", "below/test_it.py", "test_it.txt"])
def test_tests_beside_kernels_are_errors_and_the_kernels_go_on(strict, name):
    text = ">>> 1 / 0\n" if name.endswith("txt") else RAN + "def test_it(): pass\n"
    path = place(strict, f"theirs/{name}", text)
    result = strict.run("--continue-on-collection-errors")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*move it elsewhere*"])
    assert not path.with_name("ran").exists()


def test_ones_own_tests_and_conftest_elsewhere_run_as_ever(strict):
    place(strict, "conftest.py")
    place(strict, "mine/conftest.py")
    place(strict, "mine/test_it.py", "def test_it(): pass\n")
    strict.run().assert_outcomes(passed=2)
    assert (strict.pytester.path / "ran").exists()


def test_without_it_files_beside_kernels_are_ones_own(kernels):
    kernels.add("theirs/a")
    place(kernels, "theirs/conftest.py")
    place(kernels, "theirs/test_it.py", "def test_it(): pass\n")
    kernels.run("theirs").assert_outcomes(passed=2)


def test_workers_of_xdist_refuse_the_same(strict):
    strict.mode = "xdist"
    place(strict, "theirs/conftest.py")
    result = strict.run("theirs")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not (strict.pytester.path / "theirs/ran").exists()
