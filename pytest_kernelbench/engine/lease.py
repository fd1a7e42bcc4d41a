"""Whose turn a device is: a file lock per device, shared by all sessions of a user.

Waiting always comes to an end. A kernel that takes the lock for itself is told from
another session by its process; a session that never gives it back is named.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from pytest_kernelbench.engine.building.cache import locked
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.text import printable

_PATIENCE = 1800.0
"""Seconds that one turn of another session may last."""


class Lease:
    """The lock of one device."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("a")
        self._turn = 0
        self._since = time.monotonic()

    def taken(self) -> bool:
        """Take it if nobody has it."""
        if not locked(self._file):
            return False
        os.utime(self._path)  # a new turn: others see that there is progress
        return True

    def holder(self) -> int | None:
        """The process that has it, as far as that can be told."""
        status = os.fstat(self._file.fileno())
        name = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
        wanted = f"{name}:{status.st_ino}"
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[1:2] == ["FLOCK"] and wanted in words:
                return int(words[4])
        return None

    def require_progress(self) -> None:
        """Wait no longer for a turn that does not end.

        Raises:
            ExecutorError: names who has the device.
        """
        now, turn = time.monotonic(), self._path.stat().st_mtime_ns
        if turn != self._turn:
            self._turn, self._since = turn, now
        if now - self._since > _PATIENCE:
            holder = self.holder()
            raise ExecutorError(
                f"process {holder} ({_name(holder)}) has had the device for "
                f"{_PATIENCE / 60:.0f} minutes ({self._path.name}): end that process, "
                "or run again when it is done"
            )

    def close(self) -> None:
        """Give it back, or wait for it no longer."""
        self._file.close()


def lease_path(device: str) -> Path:
    """Where the lock of a device is.

    Raises:
        ExecutorError: somebody else has made the directory, and could take every turn.
    """
    directory = Path(tempfile.gettempdir()) / f"pytest-kernelbench-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.lstat().st_uid != os.getuid():
        raise ExecutorError(f"{directory} belongs to another user: remove it")
    return directory / f"{device}.lease"


def _name(process: int | None) -> str:
    try:
        return printable(
            Path(f"/proc/{process}/comm").read_text("utf-8", "replace").strip()
        )
    except OSError:
        return "not to be seen"
