"""How many builds may go on at once: as many as cores and memory are free for.

A build with torch's own headers takes up to three gigabytes, and the compilers of a
build that fell back were not foreseen, so each is given that much. What is timed on a
GPU meanwhile keeps two cores for the processes that launch it. One build may always go
on, or a machine that is full would build nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_BUILD_BYTES = 3 << 30
_CORES_OF_TIMING = 2
_GROWTH = 15.0
"""Seconds after which the memory that a build takes is seen as taken."""
_PAUSE = 0.5
"""Seconds after which memory is looked at again."""


def free_memory() -> int:
    """Bytes that processes can still take, here and in our control group."""
    free = [_of_machine(), _of_group(Path("/sys/fs/cgroup"))]
    return min(size for size in free if size is not None)


def _of_machine() -> int:
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    (line,) = (line for line in text.splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) << 10


def _of_group(group: Path) -> int | None:
    """What a limit of the control group leaves; None without one."""
    with contextlib.suppress(OSError, ValueError):
        most = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        return max(most - used, 0)
    return None


class BuildRoom:
    """Room for builds; the mutable state is when those that go on began."""

    def __init__(
        self, cores: int | None = None, free: Callable[[], int] = free_memory
    ) -> None:
        self.cores = cores or len(os.sched_getaffinity(0))
        self.most = max(1, self.cores - _CORES_OF_TIMING)
        """Beside a GPU that is timed."""
        self._free = free
        self._changed = threading.Condition()
        self._started: list[float] = []

    @contextlib.contextmanager
    def taken(self, *, beside_timing: bool) -> Iterator[None]:
        """Wait for room, and hold it."""
        most = self.most if beside_timing else self.cores
        with self._changed:
            while not self._admits(most):
                self._changed.wait(timeout=_PAUSE)
            started = time.monotonic()
            self._started.append(started)
        try:
            yield
        finally:
            with self._changed:
                self._started.remove(started)
                self._changed.notify_all()

    def _admits(self, most: int) -> bool:
        if not self._started:
            return True
        if len(self._started) >= most:
            return False
        grown = time.monotonic() - _GROWTH
        unseen = sum(started > grown for started in self._started)
        return self._free() >= _BUILD_BYTES * (unseen + 1)
