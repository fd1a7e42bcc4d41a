"""``init``: what a repository needs to begin with."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

_SAID = {"write": "wrote", "append": "added to", "keep": "kept"}
_FORETOLD = {"write": "would write", "append": "would add to", "keep": "would keep"}


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser(
        "init", help="write settings, an example kernel and a workflow"
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        default=Path(),
        help="where (default: here); nothing that is there is overwritten",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be written"
    )
    parser.set_defaults(carry_out=_init)


def _init(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench import scaffold  # noqa: PLC0415 - reads files

    words = _FORETOLD if chosen.dry_run else _SAID
    for step in scaffold.plan(chosen.directory):
        if step.does != "keep" and not chosen.dry_run:
            scaffold.carry_out(step)
        remark = f": {step.remark}" if step.remark else ""
        print(f"{words[step.does]} {_shown(step.path)}{remark}")  # noqa: T201
    print(f"next: pytest {_shown(chosen.directory / 'kernels')}")  # noqa: T201
    return 0


def _shown(path: Path) -> str:
    return os.path.relpath(path)
