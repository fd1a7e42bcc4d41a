"""All evaluations of a run: submitted together, each awaited where it is needed.

``Evaluations`` belongs to the one process that owns the executor. In an xdist worker
its place is taken by ``broker.SharedEvaluations``; whoever submits cannot tell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from contextlib import nullcontext, suppress
from typing import Protocol

import msgspec
import pytest

from pytest_kernelbench.errors import ExecutorError, KernelBenchError
from pytest_kernelbench.executors import BUILT_IN, ExecutorFactory
from pytest_kernelbench.executors.base import Executor
from pytest_kernelbench.gates import judge, require_assurance, require_kernel
from pytest_kernelbench.history.past import Past, past_of
from pytest_kernelbench.journal import Journal
from pytest_kernelbench.model import EvalRequest, EvalResult, Verdict
from pytest_kernelbench.settings import settings_of

HEARTBEAT_SECONDS = 30.0


class Evaluating(Protocol):
    """Requests in, futures out; equal requests share one evaluation."""

    def submit(self, request: EvalRequest, nodeid: str) -> Future[EvalResult]:
        """Ask for an evaluation; never raises, trouble is an exception of the future."""
        ...

    def progress(self) -> tuple[int, int]:
        """How many are done, of how many."""
        ...

    def close(self) -> None: ...


class Evaluations:
    """The owner: one executor, opened on first use, and the journal.

    The mutable state is the executor (None until something is to be evaluated), the futures and results by key, and the node
    ids to write each result under.
    """

    def __init__(
        self,
        open_executor: Callable[[], Executor],
        journal: Journal | None = None,
        min_assurance: str | None = None,
        past: Past | None = None,
    ) -> None:
        self._open_executor = open_executor
        self.journal = journal
        self._min_assurance = min_assurance
        self._past = past
        self.executor: Executor | None = None
        self._trouble: KernelBenchError | None = None
        self._closed = False
        self._futures: dict[str, Future[EvalResult]] = {}
        self._results: dict[str, EvalResult] = {}
        self._nodeids: dict[str, set[str]] = {}
        self._lock = threading.RLock()

    def submit(self, request: EvalRequest, nodeid: str) -> Future[EvalResult]:
        with self._lock:
            future = self._futures.get(request.key)
            self._announce(request, nodeid)
            if future is None:
                future = self._earlier(request) or self._start(request)
                self._futures[request.key] = future
        return future

    def _announce(self, request: EvalRequest, nodeid: str) -> None:
        nodeids = self._nodeids.setdefault(request.key, set())
        if nodeid not in nodeids:
            nodeids.add(nodeid)
            if request.key in self._results:
                self._write(request, nodeid)

    def _earlier(self, request: EvalRequest) -> Future[EvalResult] | None:
        if self.journal is None or request.attempt > 0:
            return None
        result = self.journal.earlier(request)
        if result is None:
            return None
        note = f"not evaluated again: from {self.journal.path.name}"
        notes = tuple(dict.fromkeys((*result.notes, note)))
        result = msgspec.structs.replace(result, notes=notes)
        if self._past is not None and result.change is None:
            # The run that is continued may not have compared; this one is to.
            result = self._past.judged(result, request.options.alpha)
        future: Future[EvalResult] = Future()
        future.set_result(result)
        return future

    def _start(self, request: EvalRequest) -> Future[EvalResult]:
        judged: Future[EvalResult] = Future()
        executor = None if self._closed else self._opened()
        if executor is not None:
            raw = executor.submit(request)
            raw.add_done_callback(lambda done: self._pass_on(done, judged, request))
        elif self._trouble is not None:
            judged.set_exception(self._trouble)
        else:
            judged.cancel()
        return judged

    def _opened(self) -> Executor | None:
        """The executor; what keeps it from opening is found out once, told per item."""
        if self.executor is None and self._trouble is None:
            try:
                self.executor = self._open_executor()
            except Exception as error:  # noqa: BLE001  a plugin's executor may raise anything
                self._trouble = _explained(error)
        return self.executor

    def _pass_on(
        self, raw: Future[EvalResult], judged: Future[EvalResult], request: EvalRequest
    ) -> None:
        if raw.cancelled():
            judged.cancel()
        elif (error := raw.exception()) is not None:
            judged.set_exception(_explained(error))
        else:
            try:
                result = self._judged(raw.result(), request)
            except Exception as trouble:  # noqa: BLE001  whoever waits must hear of it
                judged.set_exception(_explained(trouble))
                return
            # Written before anyone is told: whoever has seen a result can rely on it.
            with self._lock:
                self._results[request.key] = result
                for nodeid in self._nodeids[request.key]:
                    self._write(request, nodeid)
            judged.set_result(result)

    def _judged(self, result: EvalResult, request: EvalRequest) -> EvalResult:
        if (
            result.verdict is Verdict.ERROR
        ):  # of an executor that returns what it caught
            raise ExecutorError(result.reason or "no reason was given")
        result = judge(request.identified(result), request.options)
        result = require_kernel(result, request)
        result = require_assurance(result, self._min_assurance)
        if self._past is None:
            return result
        return self._past.judged(result, request.options.alpha)

    def _write(self, request: EvalRequest, nodeid: str) -> None:
        if self.journal is not None:
            self.journal.append(nodeid, request, self._results[request.key])

    def progress(self) -> tuple[int, int]:
        futures = list(self._futures.values())
        return sum(future.done() for future in futures), len(futures)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self.executor is not None:
            self.executor.close()
        if self.journal is not None:
            self.journal.close()


EVALUATIONS = pytest.StashKey[Evaluating]()


def evaluations_of(config: pytest.Config) -> Evaluating:
    """This process's way to evaluations, made on first use."""
    if EVALUATIONS not in config.stash:
        config.stash[EVALUATIONS] = _attached(config) or _owned(config)
    return config.stash[EVALUATIONS]


