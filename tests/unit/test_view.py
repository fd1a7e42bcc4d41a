"""What is shown to a kernel at L2 beside the system: what is needed, and no home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_kernelbench.engine.isolation.view import Needs


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def places(**environment: object) -> set[str]:
    return {*Needs.here({name: str(at) for name, at in environment.items()}).places}


def covers(shown: set[str], path: Path) -> bool:
    return any(path.is_relative_to(place) for place in shown)


def test_python_is_shown_with_all_that_it_imports():
    shown = places()
    for path in (sys.prefix, sys.base_prefix, os.path.realpath(sys.executable)):
        assert covers(shown, Path(os.path.realpath(path)))


def test_a_compiler_is_shown_with_what_belongs_to_it(home):
    compiler = program(home / "gcc-15/bin/g++")
    assert str(home / "gcc-15") in places(CXX=compiler)
    assert str(home / "gcc-15") in places(PATH=compiler.parent)


def test_of_a_home_no_more_is_shown_than_its_programs(home):
    local, own = program(home / ".local/bin/ninja"), program(home / "bin/ccache")
    shown = places(PATH=f"{local.parent}:{own.parent}")
    assert {str(local.parent), str(own.parent)} <= shown
    assert not covers(shown, home / ".local/share/keyrings")
    assert not covers(shown, home / ".ssh")


def test_symbolic_links_lead_where_they_led(home):
    toolkit = home / "cuda-13.0"
    toolkit.mkdir()
    (home / "cuda").symlink_to("cuda-13")
    (home / "cuda-13").symlink_to(toolkit)
    needs = Needs.here({"CUDA_HOME": str(home / "cuda")})
    assert str(toolkit) in needs.places
    links = dict(needs.links)
    assert links[str(home / "cuda")] == "cuda-13"
    assert links[str(home / "cuda-13")] == str(toolkit)


def test_the_root_is_never_shown_as_a_whole():
    assert "/" not in places(PYTHONPATH="/", CUDA_HOME="/")
