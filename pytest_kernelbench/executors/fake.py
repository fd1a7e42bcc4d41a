"""A scripted executor: results come from comments in the kernel.

For this project's own tests and for users who test their own hooks and reports
without a GPU: ``--kb-executor=fake``. A kernel says what shall become of it in
comments such as ``# fake: verdict=WRONG reason='off by one' speedup=1.3 sleep=0.2``.
The keys are ``verdict``, ``reason``, ``speedup`` (with ``spread``, the relative
half-width of its interval), ``runtime`` (seconds; a base's is compared with it), ``log``, ``sleep`` (seconds),
``assurance``, ``registers`` (of one device function named ``fake``),
``limit`` and ``note`` (texts), ``torch`` (its version), ``chip`` (the device's name),
``problem_error``,
``error`` (an ``ExecutorError`` with this text) and ``flaky`` (verdict of the first
attempt only); ``\\n`` in a text is a line break. Events are appended to the file
named by ``KB_FAKE_LOG``.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, cast

from pytest_kernelbench.engine.suspects import not_compared, reference_of
from pytest_kernelbench.errors import ExecutorError, ProblemError
from pytest_kernelbench.model import (
    Baseline,
    Change,
    EvalRequest,
    EvalResult,
    Interval,
    Replayed,
    Resources,
    Runtime,
    Verdict,
)
from pytest_kernelbench.statistics import change_of

Assurance = Literal["L0", "L1", "L2", "L3"]
_SCRIPT = re.compile(r"(?:#|//)\s*fake:\s*(.*)")


class FakeExecutor:
    """Answers as the kernels' comments say, a few at a time."""

    name = "fake"

    def __init__(self, slots: int = 8) -> None:
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="kernelbench-fake")
        self._closing = threading.Event()
        _record("open")

    def submit(self, request: EvalRequest) -> Future[EvalResult]:
        _record("submit", request)
        try:
            return self._pool.submit(self._evaluate, request)
        except RuntimeError:  # shut down
            future: Future[EvalResult] = Future()
            future.set_exception(ExecutorError("the executor was closed"))
            return future

    def _evaluate(self, request: EvalRequest) -> EvalResult:
        _record("start", request)
        script = _script_of(request.kernel.source)
        if self._closing.wait(float(script.get("sleep", 0))):
            raise ExecutorError("the executor was closed")
        if "error" in script:
            raise ExecutorError(script["error"])
        if "problem_error" in script:
            raise ProblemError(script["problem_error"])
        _record("done", request)
        return _result(request, script)

    def close(self) -> None:
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        _record("close")


def _script_of(source: str) -> dict[str, str]:
    words = [word for line in _SCRIPT.findall(source) for word in shlex.split(line)]
    return dict(word.replace("\\n", "\n").partition("=")[::2] for word in words)


def _result(request: EvalRequest, script: dict[str, str]) -> EvalResult:
    verdict = Verdict(script.get("verdict", "PASS"))
    if "flaky" in script:
        verdict = Verdict(script["flaky"]) if request.attempt == 0 else Verdict.PASS
    absent = verdict is Verdict.NO_DEVICE
    timed = verdict is Verdict.PASS and request.options.timing
    change, unlike = _change(request, script) if timed else (None, ())
    runtime = _runtime_of(script)
    speedup = float(script.get("speedup", 1.5))
    spread = speedup * float(script.get("spread", 0.01))
    return EvalResult(
        verdict=verdict,
        reason=script.get("reason", "" if verdict is Verdict.PASS else "as scripted"),
        kernel=request.kernel.path,
        problem=request.problem.id,
        problem_name=request.problem.name,
        device=request.device,
        device_name=script.get("chip", f"fake {request.device}"),
        executor="fake",
        backend=request.kernel.backend,
        precision=request.options.precision,
        seed=request.options.seed,
        built=None if absent else verdict is not Verdict.BUILD,
        correct=None if absent or verdict is Verdict.BUILD else not verdict.is_failure,
        runtime=_constant(runtime) if timed else None,
        baseline=Baseline(kind="eager", runtime=_constant(runtime * speedup))
        if timed
        else None,
        speedup=Interval(value=speedup, low=speedup - spread, high=speedup + spread)
        if timed
        else None,
        graph=_replayed(runtime, script) if timed and request.options.graph else None,
        resources=_resources(script),
        assurance=cast(Assurance, script.get("assurance", "L1")),
        limits=(script["limit"],) if "limit" in script else (),
        notes=(*unlike, script["note"]) if "note" in script else unlike,
        change=change,
        build_seconds=0.0,
        elapsed_seconds=float(script.get("sleep", 0)),
        log=script.get("log", ""),
        environment={"torch": script["torch"]} if "torch" in script else {},
    )


def _change(
    request: EvalRequest, script: dict[str, str]
) -> tuple[Change | None, tuple[str, ...]]:
    """As the base's script and the kernel's have it, or the note that it cannot be."""
    if request.base is None:
        return None, ()
    then = _script_of(request.base.source)
    if then.get("verdict", "PASS") != "PASS":
        return None, (not_compared(request.base, f"the base is {then['verdict']}"),)
    before, spread = _runtime_of(then), float(script.get("spread", 0.01))
    value = before / _runtime_of(script)
    speedup = Interval(value=value, low=value - spread, high=value + spread)
    change = Change(
        verdict=change_of(speedup, 0.0),
        against=reference_of(request.base),
        speedup=speedup,
        before=_constant(before),
        noise=0.0,
    )
    return change, ()


def _runtime_of(script: dict[str, str]) -> float:
    return float(script.get("runtime", 1e-3))


def _replayed(runtime: float, script: dict[str, str]) -> Replayed | None:
    if "graph" not in script:
        return None
    value = float(script["graph"])
    return Replayed(
        runtime=_constant(runtime / 2),
        baseline=_constant(runtime / 2 * value),
        speedup=Interval(value=value, low=value * 0.99, high=value * 1.01),
    )


def _resources(script: dict[str, str]) -> tuple[Resources, ...]:
    if "registers" not in script:
        return ()
    registers = int(script["registers"])
    fake = Resources(
        function="fake", registers=registers, spilled_bytes=0, shared_bytes=0
    )
    return (fake,)


def _constant(seconds: float) -> Runtime:
    return Runtime(
        median=seconds,
        low=seconds * 0.99,
        high=seconds * 1.01,
        mean=seconds,
        stddev=0.0,
        min=seconds,
        max=seconds,
        q1=seconds,
        q3=seconds,
        calls=3,
        samples=(seconds,) * 3,
    )


def _record(event: str, request: EvalRequest | None = None) -> None:
    path = os.environ.get("KB_FAKE_LOG")
    if path is None:
        return
    line = (
        event if request is None else f"{event} {request.kernel.path} {request.device}"
    )
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