def _attached(config: pytest.Config) -> Evaluating | None:
    address = getattr(config, "workerinput", {}).get("kernelbench", {}).get("broker")
    if address is None:
        return None
    from pytest_kernelbench.broker import SharedEvaluations  # noqa: PLC0415

    return SharedEvaluations(**address)


def _owned(config: pytest.Config) -> Evaluations:
    settings = settings_of(config)
    # A worker on another host has no one to share with, and no one reads its disk.
    remote = hasattr(config, "workerinput")
    return Evaluations(
        lambda: executor_factories(config)[settings.executor](settings),
        None if remote else Journal(settings.storage, resume=settings.resume),
        settings.min_assurance,
        past_of(settings),
    )


def refuse_cost(config: pytest.Config, requests: Iterable[EvalRequest]) -> str | None:
    """Why all this must not be submitted: it might cost more than ``--kb-max-cost``.

    Asked by each process that has all items, before the first is submitted. What an
    executor is asked for later, by fixtures, it refuses one by one.
    """
    settings = settings_of(config)
    if settings.max_cost is None or settings.executor != "modal":
        return None
    from pytest_kernelbench.executors.modal import ModalExecutor  # noqa: PLC0415

    executor = BUILT_IN["modal"](settings)  # starts nothing before it has work
    assert isinstance(executor, ModalExecutor)
    try:
        executor.check_cost(requests)
    except ExecutorError as error:
        return str(error)
    return None


def executor_factories(config: pytest.Config) -> dict[str, ExecutorFactory]:
    """All executors by name; a conftest's wins over a built-in one."""
    factories: dict[str, ExecutorFactory] = {}
    for found in reversed(config.hook.pytest_kernelbench_executors(config=config)):
        factories.update(found)
    return factories


def awaited(config: pytest.Config, request: EvalRequest, nodeid: str) -> EvalResult:
    """Wait for an evaluation, with a line now and then so that no one sees silence.

    Raises:
        ExecutorError: it could not be carried out.
        ProblemError: the problem is at fault.
        CancelledError: the run is stopping.
    """
    evaluations = evaluations_of(config)
    future = evaluations.submit(request, nodeid)
    # Not concurrent.futures.wait(): it never wakes for a future cancelled by hand.
    while not _done_within(future, HEARTBEAT_SECONDS):
        done, total = evaluations.progress()
        _say(config, f"kernelbench: {done} of {total} evaluated, waiting for {nodeid}")
    return future.result()


def _done_within(future: Future[EvalResult], seconds: float) -> bool:
    with suppress(TimeoutError, CancelledError):
        future.exception(timeout=seconds)
    return future.done()


def _say(config: pytest.Config, line: str) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return  # an xdist worker: the controller shows progress
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        terminal.write_line(line)


def _explained(error: BaseException) -> KernelBenchError:
    if isinstance(error, KernelBenchError):
        return error
    return ExecutorError(f"{type(error).__name__}: {error}")
