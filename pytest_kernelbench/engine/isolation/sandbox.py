"""How processes are started, kept apart and ended.

Every kernel runs in a process, session and process group of its own, with an
allow-listed environment and a private home. Whatever it does, ending it is one
SIGKILL to its group, and what it printed is kept in bounded memory.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_kernelbench.engine.channel import (
    Channel,
    ChannelError,
    Message,
    channel_pair,
)
from pytest_kernelbench.engine.isolation.standstill import Leash, state_and_group
from pytest_kernelbench.engine.isolation.trees import remove
from pytest_kernelbench.errors import ExecutorError

_ALLOWED_VARIABLES = frozenset(
    [
        "PATH",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LD_LIBRARY_PATH",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "TZ",
        "CC",
        "CXX",
        "CUDA_HOME",
        "CUDA_PATH",
        "MAX_JOBS",
        "TORCH_CUDA_ARCH_LIST",
        "OMP_NUM_THREADS",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
        "CUDA_VISIBLE_DEVICES",
    ]
)
START_TIMEOUT = 120.0
_HALT_TIMEOUT, _HOLD_TIMEOUT = 5.0, 1.0
_LOOK_PAUSE = 2e-5
_SOON = 3e-3
"""Seconds in which threads that share busy cores come to their stop."""
_REAP_TIMEOUT = 10.0
_KEPT_OUTPUT = 64_000
_PACKAGE_ROOT = str(Path(__file__).parents[3])


class Output:
    """What a process prints, the last part of it, read by a thread of its own."""

    def __init__(self) -> None:
        self._reading, self.write_end = os.pipe()
        self._chunks: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._thread = threading.Thread(
            target=self._read, name="kernelbench-output", daemon=True
        )
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._reading, 1 << 16):
            self._chunks.append(chunk)
            self._size += len(chunk)
            while self._size > _KEPT_OUTPUT and len(self._chunks) > 1:
                self._size -= len(self._chunks.popleft())
        os.close(self._reading)

    def handed_over(self) -> None:
        """Close our copy of the end that the process writes to."""
        os.close(self.write_end)

    def text(self) -> str:
        """The end of the output; waits a moment for what is still in the pipe."""
        self._thread.join(timeout=0.5)
        return b"".join(list(self._chunks))[-_KEPT_OUTPUT:].decode(errors="replace")


class Worker:
    """A trusted process of ours with a channel to it: a fork server or an oracle."""

    def __init__(self, module: str, environment: dict[str, str]) -> None:
        self.channel, theirs = channel_pair()
        self.output = Output()
        program = (
            f"import sys; sys.path.append({_PACKAGE_ROOT!r});"
            f"from {module} import main; main()"
        )
        self._process = subprocess.Popen(
            # -P: what a kernel leaves in the working directory is never imported.
            [sys.executable, "-P", "-c", program, str(theirs.fileno())],
            env=environment,
            cwd="/",
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self.output.write_end,
            stderr=self.output.write_end,
            start_new_session=True,
        )
        theirs.close()
        self.output.handed_over()

    def wait_ready(self) -> Message:
        """Wait until it has started, and return what it says of itself.

        Raises:
            ExecutorError: it could not start, with the last line it printed.
        """
        try:
            return self.channel.receive(START_TIMEOUT)
        except ChannelError:
            self.kill()
            lines = self.output.text().strip().splitlines() or ["it printed nothing"]
            raise ExecutorError(
                f"a worker process did not start: {lines[-1]}"
            ) from None

    @property
    def pid(self) -> int:
        return self._process.pid

    def wake(self) -> None:
        """Continue it, in case that somebody has stopped it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def was_killed(self) -> bool:
        """Whether a signal has ended it, waiting a moment for that."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=2) < 0
        return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.channel.close()


class Stop(enum.Enum):
    """When all of a candidate stood still."""

    SOON = enum.auto()
    LATE = enum.auto()
    """Something of it had first to be ended, or went on for a while."""
    NEVER = enum.auto()


@dataclass(frozen=True, slots=True)
class Isolation:
    """How candidates are kept apart here."""

    level: Literal["L1", "L2"]
    means: str
    """What keeps them apart, such as ``namespaces``."""
    missing: str = ""
    """Why it is not more, if it could be."""

    def __str__(self) -> str:
        missing = f" ({self.missing})" if self.missing else ""
        return f"{self.level}: {self.means}{missing}"


class Sandboxed:
    """A candidate process, and the only ways to talk to it and to end it."""

    def __init__(
        self,
        pid: int,
        channel: Channel,
        output: Output,
        isolation: Isolation,
        strays: Callable[[], list[int]],
        wake_parent: Callable[[], None],
    ) -> None:
        self.pid = pid
        self.leash: Leash | None = None
        """Of the room that it is in."""
        self._wake_parent = wake_parent
        self._strays = strays
        self.isolation = isolation
        self.offence: str | None = None
        """Why it was ended, if that was for more than the end of its evaluation."""
        self.channel = channel
        self.output = output
        self.code: int | None = None
        self._ended = threading.Event()
        # Whether it should work as far as its own evaluation goes, and whether it may.
        self._working = True
        self._held_since: float | None = None
        self._held_seconds = 0.0
        self._lock = threading.RLock()

    def set_ended(self, code: int) -> None:
        self.code = code
        self._ended.set()

    def halt(self) -> bool:
        """Stop every process of its group; False if it does not stand still.

        In a room, what has left the group as well.
        """
        with self._lock:
            self._working = False
            if self.leash is not None:
                self._signal(signal.SIGSTOP)  # the keeper may need a core of its
                self.leash.stop()
            return self._stop(_HALT_TIMEOUT)

    def pause(self) -> Stop:
        """The same, and end what has left the group: only a clock may watch it work."""
        started, sweeps = time.monotonic(), 0
        is_still = is_clean = False
        while not (is_still and is_clean):
            if time.monotonic() > started + _HALT_TIMEOUT:
                return Stop.NEVER
            with self._lock:
                self._working = False
                # All else in a room is stopped by the sweep.
                is_still = self._stop(_HALT_TIMEOUT)
            is_clean = self._swept()
            sweeps += 1
        late = sweeps > 1 and time.monotonic() > started + _SOON
        return Stop.LATE if late else Stop.SOON

    def _swept(self) -> bool:
        """End what has left the group; False if there was any, or it may still work."""
        if self._ended.is_set():
            return True
        if self.leash is not None:
            return self.leash.sweep() or self._ended.is_set()
        return not self._kill_outsiders()

    def _kill_outsiders(self) -> int:
        """End what has left the group; how many these were."""
        found = 0
        for pid in (*descendants_of(self.pid), *self._strays()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) != self.pid:
                    os.kill(pid, signal.SIGKILL)
                    found += 1
        return found

    def resume(self) -> None:
        """Let it work, as soon as nobody holds it."""
        with self._lock:
            self._working = True
            if self._held_since is None:
                self._signal(signal.SIGCONT)

    def hold(self) -> None:
        """Stop it for somebody else's sake, on top of what its own evaluation does."""
        with self._lock:
            self._held_since = time.monotonic()
            if self._working:
                self._stop(_HOLD_TIMEOUT)  # a compiler may be about to be started

    def release(self) -> None:
        """End ``hold``; it goes on if it was at work."""
        with self._lock:
            self._held_seconds = self.held_seconds
            self._held_since = None
            if self._working:
                self._signal(signal.SIGCONT)

    @property
    def held_seconds(self) -> float:
        """How long others have kept it from working."""
        with self._lock:
            since = self._held_since
            current = 0.0 if since is None else time.monotonic() - since
            return self._held_seconds + current

    def _stop(self, timeout: float) -> bool:
        self._signal(signal.SIGSTOP)
        give_up = time.monotonic() + timeout
        while not self._is_still():
            if time.monotonic() > give_up:
                return False
            time.sleep(_LOOK_PAUSE)  # it may need this very core to come to its stop
        return True

    def _is_still(self) -> bool:
        """Not if it waits in the system for another, or a tracer let it go on."""
        state = (
            "X"
            if self._ended.is_set()
            else state_and_group(Path(f"/proc/{self.pid}"))[0]
        )
        if state == "Z":  # its first thread has ended, others may be left
            with contextlib.suppress(OSError):
                threads = Path(f"/proc/{self.pid}/task").iterdir()
                return all(state_and_group(thread)[0] in "TZX" for thread in threads)
        return state in "TX"

    def _signal(self, number: signal.Signals) -> None:
        if not self._ended.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it and all of its group; it may be long gone."""
        self._signal(signal.SIGKILL)
        self._wake_parent()  # which is to report its end
        give_up = time.monotonic() + _REAP_TIMEOUT
        while not self._ended.is_set() and time.monotonic() < give_up:
            # Who traces it keeps its parent from seeing its end.
            self._kill_outsiders()
            self._ended.wait(timeout=0.1)
        # The leader may have died by itself and left others of its group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.channel.close()
        if self.leash is not None:
            self.leash.close()

    def convict(self, offence: str) -> None:
        """End it for what it has done to others."""
        self.offence = offence
        self.kill()

    def owns(self, pid: int) -> bool:
        """Whether a process is one of its own."""
        return pid in (self.pid, *descendants_of(self.pid), *self._strays())

    def exit_code(self, timeout: float) -> int | None:
        """Its exit code, negative for a signal, if it has ended by then."""
        self._ended.wait(timeout)
        return self.code


def children_of(pid: int) -> list[int]:
    """The processes that any thread of a process has started or adopted."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                text = (thread / "children").read_text(encoding="ascii")
                found += map(int, text.split())
    return found


