"""``report``: a page to read, made from saved runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_kernelbench.errors import ReportError


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser("report", help="make a page to read from saved runs")
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN.json",
        help="written by --kb-json; of several the newest is on top, the others are "
        "its history",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="PATH",
        help="where to write it (default: report.html)",
    )
    parser.set_defaults(carry_out=_report)


def _report(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.reports.html import write_html  # noqa: PLC0415
    from pytest_kernelbench.runs import read_run  # noqa: PLC0415

    runs = [read_run(path) for path in chosen.runs]
    try:
        write_html(chosen.output, *runs)
    except OSError as error:
        message = f"-o {chosen.output}: not written: {error.strerror}"
    else:
        print(chosen.output)  # noqa: T201
        return 0
    raise ReportError(message)
