"""What GitHub's runner would do with the output of a step.

Written after ``ActionCommand.cs``, ``OutputManager.cs`` and ``FileCommandManager.cs``
of actions/runner at 258d6c857db3: a command is ``::name …::data`` at the start of a
line, or the older ``##[name …]data`` anywhere in it. Characters without width are
skipped where .NET compares text, as the runner does not compare ordinally.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

NAMES = {
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error"),
    *("group", "notice", "remove-matcher", "save-state", "set-env", "set-output"),
    *("stop-commands", "warning"),
}
MOST_OF_A_KIND = 10
SUMMARY_BYTES = 1024 * 1024


class Command(NamedTuple):
    name: str
    properties: dict[str, str]
    data: str


def obeyed(output: str) -> list[Command]:
    """The commands in a step's output that take effect."""
    found: list[Command] = []
    resumes_with = None
    for line in re.split("\r\n|\r|\n", output):
        names = NAMES if resumes_with is None else NAMES | {resumes_with}
        command = _new_form(line, names) or _old_form(line, names)
        if command is None:
            continue
        if resumes_with is not None:
            if command.name == resumes_with:
                resumes_with = None
        elif command.name == "stop-commands":
            resumes_with = command.data
        else:
            found.append(command)
    assert resumes_with is None, "commands were never resumed"
    return found


def _new_form(line: str, names: set[str]) -> Command | None:
    info = re.match(r"\s*::(.*?)::(.*)", _compared(line))
    if info is None:
        return None
    name, _, properties = info[1].partition(" ")
    if name.lower() not in names:
        return None
    pairs = [pair.partition("=") for pair in properties.strip().split(",") if pair]
    read = {key: _read(value, ":,") for key, _, value in pairs}
    return Command(name.lower(), read, _read(info[2], ""))


def _old_form(line: str, names: set[str]) -> Command | None:
    info = re.search(r"##\[([^\]]*)\](.*)", _compared(line))
    if info is None or info[1].partition(" ")[0].lower() not in names:
        return None
    return Command(info[1].partition(" ")[0].lower(), {}, info[2])


def _compared(line: str) -> str:
    """Without what has no weight in a comparison."""
    return "".join(
        char
        for char in line
        if unicodedata.category(char) not in ("Cf", "Mn") and char not in "\u115f\u3164"
    )


def _read(text: str, more: str) -> str:
    for char in f"\r\n{more}%":
        text = text.replace(f"%{ord(char):02X}", char)
    return text


def assigned(file: Path) -> dict[str, str]:
    """What a step's file of outputs says."""
    lines = iter(file.read_text(encoding="utf-8").splitlines())
    found = {}
    for line in lines:
        name, assigns, end = line.partition("<<")
        assert assigns
        value = []
        while (next_line := next(lines)) != end:
            value.append(next_line)
        found[name] = "\n".join(value)
    return found
