"""The map of modules is the one that a newcomer will find."""

from __future__ import annotations

import re
from pathlib import Path

import pytest_kernelbench

PACKAGE = Path(pytest_kernelbench.__file__).parent
CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def test_the_map_has_every_module_and_no_other():
    map_ = CONTRIBUTING.read_text(encoding="utf-8").partition("```text\n")[2]
    map_ = map_.partition("examples/")[0]
    shown = set(re.findall(r"\b\w+\.py\b", map_))
    there = {file.name for file in PACKAGE.glob("*.py")}
    there |= {file.name for file in (PACKAGE / "engine").rglob("*.py")}
    assert shown == there - {"__init__.py"}


def test_the_map_has_every_folder():
    map_ = CONTRIBUTING.read_text(encoding="utf-8")
    folders = {path.parent for path in PACKAGE.glob("*/__init__.py")}
    folders |= {path.parent for path in (PACKAGE / "engine").glob("*/__init__.py")}
    names = {folder.name for folder in folders}
    assert {name for name in names if re.search(rf"\n +{name}/ ", map_)} == names
