"""Imports run downward only, and nothing heavy is loaded before it must be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_kernelbench

PACKAGE = Path(pytest_kernelbench.__file__).parent

FLOORS = [
    {
        *("errors", "values", "text", "syntax", "hookspecs", "backends", "streams"),
        *("limits", "contradictions"),
    },
    {"model", "directives", "options"},
    {
        *("kernels", "journal", "broker", "statistics", "runs", "scaffold"),
        *("repository", "dependencies"),
        "changes",
    },
    {"problems", "engine", "bases", "gates"},
    {"executors"},
    {"settings", "doctor", "untrusted"},
    {"history"},
    {"terms", "session"},
    {"outcomes", "comparison"},
    {"collection", "reports", "xdist", "evaluator"},
    {"calls", "github"},
    {"cli"},
    {"fixtures", "__main__"},
    {"plugin"},
]
"""From the ground up; modules of one folder are one name."""

WITHOUT_PYTEST = ("engine", "problems", "executors", "model", "gates", "kernels")
HEAVY = ("torch", "modal", "datasets", "numpy", "rich", "asyncio", "msgspec", "jinja2")

MODULES = sorted(PACKAGE.rglob("*.py"))


def floor_of(name: str) -> int:
    found = [number for number, names in enumerate(FLOORS) if name in names]
    assert found, f"say in FLOORS where {name} belongs"
    return found[0]


def top(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path):
    """Names that a module imports when it runs; type checking is not running."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "pytest_kernelbench":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p != PACKAGE / "__init__.py"], ids=lambda p: p.stem
)
def test_imports_run_downward(path):
    here = top(path)
    for name in imported(path):
        if name.startswith("pytest_kernelbench."):
            there = name.split(".")[1]
            assert there == here or floor_of(there) < floor_of(here), name


@pytest.mark.parametrize(
    "path", [p for p in MODULES if top(p) in WITHOUT_PYTEST], ids=lambda p: p.stem
)
def test_what_runs_without_pytest_does_not_import_it(path):
    names = {name.split(".")[0] for name in imported(path)}
    assert not names & {"pytest", "_pytest"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_nothing_private_of_pytest_is_imported(path):
    assert "_pytest" not in {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize(
    "statement", ["import pytest_kernelbench", "import pytest_kernelbench.plugin"]
)
def test_nothing_heavy_is_loaded_with_the_plugin(statement):
    probe = f"import sys, pytest; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert not set(HEAVY) & set(done.stdout.split())
