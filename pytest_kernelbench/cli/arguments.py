"""Arguments that several commands about saved runs share."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Callable
from pathlib import Path

if typing.TYPE_CHECKING:
    from pytest_kernelbench.history.store import Saved, Store

T = typing.TypeVar("T")


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a number, a name, a glob such as 'NVIDIA*/main*', or a file (default: all)",
    )
    add_storage(parser)


def add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--storage",
        type=Path,
        default=Path(".kernelbench"),
        metavar="DIR",
        help="where runs are kept (default: .kernelbench)",
    )
    # 1 is for what was found out; what was asked wrongly is 2, as for argparse.
    parser.set_defaults(trouble=2)


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of ``values`` as argparse wants it, which keeps only such messages."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            message = str(error)
        raise argparse.ArgumentTypeError(message)

    return parsed


def chosen_runs(store: Store, names: list[str]) -> list[Saved]:
    """
    Raises:
        RunFileError: a name that no run has.
    """
    if not names:
        return store.find()
    found = {saved.path: saved for name in names for saved in store.named(name)}
    return list(found.values())
