"""Compiler messages that name the lines of the user's file.

``load_inline`` writes the strings of a Python file into files of its own, and compilers
name those. A string literal's lines are lines of the Python file, as long as each of
them is found there as it stands; others keep the name that the compiler gave.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_PLACE = re.compile(r"(?P<path>/[^\s:()]+\.(?:cpp|cu))(?P<open>[:(])(?P<line>\d+)")


def at_user_lines(output: str, source: Path) -> str:
    """The same output, with places in written files as places in ``source``."""
    text = source.read_text(encoding="utf-8")
    known: dict[str, dict[int, int]] = {}

    def user_place(match: re.Match[str]) -> str:
        path = match["path"]
        if path not in known:
            known[path] = _lines_of(Path(path), text)
        line = known[path].get(int(match["line"]))
        return match[0] if line is None else f"{source}{match['open']}{line}"

    return _PLACE.sub(user_place, output)


def _lines_of(written: Path, text: str) -> dict[int, int]:
    """Lines of a written file as lines of the Python text that it came from."""
    try:
        lines = written.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[int, int] = {}
    for first, literal in _literals(text):
        start = _position(literal, lines)
        for offset in range(len(literal)) if start is not None else ():
            assert start is not None
            found[start + offset + 1] = first + offset
    return found


def _literals(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each string of several lines that stands in the text as it is: where, and it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            literal = node.value.splitlines()
            above = lines[node.lineno - 1 : node.lineno - 1 + len(literal)]
            if len(literal) == len(above) and all(
                part.strip() in line for part, line in zip(literal, above, strict=True)
            ):
                yield node.lineno, literal


def _position(literal: list[str], lines: list[str]) -> int | None:
    """Where the literal begins in the lines; its ends may share lines with others."""
    for start in range(len(lines) - len(literal) + 1):
        if lines[start : start + len(literal)] == literal:
            return start
    return None