def descendants_of(pid: int) -> list[int]:
    found = children_of(pid)
    for one in found:  # grows meanwhile: a kernel may nest them as deep as it likes
        found += children_of(one)
    return found


def base_environment(**extra: str) -> dict[str, str]:
    """The variables a worker may see: an allow-list, so no token is ever passed on."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _ALLOWED_VARIABLES or name.startswith("TRITON_")
    }
    # Programs installed beside Python (ninja) must be found without an activated venv.
    beside = str(Path(sys.executable).parent)
    kept["PATH"] = os.pathsep.join(filter(None, [beside, kept.get("PATH", os.defpath)]))
    kept["PYTHONUNBUFFERED"] = "1"
    kept["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    # Left to itself, malloc gives pages back or keeps them by what a process has freed
    # before: the same output would cost one side page faults and the other none.
    kept["MALLOC_MMAP_THRESHOLD_"] = str(32 << 20)
    kept["MALLOC_TRIM_THRESHOLD_"] = str(1 << 40)
    kept["MALLOC_TOP_PAD_"] = str(64 << 20)
    return kept | extra


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """A directory of one evaluation's own, gone when it ends.

    Raises:
        ExecutorError: there is nowhere to put it.
    """
    try:
        directory = Path(tempfile.mkdtemp(prefix="kernelbench-"))
    except OSError as error:
        raise ExecutorError(f"cannot make a temporary directory: {error}") from None
    try:
        yield directory
    finally:
        remove(directory)
