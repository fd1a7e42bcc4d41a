"""``github``: what a workflow calls, so that its YAML stays thin."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from pytest_kernelbench.errors import GitHubError


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser("github", help="what a workflow of GitHub calls")
    under = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(under.add_parser("run", help="run pytest and report"))
    _add_report(under.add_parser("report", help="report a run that was saved"))
    _add_comment(under.add_parser("comment", help="write or update a comment"))
    _add_take(under.add_parser("take", help="take the kernels of a commit, as data"))


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="-- WORD", help="pytest's command line"
    )
    parser.add_argument(
        "--words", dest="line", default="", help="more of it, as a shell would split it"
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=Path("kernelbench-reports"),
        metavar="DIR",
        help="where run.json and comment.md are written (default: kernelbench-reports)",
    )
    _add_key(parser)
    parser.set_defaults(carry_out=_run)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN.json", help="from --kb-json")
    parser.add_argument(
        "--comment", type=Path, metavar="PATH", help="also write a comment's body"
    )
    _add_key(parser)
    parser.set_defaults(carry_out=_report)


def _add_comment(parser: argparse.ArgumentParser) -> None:
    from pytest_kernelbench.github.comments import ACTIONS_BOT  # noqa: PLC0415

    parser.add_argument("body", type=Path, metavar="BODY.md")
    parser.add_argument(
        "--pull-request",
        type=int,
        metavar="N",
        help="on which (default: that of the job's event)",
    )
    parser.add_argument(
        "--author",
        default=ACTIONS_BOT,
        metavar="LOGIN",
        help=f"whose token $GITHUB_TOKEN is (default: {ACTIONS_BOT})",
    )
    parser.set_defaults(carry_out=_comment)


def _add_take(parser: argparse.ArgumentParser) -> None:
    from pytest_kernelbench.options import KERNEL_FILES  # noqa: PLC0415

    parser.add_argument("commit", help="already fetched, by its full hash")
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument(
        "--files",
        action="append",
        metavar="PATTERN",
        help="as kb_files; may repeat (default: " + " ".join(KERNEL_FILES) + ")",
    )
    parser.set_defaults(carry_out=_take)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        default="",
        metavar="TEXT",
        help="tells comments from one another (default: workflow and job)",
    )


def _run(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.github.step import evaluate  # noqa: PLC0415

    try:
        words = [*shlex.split(chosen.line), *chosen.words]
        return evaluate(words, chosen.reports, os.environ, chosen.key)
    except ValueError as error:
        message = f"--words: {error}: {chosen.line}"
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
    raise GitHubError(message)


def _report(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.github.step import report  # noqa: PLC0415
    from pytest_kernelbench.runs import read_run  # noqa: PLC0415

    files = {} if chosen.comment is None else {"comment": chosen.comment}
    run = read_run(chosen.run)
    try:
        report(run, os.environ, files=files, key=chosen.key)
    except OSError as error:
        message = f"{error.filename}: not written: {error.strerror}"
    else:
        return 0
    raise GitHubError(message)


def _comment(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.github.comments import PullRequest  # noqa: PLC0415

    try:
        body = chosen.body.read_text(encoding="utf-8")
    except OSError as error:
        message = f"{chosen.body}: {error.strerror}"
    else:
        place = PullRequest.of(os.environ, chosen.pull_request)
        print(place.write(body, chosen.author))  # noqa: T201
        return 0
    raise GitHubError(message)


def _take(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.github.taking import take  # noqa: PLC0415
    from pytest_kernelbench.options import KERNEL_FILES  # noqa: PLC0415
    from pytest_kernelbench.outcomes import escaped  # noqa: PLC0415

    said = {"take": "took", "drop": "dropped", "leave": "left"}
    try:
        steps = take(chosen.commit, chosen.folders, chosen.files or KERNEL_FILES)
    except OSError as error:
        message = f"{error.filename}: not replaced: {error.strerror}"
    else:
        for step in steps:
            print(f"{said[step.does]} {escaped(step.path)}")  # noqa: T201
        return 0
    raise GitHubError(message)
