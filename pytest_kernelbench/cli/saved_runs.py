"""``list``, ``show``, ``export`` and ``prune``: the saved runs themselves."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import statistics
import sys
import typing
from pathlib import Path
from typing import Any

from pytest_kernelbench import values
from pytest_kernelbench.cli.arguments import (
    add_runs,
    add_storage,
    checked,
    chosen_runs,
)
from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.text import printable

if typing.TYPE_CHECKING:
    from pytest_kernelbench.history.store import Saved
    from pytest_kernelbench.runs import Run

_FORMATS = ("csv", "json", "jsonl")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_COMMIT = 9
"""Digits of a commit that are shown."""


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    listing = commands.add_parser("list", help="list saved runs")
    add_runs(listing)
    listing.set_defaults(carry_out=_list)

    showing = commands.add_parser("show", help="show a saved run")
    showing.add_argument("run", nargs="?", metavar="RUN", help="default: the newest")
    add_storage(showing)
    showing.set_defaults(carry_out=_show)

    exporting = commands.add_parser(
        "export", help="evaluations of saved runs, a row each, for other programs"
    )
    add_runs(exporting)
    exporting.add_argument(
        "--format", choices=_FORMATS, help="default: that of the output's name, or csv"
    )
    exporting.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="default: standard output"
    )
    exporting.set_defaults(carry_out=_export)
    _add_prune(commands.add_parser("prune", help="remove old saved runs and journals"))


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep",
        type=checked(values.count),
        metavar="N",
        help="keep the newest N of each device",
    )
    parser.add_argument(
        "--older-than",
        type=checked(_age),
        metavar="AGE",
        help="remove only what is older, such as 30d, 12h or 8w",
    )
    parser.add_argument("--device", default="*", metavar="GLOB", help="of its folder")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be removed"
    )
    add_storage(parser)
    parser.set_defaults(carry_out=_prune)


def _age(text: str) -> dt.timedelta:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", text)
    if found is None:
        raise ValueError(f"expected an age such as 30d, 12h or 8w, got '{text}'")
    try:
        return dt.timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError:
        raise ValueError(f"expected a shorter age, got '{text}'") from None


def _list(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.cli.tables import say, show  # noqa: PLC0415 - rich
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415

    store = Store(chosen.storage)
    runs = chosen_runs(store, chosen.runs)
    if not runs:
        say(store.missing("*"))
        return 0
    rows, trouble = [], []
    for saved in runs:
        try:
            rows.append(_line(saved))
        except RunFileError as error:
            trouble.append(str(error))
    columns = ("device", "run", "age", "commit", "timed", "geomean", "versions")
    show(f"{chosen.storage}", columns, rows)
    for line in trouble:
        print(f"pytest-kernelbench: {line}", file=sys.stderr)  # noqa: T201
    return chosen.trouble if trouble else 0


def _line(saved: Saved) -> list[str]:
    from pytest_kernelbench.history.store import ago  # noqa: PLC0415

    run = saved.run
    results = [one.result for one in run.evaluated]
    speedups = [one.speedup.value for one in results if one.speedup and one.correct]
    timed = sum(one.runtime is not None for one in results)
    return [
        saved.device,
        saved.name,
        ago(run.datetime, dt.datetime.now(dt.UTC)),
        _commit(run),
        f"{timed}/{len(results)}",
        f"{statistics.geometric_mean(speedups):.2f}x" if speedups else "-",
        versions(run),
    ]


def _commit(run: Run) -> str:
    dirty = "+" if run.commit.get("dirty") else ""
    return printable(str(run.commit.get("id", "unknown"))[:_COMMIT]) + dirty


def versions(run: Run) -> str:
    """``cuda 13.0, torch 2.11.0``."""
    from pytest_kernelbench.outcomes import escaped  # noqa: PLC0415

    seen = run.environment
    return escaped(", ".join(f"{name} {'/'.join(seen[name])}" for name in sorted(seen)))


def _show(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.cli.tables import say, show  # noqa: PLC0415 - rich
    from pytest_kernelbench.history.store import NEWEST, Store, newest  # noqa: PLC0415
    from pytest_kernelbench.outcomes import escaped  # noqa: PLC0415

    saved = newest(Store(chosen.storage).named(chosen.run or NEWEST))
    run = saved.run
    about = [saved.age(dt.datetime.now(dt.UTC)), f"commit {_commit(run)}"]
    columns = ("kernel", "problem", "verdict", "runtime", "speedup", "change")
    title = f"{saved.name} ({saved.device}), {', '.join(about)}"
    show(title, columns, (_evaluation(one) for one in run.evaluated))
    say(versions(run))
    for nodeid, why in run.unevaluated.items():
        say(f"not evaluated: {escaped(nodeid)}: {escaped(why)}")
    return 0


def _evaluation(one: Any) -> list[str]:
    from pytest_kernelbench.outcomes import escaped  # noqa: PLC0415
    from pytest_kernelbench.reports import wording  # noqa: PLC0415

    result = one.result
    absent = wording.ABSENT
    return [
        escaped(result.kernel),
        escaped(wording.problem(result)),
        result.verdict.value,
        absent if result.runtime is None else wording.runtime(result.runtime),
        absent if result.speedup is None else wording.speedup(result.speedup),
        absent if result.change is None else wording.change(result.change),
    ]


def _export(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.history.export import write_rows  # noqa: PLC0415
    from pytest_kernelbench.history.rows import rows_of  # noqa: PLC0415
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415

    runs = chosen_runs(Store(chosen.storage), chosen.runs)
    # All of them before a file is opened, and what it held is lost.
    rows = [row for saved in runs for row in rows_of(saved)]
    ending = chosen.output.suffix[1:] if chosen.output is not None else ""
    form = chosen.format or (ending if ending in _FORMATS else "csv")
    if chosen.output is None:
        write_rows(sys.stdout, rows, form)
        return 0
    try:
        with chosen.output.open("w", encoding="utf-8", newline="") as file:
            write_rows(file, rows, form)
    except OSError as error:
        message = f"-o {chosen.output}: not written: {error.strerror}"
    else:
        return 0
    raise RunFileError(message)


def _prune(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.cli.tables import say  # noqa: PLC0415
    from pytest_kernelbench.history.pruning import superfluous  # noqa: PLC0415
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415

    if chosen.keep is None and chosen.older_than is None:
        raise RunFileError("prune: say what may go: --keep=N or --older-than=AGE")
    before = None
    if chosen.older_than is not None:
        before = dt.datetime.now(dt.UTC) - chosen.older_than
    store = Store(chosen.storage)
    paths = superfluous(store, chosen.device, keep=chosen.keep or 0, before=before)
    word = "would remove" if chosen.dry_run else "removed"
    for path in paths:
        if not chosen.dry_run:
            _remove(path)
        say(f"{word} {path}")
    if not paths:
        say("nothing to remove")
    return 0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        message = f"{path}: not removed: {error.strerror}"
    else:
        return
    raise RunFileError(message)
