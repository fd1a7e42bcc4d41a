"""One evaluation on Modal, from request to result, and again if need be.

A container that dies does not say whose fault it was: Modal re-runs the work and,
in an app of one's own, at last fails everything in the same queue. So each kernel
that lost its container is tried once more alone. If that one dies too, it was the
kernel; if not, the kernel has its result and lost nothing.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import time

import msgspec

from pytest_kernelbench.engine.suspects import not_compared
from pytest_kernelbench.errors import ExecutorError, ProblemError
from pytest_kernelbench.executors.modal_app import Reply
from pytest_kernelbench.executors.modal_failures import (
    Cause,
    NoCredentialsError,
    OverdueError,
    TransientError,
    calling,
)
from pytest_kernelbench.executors.modal_gpus import Gpu, gpu_named
from pytest_kernelbench.executors.modal_ledger import Ledger
from pytest_kernelbench.executors.modal_session import (
    Place,
    Session,
    container_limit,
    deployed_app,
    own_app,
    preflight,
)
from pytest_kernelbench.executors.modal_settings import ModalSettings
from pytest_kernelbench.model import EvalRequest, EvalResult, Verdict

OPENING_GRACE = 5.0
"""Seconds for an app that is being made to become one that can be stopped."""


class Work:
    """Lives in one event loop."""

    def __init__(
        self,
        settings: ModalSettings,
        ledger: Ledger,
        retry_causes: collections.Counter[str],
    ) -> None:
        self._settings, self._ledger = settings, ledger
        self._retry_causes = retry_causes
        self._slots = collections.defaultdict[str, asyncio.Semaphore](
            lambda: asyncio.Semaphore(settings.parallel)
        )
        self._alone = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()
        self.opening: asyncio.Task[Session] | None = None

    async def evaluate(self, request: EvalRequest) -> EvalResult:
        gpu = None if request.device == "cpu" else gpu_named(request.device)
        try:
            session = await self._session()
        except NoCredentialsError as missing:
            return _verdict(request, Verdict.NO_DEVICE, str(missing))
        async with self._slots[request.device]:
            return await self._attempts(session, request, gpu)

    async def close(self) -> None:
        """Leave the app: Modal then stops whatever is left of it."""
        if self.opening is not None:
            await asyncio.wait([self.opening], timeout=OPENING_GRACE)
            self.opening.cancel()
            await asyncio.gather(self.opening, return_exceptions=True)
        await self._stack.aclose()

    async def _session(self) -> Session:
        if self.opening is None:
            self.opening = asyncio.create_task(self._open())
        return await asyncio.shield(self.opening)

    async def _open(self) -> Session:
        settings = self._settings
        parameters = {"evaluator": settings.evaluator, "device": settings.device}
        await preflight(settings.preflight_limit)
        if settings.deployed is not None:
            name, environment = settings.deployed, settings.environment
            return await deployed_app(name, parameters, environment)
        app = own_app(parameters, settings.recipe, settings.size, settings.environment)
        return await self._stack.enter_async_context(app)

    async def _attempts(
        self, session: Session, request: EvalRequest, gpu: Gpu | None
    ) -> EvalResult:
        suspected = False
        for attempt in itertools.count():
            place = self._place(request, gpu, alone=suspected)
            try:
                async with self._alone if suspected else contextlib.nullcontext():
                    return await self._once(session, place, request)
            except OverdueError as overdue:
                return _verdict(request, Verdict.TIMEOUT, _overdue(place, overdue))
            except TransientError as trouble:
                died = trouble.cause is Cause.CONTAINER
                if died and suspected and request.base is not None:
                    return await self._without_base(session, request, gpu)
                if died and suspected:
                    return _verdict(request, Verdict.CRASH, _crashed(trouble))
                if attempt >= self._settings.retries and not died:
                    text = f"{trouble}; tried {attempt + 1} times"
                    raise ExecutorError(text) from trouble
                suspected = suspected or died
                self._retry_causes[trouble.cause.value] += 1
                await asyncio.sleep(self._delay(trouble.cause, attempt))
        raise AssertionError

    async def _without_base(
        self, session: Session, request: EvalRequest, gpu: Gpu | None
    ) -> EvalResult:
        """What takes a container down may be the base, which is no fault of a kernel."""
        assert request.base is not None
        alone = msgspec.structs.replace(request, base=None)
        result = await self._attempts(session, alone, gpu)
        note = not_compared(request.base, "together they take their container down")
        return msgspec.structs.replace(result, notes=(*result.notes, note))

    async def _once(
        self, session: Session, place: Place, request: EvalRequest
    ) -> EvalResult:
        started = time.monotonic()
        limit = place.limit + self._settings.queue_limit
        try:
            with calling():
                answer = await session.call(place, request.to_json(), limit)
        except BaseException:
            seconds = min(time.monotonic() - started, place.limit)
            self._ledger.lost(request.device, seconds)
            raise
        return self._read(answer, request)

    def _read(self, answer: bytes, request: EvalRequest) -> EvalResult:
        try:
            reply = msgspec.json.decode(answer, type=Reply)
        except msgspec.MsgspecError as error:
            text = f"the container's answer cannot be read: {error}"
            raise ExecutorError(text) from error
        self._ledger.answered(reply.container, request.device, reply.alive)
        if reply.error is not None:
            raise _trouble(reply.error.kind, reply.error.message)
        if reply.ok is None:
            raise ExecutorError("the container's answer is empty")
        return reply.ok

    def _place(self, request: EvalRequest, gpu: Gpu | None, *, alone: bool) -> Place:
        return Place(
            gpu=gpu,
            limit=container_limit(request.most_seconds),
            single_use=alone or self._settings.isolation == "container",
            max_containers=1 if alone else self._settings.parallel,
        )

    def _delay(self, cause: Cause, attempt: int) -> float:
        slow = 5 if cause is Cause.QUOTA else 1
        return float(self._settings.backoff * slow * 2**attempt)


def _trouble(kind: str, message: str) -> Exception:
    if kind == "problem":
        return ProblemError(message)
    if kind == "device":
        return TransientError(Cause.DEVICE, message)
    return ExecutorError(message)


def _overdue(place: Place, overdue: OverdueError) -> str:
    return (
        f"Modal stopped the container after {place.limit} s: the evaluation's own "
        f"limits did not end it ({overdue})"
    )


def _crashed(trouble: TransientError) -> str:
    return f"took its container down, also when it ran alone: {trouble}"


def _verdict(request: EvalRequest, verdict: Verdict, reason: str) -> EvalResult:
    """A result that no engine could give."""
    return EvalResult(
        verdict=verdict,
        reason=reason,
        kernel=request.kernel.path,
        problem=request.problem.id,
        problem_name=request.problem.name,
        device=request.device,
        executor="modal",
        backend=request.kernel.backend,
        precision=request.options.precision,
        seed=request.options.seed,
    )
