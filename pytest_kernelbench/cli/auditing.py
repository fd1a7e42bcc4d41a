"""``audit``: which problems of a source accept kernels that do nothing."""

from __future__ import annotations

import argparse
import fnmatch
import time
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_kernelbench import values
from pytest_kernelbench.errors import KernelBenchError, SettingError

if typing.TYPE_CHECKING:
    from pytest_kernelbench.executors.local import LocalExecutor
    from pytest_kernelbench.model import Audit, Options, Problem

_WIDEST = 60
_CHECKED = {
    "kb_device": values.device,
    "kb_precision": values.choice("fp32", "fp16", "bf16"),
    "kb_tolerance": values.tolerance,
    "kb_timeout": values.positive,
}


class Row(typing.NamedTuple):
    """What became of one problem; either an audit or the reason that there is none."""

    problem: Problem
    audit: Audit | None
    trouble: str
    seconds: float

    @property
    def verdict(self) -> str:
        return "broken" if self.audit is None else self.audit.verdict


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser(
        "audit", help="find problems that accept kernels which do nothing"
    )
    parser.add_argument(
        "--kb-problems",
        action="append",
        default=[],
        metavar="SOURCE",
        help="as for pytest; may repeat (default: the built-in set)",
    )
    parser.add_argument("--only", metavar="GLOB", help="of ids, such as level1/*")
    parser.add_argument("--kb-device", metavar="cpu|cuda|cuda:N")
    parser.add_argument("--kb-precision", metavar="fp32|fp16|bf16", default="fp32")
    parser.add_argument("--kb-tolerance", metavar="TOLERANCE", default="default")
    parser.add_argument(
        "--kb-timeout", metavar="SECONDS", default="120", help="half of it per problem"
    )
    parser.add_argument("--kb-no-cache", action="store_true", help="ask again")
    parser.add_argument(
        "--json", action="store_true", help="one object a line, as they are found"
    )
    parser.add_argument(
        "--fail-unscorable",
        action="store_true",
        help="exit with 1 if a problem is broken or good for no speedup",
    )
    parser.set_defaults(carry_out=_audit, trouble=2)


def _audit(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.executors.local import LocalExecutor  # noqa: PLC0415

    device, options = _asked(chosen)
    problems = _problems(chosen, device)
    show = _json_line if chosen.json else _Table(problems).line
    counts: dict[str, int] = {}
    executor = LocalExecutor()
    try:
        for row in _rows(executor, problems, device, options):
            print(show(row), flush=True)  # noqa: T201
            counts[row.verdict] = counts.get(row.verdict, 0) + 1
    finally:
        executor.close()
    if not chosen.json:
        print(_closing(counts))  # noqa: T201
    bad = counts.get("unscorable", 0) + counts.get("broken", 0)
    return 1 if chosen.fail_unscorable and bad else 0


def _asked(chosen: argparse.Namespace) -> tuple[str, Options]:
    from pytest_kernelbench.executors.gpus import default_device  # noqa: PLC0415
    from pytest_kernelbench.model import Options  # noqa: PLC0415

    found = {name: _checked(name, getattr(chosen, name)) for name in _CHECKED}
    options = Options(
        precision=found["kb_precision"],
        tolerance=found["kb_tolerance"],
        timeout=found["kb_timeout"],
        reuse=not chosen.kb_no_cache,
    )
    return found["kb_device"] or default_device(), options


def _checked(name: str, given: str | None) -> Any:
    try:
        return None if given is None else _CHECKED[name](given)
    except ValueError as error:
        message = f"--{name.replace('_', '-')}: {error}"
    raise SettingError(message)


def _problems(chosen: argparse.Namespace, device: str) -> list[Problem]:
    from pytest_kernelbench.problems.builtin import sized_for  # noqa: PLC0415
    from pytest_kernelbench.problems.library import problems_of  # noqa: PLC0415

    found = [
        sized_for(problem, device)
        for problem in problems_of(chosen.kb_problems, root=Path.cwd())
        if chosen.only is None or fnmatch.fnmatch(problem.id, chosen.only)
    ]
    if not found:
        raise SettingError(f"--only={chosen.only}: no problem has such an id")
    return found


def _rows(
    executor: LocalExecutor, problems: Sequence[Problem], device: str, options: Options
) -> Iterator[Row]:
    """Each as it is found; a problem that cannot be audited ends only its own row."""
    from pytest_kernelbench.text import first_line, printable  # noqa: PLC0415

    for problem in problems:
        started = time.monotonic()
        audit, trouble = None, ""
        try:
            audit = executor.audit(problem, device, options)
        except KernelBenchError as error:
            trouble = printable(first_line(str(error)))
        yield Row(problem, audit, trouble, time.monotonic() - started)


class _Table:
    """Lines of equal columns, each printed when it is known."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        longest = max(len(_name(problem)) for problem in problems)
        self._widths = (min(longest, _WIDEST), 10, 32, 32)
        heads = ("problem", "verdict", "accepts", "cured by", "also passes in")
        print(self._cells(*heads))  # noqa: T201

    def line(self, row: Row) -> str:
        name = _name(row.problem)
        audit = row.audit
        if audit is None:
            return self._cells(name, row.verdict, row.trouble)
        if audit.skipped:
            return self._cells(name, row.verdict, audit.skipped)
        cure = ", ".join(filter(None, (audit.redraw, audit.tolerance)))
        lower = " ".join(audit.precisions)
        return self._cells(name, row.verdict, ", ".join(audit.accepted), cure, lower)

    def _cells(self, *cells: str) -> str:
        widths = (*self._widths, 0)
        name = cells[0][: widths[0]]
        fitted = [f"{c:{w}}" for c, w in zip((name, *cells[1:]), widths, strict=False)]
        return "  ".join(fitted).rstrip()


def _name(problem: Problem) -> str:
    named = problem.id.endswith(problem.name)
    return problem.id if named else f"{problem.id} {problem.name}"


def _closing(counts: dict[str, int]) -> str:
    parts = [f"{count} {word}" for word, count in sorted(counts.items())]
    return f"{sum(counts.values())} problems: {', '.join(parts)}"


def _json_line(row: Row) -> str:
    import msgspec  # noqa: PLC0415 - only for this

    known = {} if row.audit is None else row.audit.to_builtins()
    line = {
        "problem": row.problem.id,
        "name": row.problem.name,
        "verdict": row.verdict,
        "trouble": row.trouble,
        "seconds": round(row.seconds, 3),
        **known,
    }
    return msgspec.json.encode(line).decode()
