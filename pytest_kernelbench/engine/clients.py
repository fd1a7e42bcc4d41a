"""The controller's view of the two processes: what it asks, and how far it believes.

An oracle that fails is an error of ours or of the problem. A candidate that does
anything but answer in time has decided its own verdict.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pytest_kernelbench.engine.channel import (
    ChannelBroken,
    ChannelClosed,
    ChannelError,
    ChannelTimeout,
    Message,
)
from pytest_kernelbench.engine.isolation.sandbox import Sandboxed, Stop, Worker
from pytest_kernelbench.errors import ExecutorError, KernelBenchError, ProblemError
from pytest_kernelbench.model import Verdict
from pytest_kernelbench.text import first_line

_ORACLE_GRACE = 120.0
"""Seconds that trusted work may take beyond the kernel's own limit."""
_END_TIMEOUT = 10.0
IDLE_TIMEOUT = 3.0
"""Seconds in which what a stopped kernel has launched must have ended."""
_LONGEST_WAIT = 1.0
"""Seconds after which is looked at how long the kernel was kept from working."""


class OracleKilledError(ExecutorError):
    """Somebody has ended the oracle: this kernel, or the system for want of memory."""


class OracleMemoryError(ProblemError):
    """The problem does not fit the device, or not beside this kernel."""


class OracleProcess:
    """One oracle process, which several evaluations take turns to ask."""

    def __init__(self, process: Worker) -> None:
        self.worker = process
        self.turn = threading.RLock()
        """Held for a question and its answer, and while something is timed."""
        self.usable = True
        """False once an answer is outstanding for ever or the device's state unknown."""
        self._sessions = itertools.count()

    def session(self) -> OracleClient:
        """A view with a problem, inputs and outputs of its own."""
        return OracleClient(self, next(self._sessions))


class OracleClient:
    """One evaluation's view of an oracle process."""

    def __init__(self, process: OracleProcess, session: int) -> None:
        self._process = process
        self._session = session
        self.waited = 0.0
        """Seconds spent waiting for others' turns."""

    @property
    def pid(self) -> int:
        return self._process.worker.pid

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Keep others from asking meanwhile."""
        asked = time.monotonic()
        with self._process.turn:
            self.waited += time.monotonic() - asked
            yield

    def ask(
        self, timeout: float, descriptors: tuple[int, ...] = (), **message: Any
    ) -> Message:
        """Ask and wait for the answer.

        Raises:
            ProblemError: the problem's own code fails.
            OracleMemoryError: the device has no room for it.
            ExecutorError: the oracle itself has failed.
        """
        with self.turn():
            return self._ask(timeout, descriptors, message)

    def _ask(
        self, timeout: float, descriptors: tuple[int, ...], message: Message
    ) -> Message:
        process, worker = self._process, self._process.worker
        answered = False
        try:
            worker.wake()
            worker.channel.send({**message, "session": self._session}, descriptors)
            reply = worker.channel.receive(timeout + _ORACLE_GRACE)
            answered = True
        except ChannelTimeout:
            raise ProblemError(
                "the problem's own code does not come to an end"
            ) from None
        except ChannelError as error:
            if worker.was_killed():
                raise OracleKilledError("the oracle process was killed") from None
            raise ExecutorError(f"the oracle process was lost: {error}") from None
        finally:
            # Not before: others look at it while an answer is on its way.
            process.usable = process.usable and answered
        process.usable = process.usable and reply.get("sound", True)
        if reply.get("failed") == "problem":
            raise ProblemError(first_line(reply["message"]))
        if reply.get("failed") == "memory":
            raise OracleMemoryError(reply["message"])
        return reply

    def idle_since(self, timeout: float = IDLE_TIMEOUT) -> float | None:
        """When nobody used the device, by ``time.perf_counter``.

        None if somebody did all the time.
        """
        since = self.ask(timeout, do="idle", seconds=timeout)["since"]
        return None if since is None else float(since)

    def end(self) -> None:
        """Let the oracle forget this session."""
        if self._process.usable:
            with contextlib.suppress(KernelBenchError):
                self.ask(_END_TIMEOUT, do="end")


class TimeBudget:
    """Seconds that a user allows a kernel, of which only its own are counted."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.remaining = seconds

    @contextlib.contextmanager
    def spending(self, clock: Callable[[], float] = time.monotonic) -> Iterator[float]:
        """Count what passes on ``clock``; gives the time on it when all is spent."""
        started = clock()
        try:
            yield started + self.remaining
        finally:
            self.remaining -= clock() - started


