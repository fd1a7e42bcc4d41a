"""``deploy`` and ``status``: the evaluator as an app that stays on Modal."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    _add_deploy(commands.add_parser("deploy", help="put the evaluator on Modal"))
    _add_status(commands.add_parser("status", help="look at what is on Modal"))


def _add_deploy(parser: argparse.ArgumentParser) -> None:
    _add_app(parser)
    parser.add_argument(
        "--with",
        dest="extra",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help="also install this in the image, such as tilelang==0.1.6; may repeat",
    )
    parser.set_defaults(carry_out=_deploy)


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_app(parser)
    parser.set_defaults(carry_out=_status)


def _add_app(parser: argparse.ArgumentParser) -> None:
    name = "pytest-kernelbench"
    parser.add_argument("--name", default=name, help=f"of the app (default: {name})")
    parser.add_argument("--environment", help="Modal's environment, if not the default")


def _deploy(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.executors.modal_deployment import (  # noqa: PLC0415
        deploy,  # a second to import
    )
    from pytest_kernelbench.executors.modal_image import Recipe  # noqa: PLC0415

    status = deploy(
        chosen.name,
        environment=chosen.environment,
        recipe=Recipe(extra=tuple(chosen.extra)),
        show_progress=True,
    )
    print(f"deployed '{status.name}', version {status.deployed}")  # noqa: T201
    return 0


def _status(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.executors.modal_deployment import (  # noqa: PLC0415
        status,
    )

    found = status(chosen.name, environment=chosen.environment)
    lines = {
        "server": found.server,
        "here": found.here,
        f"'{found.name}'": found.deployed or "not deployed",
        "usable": "yes" if found.usable else "no: run `pytest-kernelbench deploy`",
    }
    for name, value in lines.items():
        print(f"{name:22} {value}")  # noqa: T201
    return 0 if found.usable else 1
