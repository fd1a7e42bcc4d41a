"""Tables on a terminal, and the same in full width in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_kernelbench.model import Verdict

_WIDE = 1000
"""Columns where no one's terminal limits them."""
_STYLES = {
    "PASS": "green",
    "FASTER": "green",
    "AMBIGUOUS": "yellow",
    "NO-DEVICE": "yellow",
    "SAME": "",
    "new": "",
    "gone": "yellow",
}


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table. Cells are plain text: markup in them is not obeyed."""
    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number > 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    console = Console(
        width=None if terminal else _WIDE, highlight=False, markup=False, emoji=False
    )
    with console.capture() as captured:
        console.print(table)
    console.print(Text(title, style="bold"))
    for line in captured.get().splitlines():
        say(line.rstrip())


def _style(cell: str) -> str:
    word = cell.partition(" ")[0]
    if word in _STYLES:
        return _STYLES[word]
    return "red" if word == "SLOWER" or word in list(Verdict) else ""


def say(line: str = "") -> None:
    print(line)  # noqa: T201
