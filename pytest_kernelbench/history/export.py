"""Rows for other programs: CSV, JSON and JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TextIO

import msgspec

from pytest_kernelbench.history.rows import Row

_OBEYED = ("=", "+", "-", "@")
"""What a spreadsheet takes for the start of a formula."""


def write_rows(file: TextIO, rows: Sequence[Row], form: str) -> None:
    """Write rows as ``csv``, ``json`` or ``jsonl``."""
    if form == "csv":
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row.__struct_fields__)
        writer.writerows(
            [_cell(cell) for cell in msgspec.structs.astuple(row)] for row in rows
        )
    elif form == "json":
        file.write(msgspec.json.format(msgspec.json.encode(rows)).decode() + "\n")
    else:
        file.writelines(msgspec.json.encode(row).decode() + "\n" for row in rows)


def _cell(value: object) -> object:
    """Text from a kernel's file or output must not run in who opens the table."""
    if isinstance(value, str) and value.startswith(_OBEYED):
        return f"'{value}"
    return value
