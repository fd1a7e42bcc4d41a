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

    def __init__(self, channel: Channel, leader: int) -> None:
        self._channel = channel
        self._leader = leader

    def stop(self) -> None:
        """Stop all in the room; whether all stands still is for ``sweep`` to say."""
        self._ask(sweep=False)

    def sweep(self) -> bool:
        """Stop all, and end what is not in the leader's group.

        False if something was found that had to be ended, or had not come to its stop.
        """
        return self._ask(sweep=True)

    def _ask(self, *, sweep: bool) -> bool:
        try:
            self._channel.send({"sweep": sweep, "leader": self._leader})
            return bool(self._channel.receive(_ANSWER_TIMEOUT)["clean"])
        except ChannelError:  # the room has ended, or somebody keeps its keeper waiting
            return False

    def close(self) -> None:
        self._channel.close()


def number_inside(pid: int) -> int | None:
    """The number of a process in its own namespace; None where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None


def answered(request: Message) -> Message:
    """What a keeper does about a request."""
    assert os.getpid() == 1  # or this would stop all there is
    # Where it may signal nobody, nothing stands still.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(-1, signal.SIGSTOP)
    return {"clean": request["sweep"] and _swept(request["leader"])}


def _swept(leader: int) -> bool:
    clean = True
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or entry.name == "1":
            continue
        states = {state_and_group(Path(task))[0] for task in _tasks(entry.path)}
        if states <= {"Z", "X"}:
            continue
        if state_and_group(Path(entry.path))[1] != leader:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal.SIGKILL)
            clean = False
        clean = clean and states <= {"T", "Z", "X"}
    return clean


def _tasks(process: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [task.path for task in os.scandir(f"{process}/task")]
    return []


def state_and_group(task: Path) -> tuple[str, int]:
    """Of a process or thread the letter in ``ps``, ``X`` if it is gone, and the group."""
    try:
        text = (task / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "X", 0
    # The name before them is in parentheses and may hold anything.
    state, _, group = text.rpartition(")")[2].split()[:3]
    return state, int(group)
