"""What timing and memory mean on a device, for both processes that use one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import torch


class Device(Protocol):
    """The few things that differ between a CPU and a GPU."""

    name: str
    torch_device: torch.device

    def start(self, *, cold: bool) -> None:
        """Mark the start of one timed call, after making the caches cold if asked."""

    def stop(self) -> None:
        """Mark its end; whatever stream it left current, work is on ours again."""

    def finish(self) -> list[float]:
        """Wait for all work; return and forget the seconds between the marks."""

    def forget(self) -> None:
        """Drop the marks of a burst that was given up."""

    def free_bytes(self) -> int: ...

    def total_bytes(self) -> int: ...

    def watched_memory(self) -> Callable[[], int]:
        """Watch it from now on; tells the most bytes that were needed at a time."""
        return lambda: 0

    def is_idle(self) -> bool:
        """Whether no other process keeps the device busy right now."""
        return True

    def is_sound(self) -> bool:
        """Whether the device still works for this process."""
        return True

    def release(self) -> None:
        """Give cached memory back."""

    def hoards(self) -> bool:
        """Whether so much memory is cached that others could miss it."""
        return False

    def make_room(self, size: int) -> None:
        """Have memory at hand from which outputs are served without the system."""

    def environment(self) -> dict[str, str]:
        """Versions that a runtime depends on."""
        return {}


_IDLE_SECONDS = 1e-3
"""For three launches and waits, which take 0.03 ms where nobody else is, and more where
another system lies between; a context that has work is given turns of 2 ms."""
_HEAP_BLOCK = 16 << 20
_HEAP_CALLS, _HEAP_LEAST, _HEAP_MOST = 8, 64 << 20, 2 << 30
"""Bytes; the room is for so many calls' inputs and outputs."""


class CpuDevice(Device):
    """Host time; caches are left as they are, because flushing them costs 10 ms."""

    def __init__(self) -> None:
        self.name = _cpu_name()
        self.torch_device = torch.device("cpu")
        self._started = 0.0
        self._seconds: list[float] = []

    def start(self, *, cold: bool) -> None:  # noqa: ARG002 - see the class
        self._started = time.perf_counter()

    def stop(self) -> None:
        self._seconds.append(time.perf_counter() - self._started)

    def finish(self) -> list[float]:
        seconds, self._seconds = self._seconds, []
        return seconds

    def forget(self) -> None:
        self._seconds = []

    def free_bytes(self) -> int:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def total_bytes(self) -> int:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def release(self) -> None:
        pass

    def make_room(self, size: int) -> None:
        # malloc maps large blocks afresh, and faults in each page, unless its heap has
        # a hole of that size. A process that has computed much has one, a fresh one has
        # not: seen to make equal kernels differ threefold. Blocks below the threshold
        # grow the heap, and their neighbours join when they are freed.
        count = min(max(_HEAP_CALLS * size, _HEAP_LEAST), _HEAP_MOST) // _HEAP_BLOCK
        blocks = [torch.empty(_HEAP_BLOCK, dtype=torch.uint8) for _ in range(count)]
        del blocks

    def environment(self) -> dict[str, str]:
        return {
            "torch": torch.__version__,
            "threads": str(torch.get_num_threads()),
        }


_Marks = tuple[torch.cuda.Event, torch.cuda.Event]


class CudaDevice(Device):
    """Events on one stream, behind a flush that also keeps the launch queue full."""

    def __init__(self) -> None:
        torch.cuda.init()
        properties: Any = torch.cuda.get_device_properties(0)
        self.name = str(properties.name)
        self.torch_device = torch.device("cuda", 0)
        self._stream = torch.cuda.current_stream()
        self._marks: list[_Marks] = []
        self._spare: list[_Marks] = []
        self._driver = ctypes.CDLL("libcuda.so.1")
        # Three times the L2 so that it evicts, and never less than what Triton's
        # do_bench writes, so that its numbers and ours compare.
        self._flush_bytes = max(3 * int(properties.L2_cache_size), 256 << 20)
        self._flush: torch.Tensor | None = None

    def _flush_buffer(self) -> torch.Tensor:
        if self._flush is None:
            self._flush = torch.empty(
                self._flush_bytes, dtype=torch.int8, device=self.torch_device
            )
        return self._flush

    def start(self, *, cold: bool) -> None:
        torch.cuda.set_stream(self._stream)  # a constructor may have left another
        if cold:
            self._flush_buffer().zero_()
        begin, end = self._spare.pop() if self._spare else _new_marks()
        self._marks.append((begin, end))
        begin.record(self._stream)

    def stop(self) -> None:
        self._marks[-1][1].record(self._stream)
        torch.cuda.set_stream(self._stream)

    def finish(self) -> list[float]:
        torch.cuda.synchronize()
        marks, self._marks = self._marks, []
        if self._flush is not None:
            # A fill does not evict lines that a kernel declared persisting.
            self._driver.cuCtxResetPersistingL2Cache()
        self._spare += marks
        return [begin.elapsed_time(end) * 1e-3 for begin, end in marks]

    def forget(self) -> None:
        self._marks = []

    def is_idle(self) -> bool:
        # A context that has work is given the device in turns of milliseconds, so
        # that our own work waits for its end.
        probe = torch.empty(1, device=self.torch_device)
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(3):
            probe.zero_()
            torch.cuda.synchronize()
        return time.perf_counter() - started < _IDLE_SECONDS

    def is_sound(self) -> bool:
        try:
            torch.zeros(1, device=self.torch_device)
            torch.cuda.synchronize()
        except RuntimeError:
            return False
        return True

    def free_bytes(self) -> int:
        free, _ = torch.cuda.mem_get_info()
        reusable = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(free + reusable)

    def total_bytes(self) -> int:
        return int(torch.cuda.mem_get_info()[1])

    def watched_memory(self) -> Callable[[], int]:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return lambda: torch.cuda.max_memory_allocated() - before

    def release(self) -> None:
        torch.cuda.empty_cache()

    def hoards(self) -> bool:
        cached = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return cached > self.total_bytes() // 8

    def make_room(self, size: int) -> None:
        pass  # torch's caching allocator keeps what it has had

    def environment(self) -> dict[str, str]:
        capability = ".".join(map(str, torch.cuda.get_device_capability()))
        return {
            "torch": torch.__version__,
            "cuda": str(torch.version.cuda),
            "capability": capability,
            **driver_version(),
            **_triton_version(),
        }


def _new_marks() -> _Marks:
    return torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)


def open_device(name: str) -> Device:
    """``cpu`` or ``cuda``; which GPU is decided by ``CUDA_VISIBLE_DEVICES``."""
    return CpuDevice() if name == "cpu" else CudaDevice()


def driver_version(
    file: Path = Path("/proc/driver/nvidia/version"),
) -> dict[str, str]:
    """Of NVIDIA's kernel module; nothing where it does not say."""
    with contextlib.suppress(OSError):
        text = file.read_text(encoding="utf-8")
        if found := re.search(r"\b\d+\.\d+(?:\.\d+)?\b", text):
            return {"driver": found[0]}
    return {}


def _triton_version() -> dict[str, str]:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return {"triton": metadata.version("triton")}
    return {}


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "CPU"
