"""Findings as GitHub's workflow commands, which it shows at the lines of a change.

It shows ten of a kind from one step and drops the rest in silence, so the last of ten
tells how many more there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_kernelbench.reports.findings import Finding, Level

MOST_OF_A_KIND = 10
_LONGEST_TEXT = 2000  # the runner cuts at 4096


def commands(
    found: Sequence[Finding], *, root: Path, workspace: Path | None
) -> Iterator[str]:
    """Lines to print, errors first.

    Args:
        found: By level, as ``findings`` gives them.
        root: What the files in node ids are relative to.
        workspace: GitHub's, for files that are in no repository.
    """
    for level in (Level.ERROR, Level.WARNING, Level.NOTICE):
        told = [one for one in found if one.level is level]
        shown = told if len(told) <= MOST_OF_A_KIND else told[: MOST_OF_A_KIND - 1]
        kind = level.name.lower()
        for one in shown:
            yield _command(kind, _properties(one, root, workspace), one.text)
        if len(shown) < len(told):
            more = f"{len(told) - len(shown)} more: see the summary of this job"
            yield _command(kind, [("title", "kernelbench")], more)


def _properties(
    one: Finding, root: Path, workspace: Path | None
) -> list[tuple[str, str]]:
    place = []
    if one.nodeid is not None:
        path = root / one.nodeid.partition("::")[0]
        place.append(("file", _file(path, workspace or root)))
        if one.line is not None:
            place.append(("line", str(one.line)))
    return [*place, ("title", one.title)]


def _file(path: Path, workspace: Path) -> str:
    """As its own repository names it, which need not be checked out at the top."""
    tops = (top for top in path.parents if (top / ".git").exists())
    top = next(tops, workspace)
    shown = path.relative_to(top) if path.is_relative_to(top) else path
    return shown.as_posix()


def _command(kind: str, properties: Iterable[tuple[str, str]], text: str) -> str:
    told = ",".join(f"{name}={_property(value)}" for name, value in properties)
    return f"::{kind} {told}::{_data(text[:_LONGEST_TEXT])}"


def _data(text: str) -> str:
    """As the runner's own toolkit escapes it (actions/toolkit, command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
