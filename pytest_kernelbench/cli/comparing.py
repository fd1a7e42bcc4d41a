"""``compare`` and ``history``: saved runs against each other."""

from __future__ import annotations

import argparse
import sys
import typing
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pytest_kernelbench import values
from pytest_kernelbench.cli.saved_runs import add_storage, checked
from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.limits import limit

if typing.TYPE_CHECKING:
    from pytest_kernelbench.history.comparison import Compared
    from pytest_kernelbench.history.rows import Row
    from pytest_kernelbench.history.store import Saved, Store
    from pytest_kernelbench.model import EvalResult

_ENOUGH = 3
"""Sessions from which something can be said of the noise between them."""


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    _add_compare(commands.add_parser("compare", help="compare two saved runs"))
    _add_history(
        commands.add_parser("history", help="how kernels did over the saved runs")
    )


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "base", nargs="?", metavar="BASE", help="default: the one before HEAD"
    )
    parser.add_argument("head", nargs="?", metavar="HEAD", help="default: the newest")
    parser.add_argument(
        "--fail",
        type=checked(limit),
        action="append",
        default=[],
        metavar="FIELD:AMOUNT",
        help="return 1 if a kernel got worse by more for certain, such as speedup:5%%; "
        "may repeat",
    )
    parser.add_argument(
        "--across", action="store_true", help="compare across devices and versions"
    )
    parser.add_argument(
        "--session-noise",
        type=checked(values.fraction),
        metavar="SHARE",
        help="as for pytest's --kb-session-noise (default: 1%%; on a CPU 20%%)",
    )
    parser.add_argument(
        "--alpha",
        type=checked(values.fraction),
        default=0.01,
        metavar="SHARE",
        help="as for pytest's --kb-alpha (default: 1%%)",
    )
    add_storage(parser)
    parser.set_defaults(carry_out=_compare)


def _add_history(parser: argparse.ArgumentParser) -> None:
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


def _compare(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.cli.tables import say, show  # noqa: PLC0415 - rich
    from pytest_kernelbench.history.comparison import (  # noqa: PLC0415
        Terms,
        compared,
        shared_obstacles,
    )
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415

    base, head = _both(Store(chosen.storage), chosen.base, chosen.head)
    terms = Terms(
        limits=tuple(chosen.fail),
        noise=chosen.session_noise,
        alpha=chosen.alpha,
        across=chosen.across,
    )
    found = compared(base.run, head.run, terms)
    if why := shared_obstacles(found):
        hint = "" if chosen.across else ": --across allows devices and versions"
        raise RunFileError(
            f"{base.name} and {head.name} cannot be compared: {', '.join(why)}{hint}"
        )
    show(
        f"{base.device}/{base.name} → {head.device}/{head.name}",
        ("kernel", "problem", "base", "head", "change", "verdict"),
        map(_compared_cells, found),
    )
    for line in _reasons(found):
        say(line)
    say(_closing(found))
    return 1 if any(one.regressed for one in found) else 0


def _both(store: Store, base: str | None, head: str | None) -> tuple[Saved, Saved]:
    from pytest_kernelbench.history.store import NEWEST, newest  # noqa: PLC0415

    second = newest(store.named(head or NEWEST))
    if base is None:
        before = [one for one in store.find() if one.device == second.device]
        numbers = [one.path for one in before]
        place = numbers.index(second.path) if second.path in numbers else 0
        if place == 0:
            raise RunFileError(f"no saved run before {second.name} on {second.device}")
        return before[place - 1], second
    found = store.find(base, second.device) or store.named(base)
    return newest(found), second


def _compared_cells(one: Compared) -> list[str]:
    from pytest_kernelbench.outcomes import escaped  # noqa: PLC0415
    from pytest_kernelbench.reports import wording  # noqa: PLC0415

    return [
        escaped(one.result.kernel),
        escaped(wording.problem(one.result)),
        _speedup(one.base),
        _speedup(one.head),
        _change(one),
        _verdict(one),
    ]


def _speedup(result: EvalResult | None) -> str:
    from pytest_kernelbench.reports import wording  # noqa: PLC0415

    if result is None or result.speedup is None:
        return wording.ABSENT
    return wording.speedup(result.speedup)


def _change(one: Compared) -> str:
    from pytest_kernelbench.reports import wording  # noqa: PLC0415

    if one.change is not None:
        return wording.change(one.change)
    if one.obstacles:
        return ", ".join(one.obstacles)
    if one.base is None:
        return "new"
    return "gone" if one.head is None else wording.ABSENT


def _verdict(one: Compared) -> str:
    if one.regressed:
        return "REGRESSED"
    if one.suspect:
        return "AMBIGUOUS"
    return "-" if one.head is None else one.head.verdict.value


def _reasons(found: Sequence[Compared]) -> Iterator[str]:
    from pytest_kernelbench.outcomes import escaped  # noqa: PLC0415

    for one in found:
        for word, reasons in (("REGRESSED", one.regressed), ("AMBIGUOUS", one.suspect)):
            for reason in reasons:
                yield f"{word} {escaped(one.result.kernel)}: {reason}"


def _closing(found: Sequence[Compared]) -> str:
    counts = {
        "compared": sum(one.change is not None for one in found),
        "regressed": sum(bool(one.regressed) for one in found),
        "not compared": sum(one.change is None for one in found),
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items())


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
