"""Rooms: the namespaces that one candidate lives in, and that all it started ends with.

In a room no process outside of it has a number, so none can be signalled, slowed down,
traced or read, whoever its user is. It has no network, and sees only the files of
``view``. Its first process, the keeper, is a small one of ours; when that one ends, the
system kills all others in the room, and what they had mounted or shared goes with it.

An ordinary user may make rooms inside a user namespace of their own, where the system
allows those. The process that makes them is forked before torch is imported: a fork
of it costs a tenth of one of the fork server.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self

from pytest_kernelbench.engine.channel import (
    ChannelError,
    DescriptorChannel,
    Message,
)
from pytest_kernelbench.engine.isolation import linux
from pytest_kernelbench.engine.isolation.standstill import answered
from pytest_kernelbench.engine.isolation.view import Needs, build_view

_KINDS = ("pid", "mnt", "net", "ipc")
_NAMESPACES = linux.NEW_PROCESSES | linux.NEW_MOUNTS | linux.NEW_NETWORK | linux.NEW_IPC
_PATIENCE = 20.0
_BURIAL_PAUSE = 0.02
_PROGRAMS = ("c++", "cc", "g++", "gcc", "clang", "ninja", "nvcc", "ptxas")
_FORBIDDING = {
    "kernel/apparmor_restrict_unprivileged_userns": "1",
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
}
"""Settings of systems that keep ordinary users from namespaces."""


class RoomError(Exception):
    """This system lets us make no room; the message says why."""


class Room:
    """One room, as the fork server holds it."""

    def __init__(self, keeper: int, line: DescriptorChannel) -> None:
        self.keeper = keeper
        self._line = line  # when it closes, the keeper ends
        try:
            self._process = os.pidfd_open(keeper)
            self._namespaces = self._received()
        except BaseException:
            line.close()
            raise

    def _received(self) -> dict[str, int]:
        try:
            answer = self._line.receive(_PATIENCE)
        except ChannelError as error:
            raise RoomError(f"the room's keeper ended: {error}") from None
        if "failed" in answer:
            raise RoomError(answer["failed"])
        return dict(zip(_KINDS, self._line.take_descriptors(), strict=True))

    def lead_children_in(self) -> None:
        """Let the next children of this process be born in the room."""
        linux.join(self._namespaces["pid"])

    def enter(self) -> None:
        """Take on the rest of the room, as one born in it."""
        for kind in _KINDS[1:]:
            linux.join(self._namespaces[kind])

    def end(self, bury: Callable[[], None] = lambda: None) -> None:
        """Kill all that is in it, and wait until that is gone.

        Args:
            bury: Waits for children of this process that have ended; a room is not gone
                before.
        """
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        give_up = time.monotonic() + _PATIENCE
        while not select.select([self._process], [], [], _BURIAL_PAUSE)[0]:
            bury()
            if time.monotonic() > give_up:
                break
        self._line.close()
        for descriptor in (self._process, *self._namespaces.values()):
            os.close(descriptor)


class RoomMaker:
    """Makes rooms, by way of a small process that does nothing else."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        needs = Needs.here(environment)
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            _end_after(lambda: _make_rooms(DescriptorChannel(theirs), needs))
        theirs.close()
        self._channel = DescriptorChannel(ours)
        self._trial = _Trial(lambda: _try_out(self, environment))

    def proven(self) -> Self:
        """Wait until it is known whether rooms can be had, and CUDA used inside of them.

        Call it once, and before anything else.

        Raises:
            RoomError: they cannot; then there is no maker of rooms any more.
        """
        try:
            self._trial.require_success()
        except RoomError:
            self._channel.close()
            os.waitpid(self.pid, 0)
            raise
        return self

    def make(
        self, root: str, own: Sequence[str], hidden: Sequence[str], leash: int
    ) -> Room:
        """A room for one candidate.

        Args:
            root: An empty directory, to build the view in.
            own: Directories that the candidate may write to.
            hidden: Directories whose contents it is not to see.
            leash: Descriptor of the line on which all in it can be stopped.

        Raises:
            RoomError: the system does not let us.
        """
        line, theirs = socket.socketpair()
        try:
            with theirs:
                request = {"root": root, "own": [*own], "hidden": [*hidden]}
                self._channel.send(request, (theirs.fileno(), leash))
            answer = self._channel.receive(_PATIENCE)
        except ChannelError as error:
            line.close()
            raise RoomError(f"the maker of rooms ended: {error}") from None
        if "failed" in answer:
            line.close()
            raise RoomError(answer["failed"])
        return Room(answer["keeper"], DescriptorChannel(line))


def open_rooms(environment: Mapping[str, str]) -> RoomMaker:
    """Make ready to make rooms, and begin to find out whether they can be had here.

    Call it while this process has one thread: an ordinary user's process enters a user
    namespace of its own for it. ``RoomMaker.proven`` says what was found.

    Raises:
        RoomError: they cannot.
    """
    if os.geteuid() != 0:
        _Trial(linux.become_own_user).require_success()
        linux.become_own_user()
    return RoomMaker(environment)


def why_no_rooms(environment: Mapping[str, str]) -> str | None:
    """What keeps this user from rooms here; tried in a child."""
    try:
        _Trial(lambda: open_rooms(environment).proven()).require_success()
    except RoomError as error:
        return f"no namespaces: {forbidden_by() or error}"
    return None


