"""``report``: a page to read, made from saved runs."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_kernelbench.errors import ReportError, RunFileError

if typing.TYPE_CHECKING:
    from pytest_kernelbench.runs import Run


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser("report", help="make a page to read from saved runs")
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a file that --kb-json wrote, or a saved run's name or number (default: "
        "all saved runs); of each device the newest is on top, the others are history",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="PATH",
        help="where to write it (default: report.html)",
    )
    parser.add_argument(
        "--storage",
        type=Path,
        default=Path(".kernelbench"),
        metavar="DIR",
        help="where runs are kept (default: .kernelbench)",
    )
    parser.set_defaults(carry_out=_report)


def _report(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.reports.html import write_html  # noqa: PLC0415

    runs = list(_runs(chosen.runs, chosen.storage))
    try:
        write_html(chosen.output, *runs)
    except OSError as error:
        message = f"-o {chosen.output}: not written: {error.strerror}"
    else:
        print(chosen.output)  # noqa: T201
        return 0
    raise ReportError(message)


def _runs(names: list[str], storage: Path) -> Iterator[Run]:
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415
    from pytest_kernelbench.runs import read_run  # noqa: PLC0415

    store = Store(storage)
    for name in names or ["*"]:
        if Path(name).is_file():
            yield read_run(Path(name))
        elif name.endswith(".json") and not store.find(name):
            raise RunFileError(f"{name}: no such file")
        else:
            yield from (saved.run for saved in store.named(name))
