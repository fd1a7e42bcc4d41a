"""``pytest-kernelbench``: what is done beside running tests.

Each group of commands is a module with one ``add_commands``; what a command needs
beyond that is imported where it is carried out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from pytest_kernelbench.cli import (
    auditing,
    comparing,
    doctoring,
    following,
    on_github,
    on_modal,
    reporting,
    saved_runs,
    starting,
)
from pytest_kernelbench.errors import KernelBenchError

GROUPS = (
    *(starting, doctoring, auditing, saved_runs, comparing, following),
    *(reporting, on_modal, on_github),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 for success, else 1, with one line on stderr for trouble.

    Trouble is 2 where 1 is an answer, such as that something got worse.
    """
    chosen, rest = _parser().parse_known_args(arguments)
    if rest:  # told with the usage of this command, not with the list of all
        chosen.command.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return _carried_out(chosen)
    except KernelBenchError as error:
        print(f"pytest-kernelbench: {error}", file=sys.stderr)  # noqa: T201
        return int(getattr(chosen, "trouble", 1))
    except BrokenPipeError:  # of ``| head``, which has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130  # as of a program that the signal has killed


def _carried_out(chosen: argparse.Namespace) -> int:
    code = int(chosen.carry_out(chosen))
    sys.stdout.flush()  # while it can still be caught that nobody reads on
    return code


class _Parser(argparse.ArgumentParser):
    """Knows which command it was that the arguments named."""

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self.set_defaults(command=self)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pytest-kernelbench", description="Judge and time GPU kernels with pytest."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add_commands(commands)
    return parser
