"""``report``: a page to read, made from saved runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_kernelbench.cli.arguments import add_runs, chosen_runs
from pytest_kernelbench.errors import ReportError, RunFileError


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser(
        "report",
        help="make a page to read from saved runs",
        description="Of each device, the newest run is on top and all are its history.",
    )
    add_runs(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="PATH",
        help="default: report.html",
    )
    parser.set_defaults(carry_out=_report)


def _report(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415
    from pytest_kernelbench.reports.html import write_html  # noqa: PLC0415

    store = Store(chosen.storage)
    saved = chosen_runs(store, chosen.runs)
    if not saved:
        raise RunFileError(store.missing("*"))
    try:
        write_html(chosen.output, *(one.run for one in saved))
    except OSError as error:
        message = f"-o {chosen.output}: not written: {error.strerror}"
    else:
        print(chosen.output)  # noqa: T201
        return 0
    raise ReportError(message)
