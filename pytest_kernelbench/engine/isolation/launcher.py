"""Starts candidates: forks of a warm process, kept apart as strongly as can be here.

A candidate in a room of its own (``rooms``) or under another user cannot signal, trace,
slow down or read the processes that judge it, nor another kernel's builds: that is
assurance L2. Root has both; other users have rooms where the system lets them. Without
either, the candidate is a process of ours with nothing but its own address space (L1).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_kernelbench.engine.channel import ChannelError, Message, channel_pair
from pytest_kernelbench.engine.isolation.sandbox import (
    START_TIMEOUT,
    Isolation,
    Output,
    Sandboxed,
    Worker,
    children_of,
    descendants_of,
)
from pytest_kernelbench.engine.isolation.standstill import Leash, number_inside
from pytest_kernelbench.engine.isolation.trees import entries_below
from pytest_kernelbench.errors import ExecutorError

_FIRST_USER, _USERS = 61_000, 4_000
"""User ids that belong to nobody; Debian reserves 60000-64999 for such use."""
_APART_AT_L1 = "processes of their own"


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
        self._has_rooms = self._has_users = False
        self._isolation = Isolation("L1", _APART_AT_L1)
        self._launches = 0
        # Not where another session's begin.
        self._users = itertools.count(random.randrange(_USERS))  # noqa: S311

    def start(self) -> Isolation:
        """Start the warm process, or wait until another thread has."""
        with self._lock:
            self._start()
            return self._isolation

    def _start(self) -> Worker:
        if self._closed:
            raise ExecutorError("the executor was closed")
        if self._server is None:
            server = Worker(
                "pytest_kernelbench.engine.isolation.forkserver", self._environment
            )
            self._settle(server.wait_ready())
            self._server = server
            threading.Thread(
                target=self._listen,
                args=(server,),
                name="kernelbench-forks",
                daemon=True,
            ).start()
        return self._server

    def launch(
        self,
        private: Path,
        owned: Sequence[Path],
        environment: Mapping[str, str],
        *,
        trusted: bool = False,
    ) -> Sandboxed:
        """Fork a candidate.

        Args:
            private: a directory for its home and temporary files.
            owned: what else it may write.
            environment: variables beyond those that the warm process has.
            trusted: whether it runs no kernel, and none may look at its memory.
        """
        self.start()
        home, scratch, root = private / "home", private / "tmp", private / "root"
        for directory in (home, scratch, root):
            directory.mkdir(parents=True, exist_ok=True)
        own = [home, scratch, *owned]
        message = {
            "environment": {"HOME": str(home), "TMPDIR": str(scratch), **environment},
            "user": self._user_for(private, own),
            "root": str(root),
            "own": [str(path) for path in own],
            "hidden": [str(Path.cwd())],
            "trusted": trusted,
        }
        with self._launching():
            return self._forked(message)

    def _settle(self, ready: Message) -> None:
        no_rooms, no_users = ready["no_rooms"], ready["no_users"]
        self._has_rooms, self._has_users = not no_rooms, os.geteuid() == 0
        if self._has_rooms:
            means = "namespaces and a user of their own"
            if not self._has_users:
                means = "namespaces of their own"
            self._isolation = Isolation("L2", means)
        elif not no_users:
            self._isolation = Isolation("L2", "a user of their own", no_rooms)
        else:
            self._has_users = False
            missing = f"{no_rooms}; {no_users}"
            self._isolation = Isolation("L1", _APART_AT_L1, missing)

    def _forked(self, message: Message) -> Sandboxed:
        channel, theirs = channel_pair()
        line, keepers = channel_pair()
        output = Output()
        try:
            with self._lock:
                server = self._start()
                server.wake()
                descriptors = (theirs.fileno(), output.write_end, keepers.fileno())
                server.channel.send(message, descriptors)
        finally:
            theirs.close()
            keepers.close()
            output.handed_over()
        try:
            # Both sent before any line of the kernel has run, so they can be believed.
            started = channel.receive(START_TIMEOUT)
            if "failed" not in started:
                started |= channel.receive(START_TIMEOUT)
        except ChannelError:
            started = {"failed": "its process ended at once"}
        if "failed" in started:
            channel.close()
            line.close()
            raise ExecutorError(f"a candidate did not start: {started['failed']}")
        keeper = started["keeper"]
        strays = self._strays if keeper is None else lambda: descendants_of(keeper)
        isolation = self._isolation
        if isolation.level == "L2" and not self._has_rooms and message["user"] is None:
            missing = f"{message['root']} is closed to other users"
            isolation = Isolation("L1", _APART_AT_L1, missing)
        pid = started["pid"]
        candidate = Sandboxed(pid, channel, output, isolation, strays, server.wake)
        number = None if keeper is None else number_inside(pid)
        if number is None:
            line.close()
        else:
            candidate.leash = Leash(line, number)
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
                if not self._launches:  # a later process may get the same number
                    self._codes.clear()

    def running(self) -> list[Sandboxed]:
        """The candidates that have not ended."""
        with self._lock:
            return list(self._running.values())

    def _strays(self) -> list[int]:
        """What candidates have left behind and the warm process has adopted."""
        with self._lock:
            server, known = self._server, set(self._running)
            unsure = self._launches > 0  # a fork that is not registered yet is no stray
        if server is None or unsure:
            return []
        return [pid for pid in children_of(server.pid) if pid not in known]

    def _user_for(self, private: Path, own: Sequence[Path]) -> int | None:
        """A user id of its own that owns these paths, if it can reach them."""
        if not self._has_users:
            return None
        if not self._has_rooms and not all(map(_is_reachable, own)):
            return None
        user = _FIRST_USER + next(self._users) % _USERS
        for path in own:
            give_to(user, path)
        private.chmod(0o711)
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
            if candidate is not None:
                candidate.set_ended(code)
            elif self._launches:
                self._codes[pid] = code

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
    """Make a user the owner of a directory and all in it, and nobody else a reader.

    But for files with a second name: that may be elsewhere, and the file not a kernel's.
    """
    os.chown(path, user, user)
    path.chmod(0o700)
    for entry in entries_below(path):
        with contextlib.suppress(OSError):  # a path that has become too long
            if _has_one_name(entry):
                os.chown(entry.path, user, user, follow_symlinks=False)


def _has_one_name(entry: os.DirEntry[str]) -> bool:
    is_directory = entry.is_dir(follow_symlinks=False)
    return is_directory or entry.stat(follow_symlinks=False).st_nlink == 1


def _is_reachable(path: Path) -> bool:
    """Whether other users may pass through all directories above a path's own."""
    above = path.resolve().parent.parent.parents
    return all(parent.stat().st_mode & 0o001 for parent in above)