def forbidden_by() -> str | None:
    """The setting of this system that keeps this user from rooms, if it is one."""
    for name, forbidding in _FORBIDDING.items() if os.geteuid() != 0 else ():
        with contextlib.suppress(OSError):
            value = Path("/proc/sys", name).read_text(encoding="ascii").strip()
            if value == forbidding:
                return f"{name.replace('/', '.')} is {value}"
    return None


def _try_out(maker: RoomMaker, environment: Mapping[str, str]) -> None:
    programs = [shutil.which(name) for name in _PROGRAMS]
    cuda = bool(environment.get("CUDA_VISIBLE_DEVICES"))

    def live_there() -> None:
        room.enter()
        _require_programs([path for path in programs if path is not None])
        if cuda:
            _require_cuda()

    with tempfile.TemporaryDirectory(prefix="kernelbench-") as root:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            room = maker.make(root, [], [], theirs.fileno())
            try:
                room.lead_children_in()
                _Trial(live_there).require_success()
            finally:
                room.end()


def _require_programs(programs: Sequence[str]) -> None:
    """What builds run must be there, and Python start."""
    for path in programs:
        if not Path(path).exists():
            raise RoomError(f"{path} would not be seen in them")
    found = "import importlib.util as u; print(u.find_spec('torch') is not None)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", found], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RoomError(f"Python does not start in them: {done.stderr[-200:]}")
    if importlib.util.find_spec("torch") and done.stdout.strip() != "True":
        raise RoomError("torch would not be seen in them")


def _require_cuda() -> None:
    """The driver looks for its own process in ``/proc``, among other things."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:  # none here or outside
        return
    status = driver.cuInit(0)
    if status:
        raise RoomError(f"CUDA does not start in them: error {status}")


class _Trial:
    """Something done in a child, which it may change for ever, while we go on."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._reading, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._reading)

            def tell() -> None:
                try:
                    action()
                except (OSError, RoomError) as error:
                    os.write(writing, str(error.args[-1]).encode()[:4096])

            _end_after(tell)
        os.close(writing)

    def require_success(self) -> None:
        """Wait for its end.

        Raises:
            RoomError: it does not work, in the words of the system.
        """
        with os.fdopen(self._reading, "rb") as pipe:
            trouble = pipe.read().decode()
        code = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        if trouble or code:
            raise RoomError(trouble or f"a trial ended with {code}")


def _end_after(action: Callable[[], None]) -> NoReturn:
    """Do the rest of a forked process's life; nothing of its parent's comes after."""
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - it ends here whatever it was
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)
    os._exit(0)


def _make_rooms(channel: DescriptorChannel, needs: Needs) -> None:
    linux.adopt_orphans()
    linux.end_with_parent()
    linux.set_dumpable(
        dumpable=False
    )  # nor are keepers, among their kernel's processes
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries keepers
    os.umask(0o022)
    with contextlib.suppress(OSError):  # where this namespace of users is our own
        if os.geteuid() != 0:
            limit = Path("/proc/sys/user/max_user_namespaces")
            limit.write_text("0", encoding="ascii")
    with contextlib.suppress(ChannelError):
        while True:
            request = channel.receive()
            lines = channel.take_descriptors()
            channel.send(_keeper_started(request, needs, lines))
            for line in lines:
                os.close(line)


def _keeper_started(request: Message, needs: Needs, lines: list[int]) -> Message:
    """Fork the keeper by way of a process that makes its namespaces."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        _end_after(lambda: _fork_keeper(request, needs, lines, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    return {"keeper": int(answer)} if answer.isdecimal() else {"failed": answer}


def _fork_keeper(
    request: Message, needs: Needs, lines: list[int], writing: int
) -> None:
    try:
        linux.unshare(_NAMESPACES)
        keeper = os.fork()
    except OSError as error:
        os.write(writing, str(error.args[-1]).encode())
        return
    if keeper == 0:
        os.close(writing)
        _end_after(lambda: _keep(request, needs, lines))
    os.write(writing, str(keeper).encode())


def _keep(request: Message, needs: Needs, lines: list[int]) -> None:
    """Be the first process of a room: furnish it, and stay until told to go."""
    channel, leash = (DescriptorChannel(socket.socket(fileno=line)) for line in lines)
    for last, line in itertools.pairwise([2, *sorted(lines), 65536]):
        os.closerange(last + 1, line)
    try:
        own, hidden = request["own"], request["hidden"]
        build_view(request["root"], needs=needs, hidden=hidden, own=own)
        linux.change_root(request["root"])
        namespaces = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in _KINDS]
        with contextlib.suppress(PermissionError):  # to stop those who keep all cores
            os.nice(-20)
        linux.drop_capabilities(but_signals=True)
    except OSError as error:
        channel.send({"failed": str(error.args[-1])})
        return
    channel.send({"ready": True}, tuple(namespaces))
    for namespace in namespaces:
        os.close(namespace)
    with contextlib.suppress(ChannelError):  # nobody holds the leash any more
        while channel not in select.select([channel, leash], [], [])[0]:
            leash.send(answered(leash.receive()))
    with contextlib.suppress(ChannelError):
        channel.receive()
