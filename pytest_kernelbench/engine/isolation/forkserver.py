"""A process that has imported torch and forks a candidate from itself when asked.

Importing torch takes seconds and a fork takes milliseconds, so every kernel gets a
fresh process for next to nothing. This process never runs a torch operation and
never touches CUDA: a child forked after either hangs or cannot use the device.
Only the standard library, torch and, once there is time, Triton are loaded, and no
kernel ever runs here.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pytest_kernelbench.engine.channel import (
    ChannelClosed,
    ChannelError,
    DescriptorChannel,
    Message,
)
from pytest_kernelbench.engine.isolation import linux
from pytest_kernelbench.engine.isolation.confinement import confine
from pytest_kernelbench.engine.isolation.leftovers import clear
from pytest_kernelbench.engine.isolation.rooms import (
    Room,
    RoomError,
    RoomMaker,
    forbidden_by,
    open_rooms,
)

_NOBODY = 65534
_LULL = 0.2
"""Seconds without a request after which there is time for what not all kernels need."""


class ForkServer:
    """Answers ``fork`` messages and reports each child's end."""

    def __init__(self, channel: DescriptorChannel, rooms: RoomMaker | None) -> None:
        self._channel = channel
        self._rooms = rooms
        self._children: dict[int, Callable[[], None]] = {}
        """What is to be done when each of them has ended."""
        # A pipe that becomes readable when a child has died.
        self._wakeup, wakeup_end = os.pipe()
        os.set_blocking(wakeup_end, False)
        os.set_blocking(self._wakeup, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup_end)

    def serve(self) -> None:
        """Serve until the controller hangs up; then no child is left."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            patience: float | None = _LULL
            try:
                while True:
                    ready = [key.fileobj for key, _ in selector.select(patience)]
                    if not ready:
                        _preload_triton()
                        patience = None
                    if self._wakeup in ready:
                        self._report_ended()
                    if self._channel in ready:
                        self._fork(self._channel.receive())
            except ChannelClosed:
                self._kill_all()

    def _report_ended(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                # Also when a stray has ended: its own children become ours then.
                self._kill_strays()
                if pid in self._children:
                    self._children.pop(pid)()
                    code = os.waitstatus_to_exitcode(status)
                    self._channel.send({"ended": pid, "code": code})

    def _kill_strays(self) -> None:
        """Kill what candidates left behind; as subreaper we have become its parent.

        Or were from the start: a process may be cloned as its parent's brother.
        """
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        known = {*self._children, self._rooms.pid if self._rooms else 0}
        for pid in map(int, children.read_text(encoding="ascii").split()):
            if pid not in known:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)

    def _fork(self, message: Message) -> None:
        connection, output, leash = self._channel.take_descriptors()
        told = DescriptorChannel(socket.socket(fileno=connection))
        try:
            room = self._room_for(message, leash)
            child = os.fork()
        except (RoomError, OSError) as error:
            with contextlib.suppress(ChannelError):
                told.send({"failed": str(error)})
        else:
            if child == 0:
                _become_candidate(connection, output, message, room)
            self._children[child] = self._end_of(room, message["user"])
            keeper = None if room is None else room.keeper
            with contextlib.suppress(ChannelError):
                # By us: in its room the child has another number.
                told.send({"pid": child, "keeper": keeper})
        os.close(output)
        os.close(leash)
        told.close()

    def _room_for(self, message: Message, leash: int) -> Room | None:
        if self._rooms is None:
            return None
        own, hidden = message["own"], message["hidden"]
        room = self._rooms.make(message["root"], own, hidden, leash)
        room.lead_children_in()
        return room

    def _end_of(self, room: Room | None, user: int | None) -> Callable[[], None]:
        """What ends all that a candidate may have left."""
        if room is not None:
            return lambda: room.end(self._kill_strays)
        if user is not None:
            return lambda: clear(user)
        return lambda: None

    def _kill_all(self) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def _become_candidate(
    connection: int, output: int, message: Message, room: Room | None
) -> NoReturn:
    environment: dict[str, str] = message["environment"]
    user: int | None = message["user"]
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        if room is not None:
            room.enter()
        elif user is not None:
            with contextlib.suppress(OSError):  # not what L2 rests on
                linux.unshare(linux.NEW_NETWORK | linux.NEW_IPC)
        linux.set_dumpable(dumpable=not message["trusted"])
        counted = room is not None or user is not None
        cuda = bool(os.environ.get("CUDA_VISIBLE_DEVICES"))
        confine(user, counted=counted, cuda=cuda)
        linux.end_with_parent()
        linux.set_dumpable(dumpable=not message["trusted"])
        os.environ.update(environment)
        os.chdir(environment["HOME"])
        kept = _only_descriptors(connection, output)
        from pytest_kernelbench.engine.candidate import main  # noqa: PLC0415

        main(socket.socket(fileno=kept))
    finally:
        os._exit(0)


def _reason_against_users() -> str | None:
    """Why candidates cannot be users of their own, if so; tried in a child."""
    if os.geteuid() != 0:
        return "no user of its own: not root"
    child = os.fork()
    if child == 0:
        try:
            confine(_NOBODY, counted=True, cuda=True)
            for module in ("torch", "pytest_kernelbench"):
                Path(str(sys.modules[module].__file__)).read_bytes()
            os._exit(0 if os.access(sys.executable, os.R_OK | os.X_OK) else 1)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1] == 0:
        return None
    return f"no user of its own: others cannot read {sys.prefix}"


def _only_descriptors(connection: int, output: int) -> int:
    """Keep nothing open but output and the connection, whose number is returned."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(connection, 3)
    os.closerange(4, 65536)
    return 3


def _preload() -> None:
    importlib.import_module("pytest_kernelbench.engine.candidate")
    _keep()


def _preload_triton() -> None:
    if os.environ.get("CUDA_VISIBLE_DEVICES"):  # in the interpreter it is rare
        with contextlib.suppress(Exception):
            importlib.import_module("triton")
            importlib.import_module("triton.language")
        _keep()


def _keep() -> None:
    """Let no child look through what is loaded, which would copy it."""
    gc.collect()
    gc.freeze()


def _rooms_or_reason(step: Callable[[], RoomMaker]) -> RoomMaker | str:
    """What a step towards rooms leads to, or why they cannot be had."""
    try:
        return step()
    except (RoomError, OSError) as error:
        return f"no namespaces: {forbidden_by() or error}"


def main() -> None:
    """Serve on the socket whose number is the first argument."""
    channel = DescriptorChannel(socket.socket(fileno=int(sys.argv[1])))
    # The terminal's Ctrl-C is for the controller, which then ends us in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Also when we have been stopped: whoever started us is gone, so must we be.
    linux.end_with_parent()
    linux.adopt_orphans()
    # Before torch brings threads; they are tried out while it is imported.
    rooms = _rooms_or_reason(lambda: open_rooms(os.environ))
    linux.set_dumpable(dumpable=False)  # no kernel reads or traces us
    _preload()
    if not isinstance(rooms, str):
        rooms = _rooms_or_reason(rooms.proven)
    if isinstance(rooms, str):
        no_users = _reason_against_users() or ""
        channel.send({"no_rooms": rooms, "no_users": no_users})
        ForkServer(channel, None).serve()
    else:
        channel.send({"no_rooms": "", "no_users": ""})
        ForkServer(channel, rooms).serve()


if __name__ == "__main__":
    main()
