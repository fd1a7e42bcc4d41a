"""Registers, spills, shared memory and occupancy of what was compiled for a kernel.

Asked when the kernel's process is dead and the device is given back, so that it is on
nobody's clock. The files are the kernel's: they are read in a fresh process that is
kept apart just as the kernel was, and what that says is checked like any message of a
kernel. Nothing is judged by it: a kernel that wants to may leave other files behind.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pytest_kernelbench.engine.building.occupancy import occupancy
from pytest_kernelbench.engine.building.resources import compiled_below
from pytest_kernelbench.engine.channel import ChannelError
from pytest_kernelbench.engine.isolation.launcher import CandidateLauncher
from pytest_kernelbench.engine.isolation.sandbox import private_directory
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.model import Resources
from pytest_kernelbench.text import first_line

_SECONDS = 20.0
_LONGEST_NAME = 120
_LARGEST = 1 << 31


def inspected(
    build: Path, launcher: CandidateLauncher, capability: str
) -> tuple[Resources, ...]:
    """What compilers left in a build directory; empty if that cannot be told.

    Args:
        build: the directory; nobody else may be using it.
        launcher: keeps the process that looks apart.
        capability: of the device, such as ``9.0``.
    """
    target = re.fullmatch(r"(\d+)\.(\d+)", capability)
    if target is None or not compiled_below(build):  # their names are read, no more
        return ()
    try:
        with private_directory() as private:
            process = launcher.launch(private, [build], {})
            try:
                process.channel.send({"do": "resources", "path": str(build)})
                reply = process.channel.receive(_SECONDS)
            finally:
                process.kill()
    except (ExecutorError, ChannelError):
        return ()
    return understood(reply.get("usages"), (int(target[1]), int(target[2])))


def understood(usages: Any, capability: tuple[int, int]) -> tuple[Resources, ...]:
    """Those for this device, or for the newest that there are."""
    if not isinstance(usages, list):
        return ()
    sound = [usage for usage in usages if _is_sound(usage)]
    newest = max((usage["architecture"] for usage in sound), default=0)
    wanted = capability[0] * 10 + capability[1]
    if all(usage["architecture"] != wanted for usage in sound):
        wanted = newest
    return tuple(
        _resources(usage, capability)
        for usage in sound
        if usage["architecture"] == wanted
    )


def _is_sound(usage: Any) -> bool:
    if not isinstance(usage, dict) or not isinstance(usage.get("name"), str):
        return False
    numbers = [
        usage.get(key) for key in ("architecture", "registers", "spilled", "shared")
    ]
    if usage.get("threads") is not None:
        numbers.append(usage["threads"])
    return all(type(number) is int and 0 <= number < _LARGEST for number in numbers)


def _resources(usage: dict[str, Any], capability: tuple[int, int]) -> Resources:
    return Resources(
        function=first_line(usage["name"])[:_LONGEST_NAME],
        registers=usage["registers"],
        spilled_bytes=usage["spilled"],
        shared_bytes=usage["shared"],
        occupancy=occupancy(
            capability,
            registers=usage["registers"],
            shared=usage["shared"],
            threads=usage.get("threads"),
        ),
    )
