"""How processes share one owner of the executor.

The controller process owns the evaluations and serves them on a local socket; a
worker sees the same interface as without xdist. Every worker collects, and so submits,
every item: requests are identified by their key, and each is evaluated once.

Messages are JSON, never pickles, and the socket wants a random key. Sending and
receiving are threads of their own, so that a signal in the main thread (Ctrl-C,
pytest-timeout) never leaves half a message behind.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

import msgspec

from pytest_kernelbench.errors import ExecutorError, KernelBenchError, ProblemError
from pytest_kernelbench.model import EvalRequest, EvalResult

if typing.TYPE_CHECKING:
    from pytest_kernelbench.session import Evaluating


Ticket = tuple[str, str]
"""Key of a request and node id: a result is kept under each node id that asks."""


class _Ask(msgspec.Struct, frozen=True, kw_only=True):
    nodeid: str
    request: EvalRequest

    @property
    def ticket(self) -> Ticket:
        return self.request.key, self.nodeid


class _Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ends one future: with a result, an error, or, without either, cancelled."""

    ticket: Ticket
    result: EvalResult | None = None
    error: str | None = None
    problem_at_fault: bool = False


class _Worker:
    """The controller's end of one connection; many threads may have answers for it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._sending = threading.Lock()

    def tell(self, answer: _Answer) -> None:
        message = msgspec.json.encode(answer)
        with contextlib.suppress(OSError), self._sending:  # OSError: it is gone
            self.connection.send_bytes(message)


class Broker:
    """Controller side: serves evaluations to many workers.

    The mutable state is who waits for what, and whether the run is stopping.
    """

    def __init__(self, evaluations: Evaluating) -> None:
        self._evaluations = evaluations
        self._waiting: dict[Ticket, list[_Worker]] = {}
        self._stopped = False
        self._lock = threading.Lock()
        authkey = secrets.token_bytes(32)
        self._listener = Listener(authkey=authkey)
        self.address = {"address": self._listener.address, "authkey": authkey.hex()}
        _thread(self._accept, "broker")

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return  # closed
            except Exception:  # noqa: BLE001, S112  a peer without the key, or gone
                continue
            _thread(self._serve, "broker-worker", _Worker(connection))

    def _serve(self, worker: _Worker) -> None:
        try:
            for message in _messages(worker.connection):
                self._take(msgspec.json.decode(message, type=_Ask), worker)
        finally:
            worker.connection.close()  # whatever ended this: it must not wait for us

    def _take(self, ask: _Ask, worker: _Worker) -> None:
        with self._lock:
            stopped = self._stopped
            if not stopped:
                self._waiting.setdefault(ask.ticket, []).append(worker)
        if stopped:  # a worker that came up late
            worker.tell(_Answer(ticket=ask.ticket))
            return
        future = self._evaluations.submit(ask.request, ask.nodeid)
        future.add_done_callback(lambda done: self._tell(_answer(ask.ticket, done)))

    def _tell(self, answer: _Answer) -> None:
        with self._lock:
            workers = self._waiting.pop(answer.ticket, [])
        for worker in workers:
            worker.tell(answer)

    def stop(self) -> None:
        """Give up on what is not finished; workers that wait are told at once."""
        with self._lock:
            self._stopped = True
            tickets = list(self._waiting)
        for ticket in tickets:
            self._tell(_Answer(ticket=ticket))

    def close(self) -> None:
        self.stop()
        self._listener.close()


class SharedEvaluations:
    """Worker side: asks the controller.

    The mutable state is the futures by ticket.
    """

    def __init__(self, address: Any, authkey: str) -> None:
        self._futures: dict[Ticket, Future[EvalResult]] = {}
        self._lock = threading.Lock()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._gone = False
        try:
            self._connection = Client(address, authkey=bytes.fromhex(authkey))
        except Exception:  # noqa: BLE001  refused, closed, or no socket any more
            self._gone = True
            return
        _thread(self._write, "asks")
        _thread(self._read, "answers")

    def submit(self, request: EvalRequest, nodeid: str) -> Future[EvalResult]:
        ask = _Ask(nodeid=nodeid, request=request)
        with self._lock:
            known = self._futures.get(ask.ticket)
            if known is not None:
                return known
            future = self._futures[ask.ticket] = Future()
        if self._gone:
            _fail(future)
        else:
            self._outbox.put(msgspec.json.encode(ask))
        return future

    def progress(self) -> tuple[int, int]:
        futures = list(self._futures.values())
        return sum(future.done() for future in futures), len(futures)

    def close(self) -> None:
        self._outbox.put(None)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._outbox.get()) is not None:
                self._connection.send_bytes(message)
        # Closed from here, never under a blocked recv(), which would raise TypeError
        # in the reader: the peer's end of file ends it.

    def _read(self) -> None:
        for message in _messages(self._connection):
            answer = msgspec.json.decode(message, type=_Answer)
            _end(self._futures[answer.ticket], answer)
        self._gone = True
        with self._lock:
            futures = list(self._futures.values())
        for future in futures:
            _fail(future)


def _answer(ticket: Ticket, future: Future[EvalResult]) -> _Answer:
    if future.cancelled():
        return _Answer(ticket=ticket)
    error = future.exception()
    if error is None:
        return _Answer(ticket=ticket, result=future.result())
    fault = isinstance(error, ProblemError)
    return _Answer(ticket=ticket, error=str(error), problem_at_fault=fault)


def _end(future: Future[EvalResult], answer: _Answer) -> None:
    if future.done():
        return
    if answer.result is not None:
        future.set_result(answer.result)
    elif answer.error is not None:
        kind = ProblemError if answer.problem_at_fault else ExecutorError
        future.set_exception(kind(answer.error))
    else:
        future.cancel()


def _fail(future: Future[EvalResult]) -> None:
    gone: KernelBenchError = ExecutorError("the controller closed the session")
    if not future.done():
        future.set_exception(gone)


def _messages(connection: Connection) -> Iterator[bytes]:
    with contextlib.suppress(EOFError, OSError):
        while True:
            yield connection.recv_bytes()


def _thread(target: Callable[..., None], name: str, *arguments: Any) -> None:
    threading.Thread(
        target=target, args=arguments, name=f"kernelbench-{name}", daemon=True
    ).start()
