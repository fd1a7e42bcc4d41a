"""The same evaluations without pytest: for search, evolution and RL loops.

One warm executor serves every call, from any thread. Kernels are text or files,
problems are ids or ``Problem``s; nothing of either is imported in this process.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from pytest_kernelbench import streams, values
from pytest_kernelbench.errors import ExecutorError, SettingError
from pytest_kernelbench.executors.base import Executor, Metered
from pytest_kernelbench.executors.gpus import default_device
from pytest_kernelbench.gates import judge, require_kernel
from pytest_kernelbench.kernels import kernel_from_text, read_kernel
from pytest_kernelbench.model import (
    EvalRequest,
    EvalResult,
    Kernel,
    Options,
    Problem,
    Verdict,
)
from pytest_kernelbench.problems import ProblemLibrary
from pytest_kernelbench.problems.builtin import sized_for

if TYPE_CHECKING:
    from pytest_kernelbench.executors.modal_prices import CostEstimate

KernelLike = str | Path | Kernel
ProblemLike = str | Problem
Pair = tuple[KernelLike, ProblemLike]


class Evaluator:
    """Evaluates kernels on one device for as long as it is open.

    May be shared by threads. Each evaluation draws a seed of its own, which its
    result names, unless ``seed`` is among the options.

    Args:
        gpu: a Modal GPU such as ``L40S``; without it this machine's device.
        device: ``cpu``, ``cuda`` or ``cuda:1``; by default the GPU if there is one.
        problems: where problem ids are looked up, as for ``--kb-problems``.
        executor: an executor to use instead; it is closed with the evaluator.
        modal_app: on Modal, the deployed app to use.
        isolation: on Modal, ``container`` for one container per evaluation.
        max_cost: on Modal, dollars: what might cost more in the worst case, together
            with what was spent and what is running, is refused.
        parallel: on Modal, containers at a time.
        options: defaults of every call, the fields of ``model.Options``.

    Raises:
        SettingError: an option that does not exist or cannot be used.
    """

    def __init__(  # noqa: PLR0913  a line for each thing that can be chosen
        self,
        *,
        gpu: str | None = None,
        device: str | None = None,
        problems: Sequence[str] = (),
        executor: Executor | None = None,
        modal_app: str | None = None,
        isolation: Literal["process", "container"] | None = None,
        max_cost: float | None = None,
        parallel: int | None = None,
        **options: Any,
    ) -> None:
        if gpu is not None and device is not None:
            raise SettingError("device is for this machine: drop it or gpu")
        if isinstance(executor, str):
            raise SettingError(
                f"executor: expected an Executor, got '{executor}': "
                "gpu is for Modal, device for this machine"
            )
        gpu = gpu and _one_gpu(gpu)
        modal = {
            "deployed": modal_app,
            "isolation": isolation,
            "max_cost": max_cost,
            "parallel": parallel,
        }
        chosen = {name: value for name, value in modal.items() if value is not None}
        if chosen and (gpu is None or executor is not None):
            raise SettingError(
                "modal_app, isolation, max_cost and parallel are for Modal: add gpu"
            )
        self._options = _with(Options(), options)
        self._seeded = "seed" in options
        self._library = ProblemLibrary.open(problems, root=Path.cwd())
        self._library_lock = threading.Lock()
        if device is not None and executor is None:
            _checked("device", device)
        self._device = gpu or device or default_device()
        self._executor = executor or _open_executor(gpu, chosen)

    @property
    def cost(self) -> CostEstimate | None:
        """What was spent so far and may yet be; None where nothing is billed."""
        executor = self._executor
        return executor.cost_estimate() if isinstance(executor, Metered) else None

    def submit(
        self,
        kernel: KernelLike,
        problem: ProblemLike,
        *,
        base: KernelLike | None = None,
        **options: Any,
    ) -> Future[EvalResult]:
        """Start an evaluation; its future has the result or the trouble.

        Cancelling the future cancels the evaluation if it has not begun; what has
        begun goes on until it is done or the evaluator is closed.

        With a ``base``, this kernel is timed beside that one: ``result.change``.

        Raises:
            KernelBenchError: the kernel's file, the problem or an option is unusable.
        """
        request = self._request(kernel, problem, options, base)
        raw = self._executor.submit(request)
        return _after(raw, lambda done: _judged(_result(done), request))

    def evaluate(
        self,
        kernel: KernelLike,
        problem: ProblemLike,
        *,
        base: KernelLike | None = None,
        **options: Any,
    ) -> EvalResult:
        """Evaluate one kernel and wait.

        Raises:
            KernelBenchError: it could not be evaluated; a bad kernel is a verdict.
        """
        return self.submit(kernel, problem, base=base, **options).result()

    async def evaluate_async(
        self,
        kernel: KernelLike,
        problem: ProblemLike,
        *,
        base: KernelLike | None = None,
        **options: Any,
    ) -> EvalResult:
        """``evaluate`` for an event loop; many may be awaited at once."""
        return await asyncio.wrap_future(
            self.submit(kernel, problem, base=base, **options)
        )

    def evaluate_many(
        self,
        pairs: Iterable[Pair],
        *,
        ordered: bool = False,
        in_flight: int = 32,
        **options: Any,
    ) -> Iterator[EvalResult]:
        """Evaluate pairs of kernel and problem, yielding results as they finish.

        ``pairs`` is read as results are taken, never more than ``in_flight`` ahead.
        Trouble with one pair is a result with the verdict ``ERROR``, not the end.
        Whoever stops taking results cancels what has not begun.

        Args:
            pairs: (kernel, problem); a kernel given as text is named by its index.
            ordered: yield in the order of the pairs.
            in_flight: how many may be unfinished, or finished and not yet taken.
            options: as for ``evaluate``.
        """
        futures = self._started(pairs, in_flight, options)
        return streams.results(futures, ordered=ordered, in_flight=in_flight)

    def stream(
        self,
        pairs: Iterable[Pair],
        *,
        ordered: bool = False,
        in_flight: int = 32,
        **options: Any,
    ) -> AsyncIterator[EvalResult]:
        """``evaluate_many`` for an event loop."""
        futures = self._started(pairs, in_flight, options)
        return streams.results_async(futures, ordered=ordered, in_flight=in_flight)

    def close(self) -> None:
        """End what is running and let the device go."""
        self._executor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(
        self, pairs: Iterable[Pair], in_flight: int, options: dict[str, Any]
    ) -> Iterator[Future[EvalResult]]:
        """Futures without exceptions, each started when it is asked for."""
        if in_flight < 1:
            raise SettingError(f"in_flight: expected at least 1, got {in_flight}")
        _with(self._options, options)  # wrong for all pairs is no trouble of one
        return (
            self._told(index, pair, options) for index, pair in enumerate(iter(pairs))
        )

    def _told(
        self, index: int, pair: Pair, options: dict[str, Any]
    ) -> Future[EvalResult]:
        kernel: KernelLike = f"kernel_{index}.py"
        problem: ProblemLike = ""
        try:
            kernel, problem = pair
            kernel = _named(kernel, index)
            future = self.submit(kernel, problem, **options)
        except Exception as error:  # noqa: BLE001  of one pair, whatever it is
            future = Future()
            future.set_exception(error)

        def tell(done: Future[EvalResult]) -> EvalResult:
            try:
                return done.result()
            except Exception as error:  # noqa: BLE001  see above
                return self._error(kernel, problem, error)

        return _after(future, tell)

    def _error(
        self, kernel: KernelLike, problem: ProblemLike, error: Exception
    ) -> EvalResult:
        return EvalResult(
            verdict=Verdict.ERROR,
            reason=str(error) or type(error).__name__,
            kernel=kernel.path if isinstance(kernel, Kernel) else str(kernel),
            problem=problem.id if isinstance(problem, Problem) else str(problem),
            device=self._device,
            executor=self._executor.name,
        )

    def _request(
        self,
        kernel: KernelLike,
        problem: ProblemLike,
        options: dict[str, Any],
        base: KernelLike | None,
    ) -> EvalRequest:
        if not self._seeded:
            options = {"seed": secrets.randbits(62)} | options
        if isinstance(problem, str):
            with self._library_lock:  # sources are opened when they are first needed
                problem = self._library.find(problem)
        return EvalRequest(
            kernel=_read(kernel),
            problem=sized_for(problem, self._device),
            device=self._device,
            options=_with(self._options, options),
            base=None if base is None else _read(base),
        )


def _one_gpu(name: str) -> str:
    try:
        gpus = values.gpus(name)
    except ValueError as error:
        raise SettingError(f"gpu: {error}") from None
    if len(gpus) != 1:
        raise SettingError(f"gpu: expected one GPU, got '{name}'")
    return gpus[0]


def _open_executor(gpu: str | None, chosen: dict[str, Any]) -> Executor:
    if gpu is None:
        from pytest_kernelbench.executors.local import LocalExecutor  # noqa: PLC0415

        return LocalExecutor()
    from pytest_kernelbench.executors.modal import ModalExecutor  # noqa: PLC0415
    from pytest_kernelbench.executors.modal_settings import (  # noqa: PLC0415
        ModalSettings,
    )

    return ModalExecutor(ModalSettings(**chosen))


def _with(options: Options, changes: dict[str, Any]) -> Options:
    builtins = {**options.to_builtins(), **changes}
    unknown = changes.keys() - set(Options.__struct_fields__)
    if unknown:
        known = ", ".join(Options.__struct_fields__)
        raise SettingError(f"no option {min(unknown)!r}; there are {known}")
    for name, value in changes.items():
        if value is not None and name in values.OF_OPTIONS:
            _checked(name, str(value))
    try:
        return Options.from_builtins(builtins)
    except msgspec.ValidationError as error:
        raise SettingError(str(error)) from None


def _checked(name: str, value: str) -> None:
    try:
        values.OF_OPTIONS[name](value)
    except ValueError as error:
        raise SettingError(f"{name}: {error}") from None


def _named(kernel: KernelLike, index: int) -> KernelLike:
    is_text = isinstance(kernel, str) and "\n" in kernel
    return kernel_from_text(str(kernel), f"kernel_{index}.py") if is_text else kernel


def _read(kernel: KernelLike) -> Kernel:
    if isinstance(kernel, Kernel):
        return kernel
    if isinstance(kernel, str) and "\n" in kernel:
        return kernel_from_text(kernel, "kernel.py")
    return read_kernel(Path(kernel)).kernel(str(kernel))


def _result(raw: Future[EvalResult]) -> EvalResult:
    try:
        return raw.result()
    except CancelledError:
        message = "the evaluator was closed"
    raise ExecutorError(message)


def _judged(result: EvalResult, request: EvalRequest) -> EvalResult:
    return require_kernel(judge(result, request.options), request)


def _after(
    raw: Future[EvalResult], finish: Callable[[Future[EvalResult]], EvalResult]
) -> Future[EvalResult]:
    """What becomes of a future's outcome; cancelling the one cancels the other."""
    outcome: Future[EvalResult] = Future()

    def settle(done: Future[EvalResult]) -> None:
        if not outcome.set_running_or_notify_cancel():
            return
        try:
            outcome.set_result(finish(done))
        except Exception as error:  # noqa: BLE001  it is the outcome
            outcome.set_exception(error)

    outcome.add_done_callback(lambda ended: ended.cancelled() and raw.cancel())
    raw.add_done_callback(settle)
    return outcome
