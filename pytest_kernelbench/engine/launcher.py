"""Starts candidates: forks of a warm process, as a user of their own where possible.

A candidate under another user cannot signal, trace, slow down or read the processes
that judge it, nor another kernel's builds: that is assurance L2. It takes root to
become another user, and an installation that other users can read; otherwise the
candidate is a process of ours with nothing but its own address space (L1).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pytest_kernelbench.engine.channel import ChannelError, Message, channel_pair
from pytest_kernelbench.engine.sandbox import (
    START_TIMEOUT,
    Output,
    Sandboxed,
    Worker,
    children_of,
)
from pytest_kernelbench.engine.trees import entries_below
from pytest_kernelbench.errors import ExecutorError

_FIRST_USER, _USERS = 61_000, 4_000
"""User ids that belong to nobody; Debian reserves 60000-64999 for such use."""


class CandidateLauncher:
    """Forks candidates from a warm process, which is started when first needed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._server: Worker | None = None
        self._running: dict[int, Sandboxed] = {}
        # Ends that were reported before the launch had registered the candidate.
        self._codes: dict[int, int] = {}
        self._closed = False
        self._can_drop = False
        self._launches = 0
        self._users = itertools.count()

    def start(self) -> None:
        """Start the warm process, or wait until another thread has."""
        with self._lock:
            self._start()

    def _start(self) -> Worker:
        if self._closed:
            raise ExecutorError("the executor was closed")
        if self._server is None:
            server = Worker("pytest_kernelbench.engine.forkserver", self._environment)
            self._can_drop = bool(server.wait_ready()["can_drop"])
            self._server = server
            threading.Thread(
                target=self._listen,
                args=(server,),
                name="kernelbench-forks",
                daemon=True,
            ).start()
        return self._server

    def launch(
        self, private: Path, owned: Sequence[Path], environment: Mapping[str, str]
    ) -> Sandboxed:
        """Fork a candidate.

        Args:
            private: a directory for its home and temporary files.
            owned: what else it may write.
            environment: variables beyond those that the warm process has.
        """
        self.start()
        home, scratch = private / "home", private / "tmp"
        home.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(exist_ok=True)
        variables = {"HOME": str(home), "TMPDIR": str(scratch), **environment}
        user = self._user_for([private, *owned])
        with self._launching():
            return self._forked({"environment": variables, "user": user})

    def _forked(self, message: Message) -> Sandboxed:
        channel, theirs = channel_pair()
        output = Output()
        try:
            with self._lock:
                server = self._start()
                server.wake()
                descriptors = (theirs.fileno(), output.write_end)
                server.channel.send(message, descriptors)
        finally:
            theirs.close()
            output.handed_over()
        try:
            # Sent before any line of the kernel has run, so it can be believed.
            pid = int(channel.receive(START_TIMEOUT)["pid"])
        except ChannelError:
            raise ExecutorError("a candidate process did not start") from None
        assurance: Literal["L1", "L2"] = "L1" if message["user"] is None else "L2"
        candidate = Sandboxed(pid, channel, output, assurance, self._strays)
        return self._register(candidate)

    @contextlib.contextmanager
    def _launching(self) -> Iterator[None]:
        with self._lock:
            self._launches += 1
        try:
            yield
        finally:
            with self._lock:
                self._launches -= 1

    def _strays(self) -> list[int]:
        """What candidates have left behind and the warm process has adopted."""
        with self._lock:
            server, known = self._server, set(self._running)
            unsure = self._launches > 0  # a fork that is not registered yet is no stray
        if server is None or unsure:
            return []
        return [pid for pid in children_of(server.pid) if pid not in known]

    def _user_for(self, owned: Sequence[Path]) -> int | None:
        """A user id of its own that owns these paths, if it can reach them."""
        if not self._can_drop or not all(map(_is_reachable, owned)):
            return None
        user = _FIRST_USER + next(self._users) % _USERS
        for path in owned:
            give_to(user, path)
        return user

    def _register(self, candidate: Sandboxed) -> Sandboxed:
        with self._lock:
            code = self._codes.pop(candidate.pid, None)
            if code is not None or self._server is None:
                candidate.set_ended(-signal.SIGKILL if code is None else code)
            else:
                self._running[candidate.pid] = candidate
        return candidate

    def _listen(self, server: Worker) -> None:
        try:
            while True:
                message = server.channel.receive()
                self._ended(message["ended"], message["code"])
        except (ChannelError, OSError, ValueError):
            self._lost(server)

    def _ended(self, pid: int, code: int) -> None:
        with self._lock:
            candidate = self._running.pop(pid, None)
            if candidate is None:
                self._codes[pid] = code
            else:
                candidate.set_ended(code)

    def _lost(self, server: Worker) -> None:
        """The server is gone: so are its children, and the next launch starts anew."""
        with self._lock:
            for candidate in self._running.values():
                candidate.set_ended(-signal.SIGKILL)
            self._running.clear()
            if self._server is server:
                self._server = None
        server.kill()

    def close(self) -> None:
        """End all candidates and the warm process."""
        with self._lock:
            self._closed = True
            running = list(self._running.values())
            server = self._server
        for candidate in running:
            candidate.kill()
        if server is not None:
            server.kill()


def give_to(user: int, path: Path) -> None:
    """Make a user the owner of a directory and all in it, and nobody else a reader."""
    os.chown(path, user, user)
    path.chmod(0o700)
    for entry in entries_below(path):
        with contextlib.suppress(OSError):  # a path that has become too long
            os.chown(entry.path, user, user, follow_symlinks=False)


def _is_reachable(path: Path) -> bool:
    """Whether other users may pass through all directories above a path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)
