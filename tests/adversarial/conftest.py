from __future__ import annotations

from pathlib import Path

import pytest

from pytest_kernelbench.engine.trees import remove

from .runner import Arena, quiet_environment


@pytest.fixture(scope="session")
def arenas(tmp_path_factory):
    """Opens one arena per device, for all cases that do not need their own."""
    opened: dict[str, Arena] = {}
    caches: dict[str, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet_environment().items():
            patch.setenv(name, value)

        def open_arena(device: str) -> Arena:
            if device not in opened:
                caches[device] = tmp_path_factory.mktemp(device)
                opened[device] = Arena(device, caches[device])
            return opened[device]

        yield open_arena
        for device, arena in opened.items():
            arena.close()
            remove(caches[device])  # deeper than pytest, which would later, can walk
