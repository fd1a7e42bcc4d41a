"""Text of strangers: what a kernel printed or raised, made harmless to show."""

from __future__ import annotations

import re

_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)?"
)
# A CI service's log is read for commands: GitHub's runner takes ``::error::`` at the
# start of a line and ``##[error]`` anywhere in it, and its comparison skips characters
# that have no width (actions/runner, ActionCommand.cs).
_COMMAND_AT_START = re.compile(r"^([^!-~\n]*)(:[^ -~\n]*:)", re.MULTILINE)
_COMMAND_ANYWHERE = re.compile(r"(#[^ -~\n]*#[^ -~\n]*)\[")
_LONGEST_LINE = 300


def printable(text: str) -> str:
    """Without escape sequences; other control characters are shown, not sent.

    What a CI service would take for a command has a backslash in it.
    """
    plain = _ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    shown = "".join(
        char if char.isprintable() or char in "\n\t" else repr(char)[1:-1]
        for char in plain
    )
    quoted = _COMMAND_AT_START.sub(r"\1\\\2", shown)
    return _COMMAND_ANYWHERE.sub(r"\1\\[", quoted)


def first_line(text: str) -> str:
    """The first line that says something, for a message of one line."""
    lines = printable(text).strip().splitlines() or [""]
    return lines[0][:_LONGEST_LINE]
