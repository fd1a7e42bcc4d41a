"""Everything in a room stopped at once, whatever group it has moved to.

From outside, processes are signalled by the numbers that are found, and who forks or
moves meanwhile is missed. The first process of a room signals all others in one call, which
no fork escapes, and then looks at them in the room's own ``/proc``.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from pytest_kernelbench.engine.channel import Channel, ChannelError, Message

_ANSWER_TIMEOUT = 5.0


class Leash:
    """The controller's end of the line to a room's keeper."""

    def __init__(self, channel: Channel, pid: int) -> None:
        self._channel = channel
        self._leader = _number_inside(pid)

    def stop(self) -> bool:
        """Stop all in the room; False if the keeper cannot."""
        return bool(self._ask(sweep=False).get("stopped"))

    def sweep(self) -> bool:
        """Stop all, and end what is not in the leader's group.

        False if something was found that had to be ended, or had not come to its stop.
        """
        return bool(self._ask(sweep=True).get("clean"))

    def _ask(self, *, sweep: bool) -> Message:
        try:
            self._channel.send({"sweep": sweep, "leader": self._leader})
            return self._channel.receive(_ANSWER_TIMEOUT)
        except ChannelError:  # the room has ended, and all in it
            return {}

    def close(self) -> None:
        self._channel.close()


def _number_inside(pid: int) -> int:
    """The number that a process has in its own namespace."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(status.partition("NSpid:")[2].split("\n")[0].split()[-1])
    return 0


def answered(request: Message) -> Message:
    """What a keeper does about a request."""
    try:
        with contextlib.suppress(ProcessLookupError):  # nobody else is there
            os.kill(-1, signal.SIGSTOP)
    except PermissionError:
        return {"stopped": False, "clean": False}
    return {"stopped": True, "clean": request["sweep"] and _swept(request["leader"])}


def _swept(leader: int) -> bool:
    clean = True
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or entry.name == "1":
            continue
        states = {_state_and_group(Path(task))[0] for task in _tasks(entry.path)}
        if states <= {"Z", "X"}:
            continue
        if _state_and_group(Path(entry.path))[1] != leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
            clean = False
        clean = clean and states <= {"T", "Z", "X"}
    return clean


def _tasks(process: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [task.path for task in os.scandir(f"{process}/task")]
    return []


def _state_and_group(task: Path) -> tuple[str, int]:
    """The letter in ``ps``, ``X`` for who is gone, and the number of the group."""
    try:
        text = (task / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "X", 0
    # The name before them is in parentheses and may hold anything.
    state, _, group = text.rpartition(")")[2].split()[:3]
    return state, int(group)
