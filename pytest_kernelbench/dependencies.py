"""Local files that a kernel names: imported modules and included headers.

Found in the text alone. A kernel is evaluated as one text: what it imports is found
only where Python finds it anyway, on ``PYTHONPATH`` or installed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_kernelbench.syntax import SourceError, parse, read_text

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


def local_files(kernel: Path, root: Path) -> set[Path]:
    """All files below ``root`` that a kernel depends on, however indirectly."""
    found: set[Path] = set()
    unread = [kernel]
    while unread:
        path = unread.pop()
        named = {one for one in _named(path, root) if one.is_relative_to(root)}
        unread += sorted(named - found - {kernel})
        found |= named
    return found - {kernel}


def _named(path: Path, root: Path) -> Iterator[Path]:
    try:
        text = read_text(path)
        tree = parse(text) if path.suffix == ".py" else None
    except SourceError:
        return
    places = (path.parent, root, root / "src")
    for name in _INCLUDE.findall(text):
        yield from _first_file([place / name for place in places])
    for level, parts in _imports(tree):
        above = path.parents[level - 1 : level] if level else places
        yield from _first_file(_modules(above, parts))


def _imports(tree: ast.Module | None) -> Iterator[tuple[int, tuple[str, ...]]]:
    """How far above the file to look, and for which module."""
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            yield from ((0, tuple(alias.name.split("."))) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            # ``from package import module`` may name either.
            yield from ((node.level, (*module, alias.name)) for alias in node.names)
            yield node.level, module


def _modules(places: Sequence[Path], parts: tuple[str, ...]) -> list[Path]:
    if not parts:
        return [place / "__init__.py" for place in places]
    bases = [place.joinpath(*parts) for place in places]
    return [
        found
        for base in bases
        for found in (base.with_suffix(".py"), base / "__init__.py")
    ]


def _first_file(paths: Sequence[Path]) -> list[Path]:
    return [path.resolve() for path in paths if path.is_file()][:1]
