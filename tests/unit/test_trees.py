"""No tree of files is too deep, too closed or too tangled to be walked and removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_kernelbench.engine.isolation.trees import entries_below, remove


def nested(top: Path, depth: int) -> None:
    """Directories in each other, beyond what one path can name if asked to."""
    here = Path.cwd()
    top.mkdir(exist_ok=True)
    os.chdir(top)
    try:
        for _ in range(depth):
            Path("a").mkdir()
            os.chdir("a")
        Path("file").touch()
    finally:
        os.chdir(here)


@pytest.mark.parametrize("depth", [1, 2100])
def test_a_tree_is_removed_however_deep(tmp_path, depth):
    nested(tmp_path / "tree", depth)
    remove(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []


def test_a_tree_is_walked_as_far_down_as_a_path_reaches(tmp_path):
    nested(tmp_path / "tree", 1100)
    found = [entry.name for entry in entries_below(tmp_path / "tree")]
    assert sorted(found) == ["a"] * 1100 + ["file"]
    nested(tmp_path / "tree" / "longer", 2100)
    assert len(list(entries_below(tmp_path / "tree"))) > 2500
    remove(tmp_path)  # pytest itself could not


def test_what_a_link_leads_to_is_neither_walked_nor_removed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "folder").symlink_to(kept)
    (tree / "file").symlink_to(kept / "file")
    (tree / "nowhere").symlink_to(tmp_path / "missing")
    names = {entry.name for entry in entries_below(tree)}
    assert names == {"folder", "file", "nowhere"}
    remove(tree)
    assert [path.name for path in kept.iterdir()] == ["file"]
    assert not tree.exists()


def test_closed_directories_and_odd_files_are_removed(tmp_path):
    tree = tmp_path / "tree"
    (tree / "closed" / "below").mkdir(parents=True)
    (tree / "closed" / "below" / "file").touch(mode=0o000)
    os.mkfifo(tree / "pipe")
    (tree / "closed" / "below").chmod(0o000)
    (tree / "closed").chmod(0o500)
    remove(tree)
    assert not tree.exists()


def test_what_is_not_there_is_no_trouble(tmp_path):
    remove(tmp_path / "missing")
    assert list(entries_below(tmp_path / "missing")) == []
