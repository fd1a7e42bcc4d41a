"""Builds beside each other, or a timing in silence: on a CPU the two alternate."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Quiet:
    """Many may be noisy at once; silence waits for all of them and keeps new ones out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._noisy = 0
        self._silent = False

    @contextlib.contextmanager
    def noise(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._silent)
            self._noisy += 1
        try:
            yield
        finally:
            with self._changed:
                self._noisy -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._silent)
            self._silent = True
            self._changed.wait_for(lambda: self._noisy == 0)
        try:
            yield
        finally:
            with self._changed:
                self._silent = False
                self._changed.notify_all()
