"""A process that has imported torch and forks a candidate from itself when asked.

Importing torch takes seconds and a fork takes milliseconds, so every kernel gets a
fresh process for next to nothing. This process never runs a torch operation and
never touches CUDA: a child forked after either hangs or cannot use the device.
Only the standard library and torch are loaded, and no kernel ever runs here.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from pytest_kernelbench.engine.channel import (
    ChannelClosed,
    DescriptorChannel,
    Message,
)

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION = 0x20080522
_CLONE_NEWNET = 0x40000000
_NOBODY = 65534


class ForkServer:
    """Answers ``fork`` messages and reports each child's end."""

    def __init__(self, channel: DescriptorChannel) -> None:
        self._channel = channel
        self._children: set[int] = set()
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
            try:
                while True:
                    ready = [key.fileobj for key, _ in selector.select()]
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
                    self._children.discard(pid)
                    code = os.waitstatus_to_exitcode(status)
                    self._channel.send({"ended": pid, "code": code})

    def _kill_strays(self) -> None:
        """Kill what candidates left behind; as subreaper we have become its parent."""
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        for pid in map(int, children.read_text(encoding="ascii").split()):
            if pid not in self._children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _fork(self, message: Message) -> None:
        connection, output = self._channel.take_descriptors()
        child = os.fork()
        if child == 0:
            _become_candidate(connection, output, message)
        os.close(connection)
        os.close(output)
        self._children.add(child)

    def _kill_all(self) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def _become_candidate(connection: int, output: int, message: Message) -> NoReturn:
    environment: dict[str, str] = message["environment"]
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        if message["user"] is not None:
            _drop_to(message["user"])
        elif os.geteuid() == 0:
            _drop_capabilities()
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_DUMPABLE, 1)
        os.environ.update(environment)
        os.chdir(environment["HOME"])
        kept = _only_descriptors(connection, output)
        from pytest_kernelbench.engine.candidate import main  # noqa: PLC0415

        main(socket.socket(fileno=kept))
    finally:
        os._exit(0)


def _drop_to(user: int) -> None:
    """Become a user without any rights, on a network without any interface."""
    libc = ctypes.CDLL(None)
    libc.unshare(_CLONE_NEWNET)  # not everywhere allowed, and not what L2 rests on
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _drop_capabilities() -> None:
    """Leave root nothing but its files: no tracing, no reading of other memory."""
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())


def _can_drop() -> bool:
    """Whether another user could run what a candidate needs; tried in a child."""
    if os.geteuid() != 0:
        return False
    child = os.fork()
    if child == 0:
        try:
            _drop_to(_NOBODY)
            for module in ("torch", "pytest_kernelbench"):
                Path(str(sys.modules[module].__file__)).read_bytes()
            os._exit(0 if os.access(sys.executable, os.R_OK | os.X_OK) else 1)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


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
    if os.environ.get("CUDA_VISIBLE_DEVICES"):  # in the interpreter it is rare
        with contextlib.suppress(Exception):
            importlib.import_module("triton")
            importlib.import_module("triton.language")
    gc.collect()
    gc.freeze()


def main() -> None:
    """Serve on the socket whose number is the first argument."""
    channel = DescriptorChannel(socket.socket(fileno=int(sys.argv[1])))
    # The terminal's Ctrl-C is for the controller, which then ends us in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Also when we have been stopped: whoever started us is gone, so must we be.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)  # no kernel reads or traces us
    _preload()
    server = ForkServer(channel)
    channel.send({"can_drop": _can_drop()})
    server.serve()


if __name__ == "__main__":
    main()
