from __future__ import annotations

import contextlib

import pytest

from .runner import Arena, open_arena, quiet_environment


@pytest.fixture(scope="session")
def arenas():
    """Opens one arena per device, for all cases that do not need their own."""
    opened: dict[str, Arena] = {}
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        for name, value in quiet_environment().items():
            patch.setenv(name, value)

        def arena_for(device: str) -> Arena:
            if device not in opened:
                opened[device] = stack.enter_context(open_arena(device))
            return opened[device]

        yield arena_for
