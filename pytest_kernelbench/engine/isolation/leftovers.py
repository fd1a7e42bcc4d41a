"""Clears away what a candidate's user has left, where no namespaces end with it.

Root does so as that user, who may end and remove all that is theirs and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from pytest_kernelbench.engine.isolation import linux
from pytest_kernelbench.engine.isolation.trees import remove

_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - where anybody may write
_SEGMENTS = {"shm": linux.remove_shared_memory, "msg": linux.remove_queue}


def clear(user: int) -> None:
    """End every process of a user, and remove their files and shared memory."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            _clear_own(user)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _clear_own(user: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # all that we may end, but not ourselves
    for kind, discard in _SEGMENTS.items():
        lines = Path(f"/proc/sysvipc/{kind}").read_text(encoding="ascii").splitlines()
        column = lines[0].split().index("uid")
        for words in map(str.split, lines[1:]):
            if int(words[column]) == user:
                discard(int(words[1]))
    for place in filter(os.path.isdir, _SHARED):
        for entry in os.scandir(place):
            if entry.stat(follow_symlinks=False).st_uid == user:
                _remove(Path(entry.path))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove(path)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
