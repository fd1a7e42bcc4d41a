"""What a candidate gives up before the first line of its kernel runs.

Limits are for kernels that go astray, and far from what an honest one needs. Never on
the address space: CUDA reserves more of that than any machine has memory.
"""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

from pytest_kernelbench.engine.isolation import linux

_PROCESSES = 8192
"""Threads, too; a build on a large machine has some hundreds."""
_FILE_BYTES = 64 << 30


def confine(user: int | None, *, counted: bool, cuda: bool) -> None:
    """Limit this process, and take all rights but those of an ordinary user from it.

    Args:
        user: Whom to become.
        counted: Whether its processes are counted apart from everybody else's.
        cuda: Whether it is for a GPU.
    """
    os.umask(0o077)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    if counted:
        _limit(resource.RLIMIT_NPROC, _PROCESSES)
    if not cuda:  # whose driver's mappings are beyond us
        _limit(resource.RLIMIT_DATA, _physical_memory())
    with contextlib.suppress(OSError):  # let the system end it before all others
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    linux.drop_capabilities()


def _limit(kind: int, most: int) -> None:
    _, already = resource.getrlimit(kind)
    if already != resource.RLIM_INFINITY:
        most = min(most, already)
    resource.setrlimit(kind, (most, most))


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
