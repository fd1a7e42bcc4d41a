"""Look at cores, load, memory, disk and rights."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest_kernelbench
from pytest_kernelbench.doctor.facts import Host, Isolation, Store
from pytest_kernelbench.doctor.programs import tried
from pytest_kernelbench.engine.building.cache import default_cache_root
from pytest_kernelbench.executors.gpus import visible_gpus
from pytest_kernelbench.journal import obstacle
from pytest_kernelbench.text import printable

_SECONDS = 60
_ASK_FOR_ROOMS = (
    "import os; from pytest_kernelbench.engine.isolation.rooms import why_no_rooms;"
    "print(why_no_rooms(os.environ) or '')"
)


def host() -> Host:
    return Host(
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        is_linux=sys.platform == "linux",
        cores=_cores(),
        quota=_quota(),
        load=_load(),
        governors=_governors(),
        stolen=_stolen(_read("/proc/stat")),
        memory=_memory(_read("/proc/meminfo")),
    )


def _read(path: str | Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return Path(path).read_text(encoding="utf-8")
    return ""


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota() -> float | None:
    """What the control group allows, in its second or its first version."""
    allowed, _, period = _read("/sys/fs/cgroup/cpu.max").strip().partition(" ")
    if not period:
        allowed = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").strip()
        period = _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us").strip()
    if allowed.isdecimal() and period.isdecimal() and int(period):
        return int(allowed) / int(period)
    return None


def _load() -> float | None:
    with contextlib.suppress(OSError):
        return os.getloadavg()[0]
    return None


def _governors() -> tuple[str, ...]:
    root = Path("/sys/devices/system/cpu")
    found = {_read(p).strip() for p in root.glob("cpu*/cpufreq/scaling_governor")}
    return tuple(sorted(found - {""}))


def _stolen(stat: str) -> float | None:
    """From the first line of ``/proc/stat``; guests are counted in user and nice."""
    ticks = [int(word) for word in stat.partition("\n")[0].split()[1:9]]
    total = sum(ticks)
    return ticks[7] / total if len(ticks) == 8 and total > 0 else None


def _memory(meminfo: str) -> int | None:
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return None


def store() -> Store:
    root = default_cache_root() / "builds"
    there = next(path for path in (root, *root.parents) if path.exists())
    disk = os.statvfs(there)
    return Store(
        path=printable(str(root)),
        obstacle=obstacle(root / "any"),
        free=disk.f_bavail * disk.f_frsize,
        runs_code=not disk.f_flag & getattr(os, "ST_NOEXEC", 0),  # Linux has it
    )


def isolation() -> Isolation:
    """What the launcher of kernels would find."""
    missing = _why_no_rooms()
    if not missing:
        return Isolation(level="L2", why="each kernel runs in namespaces of its own")
    if os.geteuid() != 0:
        why = f"a kernel is a process of yours, with your rights: {printable(missing)}"
        mend = "for L2, allow ordinary users namespaces, or run as root in a container"
        return Isolation(level="L1", why=why, mend=mend)
    for path in _needed():
        closed = _closed_to_others(path)
        if closed is not None:
            why = f"other users cannot read {printable(str(closed))}"
            mend = "for L2, install and run where they can (chmod o+rx)"
            return Isolation(level="L1", why=why, mend=mend)
    return Isolation(level="L2", why="each kernel runs as a user of its own")


def _why_no_rooms() -> str:
    """Asked as the engine asks, with the device that it would use."""
    device = next((gpu.uuid for gpu in visible_gpus()), "")
    words = ("-c", _ASK_FOR_ROOMS)
    said, trouble = tried(*words, seconds=_SECONDS, CUDA_VISIBLE_DEVICES=device)
    return said if trouble is None else trouble


def _needed() -> Iterator[Path]:
    """What a kernel's process reads, or finds its directories in."""
    yield Path(sys.executable).resolve()
    yield Path(str(pytest_kernelbench.__file__))
    torch = importlib.util.find_spec("torch")
    if torch is not None and torch.origin is not None:
        yield Path(torch.origin)
    yield default_cache_root() / "builds"
    yield Path(tempfile.gettempdir()) / "any"


def _closed_to_others(path: Path) -> Path | None:
    for above in path.resolve().parents:
        with contextlib.suppress(OSError):
            if not above.stat().st_mode & 0o001:
                return above
    return None
