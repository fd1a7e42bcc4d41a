"""As many builds at once as cores and memory are free for, and never none."""

from __future__ import annotations

import contextlib
import threading

import pytest

from pytest_kernelbench.executors.room import BuildRoom, free_memory

GIGABYTE = 1 << 30


def entered(room: BuildRoom, wanted: int, *, beside_timing: bool) -> int:
    """How many of those who want to build may, while none of them ends."""
    done = threading.Event()
    inside = threading.Semaphore(0)

    def build() -> None:
        with room.taken(beside_timing=beside_timing):
            inside.release()
            done.wait(20)

    threads = [threading.Thread(target=build) for _ in range(wanted)]
    for thread in threads:
        thread.start()
    count = 0
    while inside.acquire(timeout=0.2):
        count += 1
    done.set()
    for thread in threads:
        thread.join(20)
    return count


@pytest.mark.parametrize(
    ("cores", "gigabytes", "beside_timing", "most"),
    [
        (16, 1000, True, 14),
        (4, 1000, True, 2),
        (4, 1000, False, 4),
        (2, 1000, True, 1),
        (1, 1000, True, 1),
        (16, 10, True, 3),
        (16, 0, True, 1),
        (2, 0, False, 1),
    ],
)
def test_builds_go_on_at_once(cores, gigabytes, beside_timing, most):
    room = BuildRoom(cores, lambda: gigabytes * GIGABYTE)
    assert entered(room, 20, beside_timing=beside_timing) == most


def test_who_waits_goes_on_when_another_has_failed():
    room = BuildRoom(1)
    with contextlib.suppress(RuntimeError), room.taken(beside_timing=False):
        raise RuntimeError
    assert entered(room, 1, beside_timing=False) == 1


def test_memory_here_is_told():
    assert free_memory() > 0
