"""``doctor``: what would distort or prevent measuring here, and how to mend it."""

from __future__ import annotations

import argparse
import sys
import typing
from typing import Any

if typing.TYPE_CHECKING:
    from pytest_kernelbench.doctor.facts import Facts
    from pytest_kernelbench.doctor.findings import Diagnosis

_INDENT = " " * 7


def add_commands(commands: Any) -> None:
    """Add to what ``argparse.ArgumentParser.add_subparsers`` returns."""
    parser = commands.add_parser(
        "doctor", help="say what would distort or prevent measuring here"
    )
    parser.add_argument(
        "place",
        nargs="?",
        choices=("cpu", "cuda", "modal"),
        help="where measuring must work (default: where pytest without options would)",
    )
    parser.add_argument(
        "--json", action="store_true", help="findings and facts, for other programs"
    )
    parser.set_defaults(carry_out=_doctor)


def _doctor(chosen: argparse.Namespace) -> int:
    from pytest_kernelbench.doctor import gather, judge  # noqa: PLC0415 - looks around

    facts = gather()
    diagnosis = judge(facts, chosen.place)
    if chosen.json:
        sys.stdout.buffer.write(_document(facts, diagnosis) + b"\n")
    else:
        print("\n".join(_lines(diagnosis)))  # noqa: T201
    return 1 if diagnosis.is_prevented else 0


def _lines(diagnosis: Diagnosis) -> list[str]:
    """A line for each finding, and one below it for what can be done."""
    lines = []
    for finding in diagnosis.findings:
        level = diagnosis.level(finding)
        lines.append(f"{level:4}   {finding.topic}: {finding.what}")
        if finding.mend:
            lines.append(f"{_INDENT}→ {finding.mend}")
    return [*lines, "", _closing(diagnosis)]


def _closing(diagnosis: Diagnosis) -> str:
    warnings = diagnosis.count("warn")
    counted = f"{warnings} warning{'' if warnings == 1 else 's'}"
    works = ", ".join(diagnosis.works) or "nowhere"
    if diagnosis.is_prevented:
        counted += f" · nothing can be measured on {diagnosis.wanted}"
    return f"works: {works} · {counted}"


def _document(facts: Facts, diagnosis: Diagnosis) -> bytes:
    import msgspec  # noqa: PLC0415 - only for this

    findings = [
        {
            "topic": finding.topic,
            "level": diagnosis.level(finding),
            "what": finding.what,
            "mend": finding.mend,
            "prevents": sorted(finding.prevents),
        }
        for finding in diagnosis.findings
    ]
    whole = {
        "schema": 1,
        "wanted": diagnosis.wanted,
        "works": diagnosis.works,
        "findings": findings,
        "facts": facts,
    }
    return msgspec.json.format(msgspec.json.encode(whole))