class KernelFault(Exception):
    """The candidate did something that decides the verdict."""

    def __init__(
        self, verdict: Verdict, reason: str, log: str = "", *, doubtful: bool = False
    ) -> None:
        super().__init__(reason)
        self.doubtful = doubtful
        """Whether a busy machine could have brought it about."""
        self.verdict = verdict
        self.reason = reason
        self.log = log


class CandidateClient:
    """The controller's view of a candidate process, which it does not believe."""

    def __init__(self, process: Sandboxed) -> None:
        self._process = process

    def ask(
        self,
        stage: str,
        budget: TimeBudget,
        descriptors: tuple[int, ...] = (),
        **message: Any,
    ) -> Message:
        """Ask and wait as long as the budget allows.

        Raises:
            KernelFault: anything but an answer in time.
        """
        try:
            with budget.spending(self._own_time) as end:
                self._process.channel.send(message, descriptors)
                reply = self._receive_until(end)
        except ChannelTimeout:
            reason = f"did not finish its {stage} within {budget.seconds:g} s"
            raise KernelFault(Verdict.TIMEOUT, reason) from None
        except ChannelBroken as error:
            reason = f"sent a forged message during its {stage}: {error}"
            raise KernelFault(Verdict.INTEGRITY, reason) from None
        except ChannelClosed:
            raise KernelFault(*self._death(stage)) from None
        if "failed" in reply:
            raise _reported_fault(reply, stage)
        return reply

    def _own_time(self) -> float:
        """A clock that stands still while others keep the kernel from working."""
        return time.monotonic() - self._process.held_seconds

    def _receive_until(self, end: float) -> Message:
        channel = self._process.channel
        while (remaining := end - self._own_time()) > 0:
            if channel.has_more(min(remaining, _LONGEST_WAIT)):
                return channel.receive(remaining)
        raise ChannelTimeout

    def halt(self) -> None:
        """Stop it; not what it may have sent away.

        Raises:
            KernelFault: it goes on.
        """
        self._require_still(is_still=self._process.halt())

    def pause(self) -> bool:
        """Stop it, so that nothing of it can do anything that is not on a clock.

        Returns whether something of it went on for a while.

        Raises:
            KernelFault: it goes on.
        """
        stop = self._process.pause()
        self._require_still(is_still=stop is not Stop.NEVER)
        return stop is Stop.LATE

    def _require_still(self, *, is_still: bool) -> None:
        if not is_still:
            reason = "did not stop when it was told to"
            raise KernelFault(Verdict.INTEGRITY, reason, doubtful=True)

    def resume(self) -> None:
        self._process.resume()

    def kill(self) -> None:
        self._process.kill()

    def _death(self, stage: str) -> tuple[Verdict, str]:
        if self._process.offence is not None:
            return Verdict.INTEGRITY, self._process.offence
        code = self._process.exit_code(timeout=5)
        if code is not None and code < 0:
            reason = f"killed by {_signal_name(-code)} during its {stage}"
            if code == -signal.SIGKILL:
                reason += " (as the system does when memory runs out)"
            return Verdict.CRASH, reason
        return Verdict.CRASH, f"ended its own process during its {stage}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _reported_fault(reply: Message, stage: str) -> KernelFault:
    """A failure that the candidate reports of itself: it only harms itself."""
    kind = str(reply["failed"])
    if stage == "build" and kind == "CRASH":
        kind = "BUILD"
    verdict = Verdict.__members__.get(kind, Verdict.CRASH)
    if not verdict.is_failure:
        verdict = Verdict.INTEGRITY
    reason = first_line(str(reply.get("message", "")))
    return KernelFault(verdict, reason, str(reply.get("traceback", "")))
