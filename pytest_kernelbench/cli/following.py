"""``history``: how kernels did over the saved runs."""

from __future__ import annotations

import argparse
import sys
import typing
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pytest_kernelbench import values
from pytest_kernelbench.cli.arguments import add_storage, checked
from pytest_kernelbench.errors import RunFileError

if typing.TYPE_CHECKING:
    from pytest_kernelbench.history.rows import Row
    from pytest_kernelbench.history.store import Store

_ENOUGH = 3
"""Sessions from which something can be said of the noise between them."""


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser("history", help="how kernels did over the saved runs")
    parser.add_argument(
        "kernel",
        nargs="?",
        default="*",
        metavar="KERNEL",
        help="a part of its path, or a glob (default: all)",
    )
    parser.add_argument(
        "--device", default="*", metavar="NAME", help="a part of its name, or a glob"
    )
    parser.add_argument(
        "--last",
        type=checked(values.count),
        metavar="N",
        help="only the newest N of each kernel",
    )
    add_storage(parser)
    parser.set_defaults(carry_out=_history)


def _history(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.history.database import History  # noqa: PLC0415
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415

    store = Store(chosen.storage)
    with History(store) as history:
        history.refresh()
        rows = list(history.rows(chosen.kernel, chosen.device))
    for line in history.trouble:
        print(f"pytest-kernelbench: {line}", file=sys.stderr)  # noqa: T201
    if not rows:
        raise RunFileError(_nothing(store, chosen))
    for _, series in groupby(rows, _series):
        _show_series(list(series), chosen.last)
    return chosen.trouble if history.trouble else 0


def _nothing(store: Store, chosen: argparse.Namespace) -> str:
    if not store.find():
        return store.missing("*")
    return f"no evaluation of '{chosen.kernel}' on '{chosen.device}' in {store.root}"


def _series(row: Row) -> tuple[str, ...]:
    return row.kernel, row.problem, row.precision, row.device


def _show_series(rows: list[Row], last: int | None) -> None:
    from pytest_kernelbench.cli.tables import say, show  # noqa: PLC0415 - rich

    shown = rows[-last:] if last else rows
    first = shown[0]
    title = f"{first.kernel}, {first.problem} ({first.precision}) on {first.device}"
    columns = ("run", "date", "commit", "verdict", "runtime", "speedup", "changed")
    show(title, columns, _series_cells(shown))
    if (line := _noise(shown)) is not None:
        say(line)
    say()


def _series_cells(rows: Sequence[Row]) -> Iterator[list[str]]:
    from pytest_kernelbench.reports import wording  # noqa: PLC0415

    before: Row | None = None
    for row in rows:
        interval, runtime = row.interval, row.runtime
        yield [
            row.run,
            row.datetime[:16].replace("T", " "),
            row.commit[:9] + ("+" if row.dirty else ""),
            row.verdict,
            wording.ABSENT if runtime is None else wording.duration(runtime),
            wording.ABSENT if interval is None else wording.speedup(interval),
            "" if before is None else ", ".join(_differences(before, row)),
        ]
        before = row


def _differences(before: Row, now: Row) -> Iterator[str]:
    """What is not as it was in the row above."""
    then, current = (dict(_versions(row)) for row in (before, now))
    for name in sorted({*then, *current}):
        if then.get(name) != current.get(name):
            yield f"{name} {then.get(name, '-')} → {current.get(name, '-')}"
    if before.kernel_digest != now.kernel_digest:
        yield "kernel"
    if before.problem_digest != now.problem_digest:
        yield "problem"


def _versions(row: Row) -> Iterator[tuple[str, str]]:
    for word in row.versions.split():
        name, _, version = word.partition("=")
        yield name, version


def _noise(rows: Sequence[Row]) -> str | None:
    """What the newest sessions that measured the same tell of the noise between them."""
    from pytest_kernelbench.changes import noise_beyond  # noqa: PLC0415

    last = _conditions(rows[-1])
    intervals = [
        row.interval for row in rows if row.interval and _conditions(row) == last
    ]
    if len(intervals) < _ENOUGH:
        return None
    seen, beyond = noise_beyond(intervals)
    return (
        f"{len(intervals)} sessions of the same source and versions differ by "
        f"{seen:.2%} (standard deviation), {beyond:.2%} beyond their own intervals "
        f"(--kb-session-noise)"
    )


def _conditions(row: Row) -> tuple[str | None, ...]:
    return (
        row.versions,
        row.kernel_digest,
        row.problem_digest,
        row.baseline,
        row.cache,
    )
