"""``compare``: two saved runs against each other."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_kernelbench import values
from pytest_kernelbench.cli.arguments import add_storage, checked
from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.limits import limit

if typing.TYPE_CHECKING:
    from pytest_kernelbench.history.store import Saved, Store
    from pytest_kernelbench.history.two_runs import Compared
    from pytest_kernelbench.model import EvalResult


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    _add_compare(commands.add_parser("compare", help="compare two saved runs"))


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


def _compare(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.cli.tables import say, show  # noqa: PLC0415 - rich
    from pytest_kernelbench.history.store import Store  # noqa: PLC0415
    from pytest_kernelbench.history.two_runs import (  # noqa: PLC0415
        Terms,
        compared,
        shared_obstacles,
    )

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
