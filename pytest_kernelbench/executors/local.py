"""Evaluations on this machine's own devices: a bench for each, a thread for each one."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pytest_kernelbench.engine.auditing.cache import AuditCache
from pytest_kernelbench.engine.building.bridge import Bridge
from pytest_kernelbench.engine.building.cache import (
    default_cache_root,
    evict,
)
from pytest_kernelbench.engine.controller import evaluate, is_compiled
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.executors.gpus import Gpu, visible_gpus
from pytest_kernelbench.executors.local_bench import LocalBench
from pytest_kernelbench.executors.room import BuildRoom
from pytest_kernelbench.model import (
    Audit,
    EvalRequest,
    EvalResult,
    Kernel,
    Options,
    Problem,
    Verdict,
)

_NEEDS_CUDA = frozenset(
    {"cuda", "hip", "tilelang", "cute", "cutlass", "thunderkittens"}
)
_AHEAD = 8
"""Kernels for GPUs that are built and wait for a place, beside those being built."""


class LocalExecutor:
    """Runs evaluations in child processes of this one."""

    name = "local"

    def __init__(self, cache_dir: Path | None = None) -> None:
        root = cache_dir or default_cache_root()
        self._build_root = root / "builds"
        self._audits = AuditCache(root / "audits")
        self._bridge = Bridge(root / "headers")
        self._lock = threading.Lock()
        self._benches: dict[str, LocalBench] = {}
        self._gpus: Sequence[Gpu] | None = None
        self._next = 0
        self._closed = False
        self._build_room = BuildRoom()
        self._pools = {
            "cpu": _pool(max(2, min(8, self._build_room.cores))),
            "cuda": _pool(self._build_room.most + _AHEAD),
        }

    def submit(self, request: EvalRequest) -> Future[EvalResult]:
        try:
            if request.options.fast_build and is_compiled(request.kernel):
                self._bridge.begin()
            kind = "cpu" if request.device == "cpu" else "cuda"
            return self._pools[kind].submit(self._evaluate, request)
        except RuntimeError:  # shut down
            future: Future[EvalResult] = Future()
            future.set_exception(ExecutorError("the executor was closed"))
            return future

    def _evaluate(self, request: EvalRequest) -> EvalResult:
        if not _is_installed("torch"):
            raise ExecutorError(
                "torch is not installed: pip install 'pytest-kernelbench[local]'"
            )
        device = self._device_for(request)
        if isinstance(device, EvalResult):
            return device
        result = evaluate(request, self._bench(device))
        if self._closed:  # what was killed by us is not the kernel's crash
            raise ExecutorError("the executor was closed")
        return result

    def audit(self, problem: Problem, device: str, options: Options) -> Audit:
        """What a problem asks of kernels, without one.

        Raises:
            ProblemError: the problem fails by itself.
            ExecutorError: there is no such device, or the oracle was lost.
        """
        request = EvalRequest(
            kernel=Kernel(path="", source=""),
            problem=problem,
            device=device,
            options=options,
        )
        found = self._device_for(request)
        if isinstance(found, EvalResult):
            raise ExecutorError(found.reason)
        return self._bench(found).audit(request)

    def _device_for(self, request: EvalRequest) -> Gpu | EvalResult | None:
        """The GPU to use, None for the CPU, or the result that there is none."""
        if request.device == "cpu":
            if request.kernel.backend in _NEEDS_CUDA:
                return _no_device(request, f"{request.kernel.backend} needs a GPU")
            if request.kernel.backend == "triton" and not _is_installed("triton"):
                # torch for CPUs does not bring it, and what is missing is no bug.
                return _no_device(request, "Triton is not installed")
            return None
        gpus = self._visible_gpus()
        if not gpus:
            return _no_device(request, "no NVIDIA GPU is visible here")
        _, _, index = request.device.partition(":")
        if not index:
            return self._next_gpu(gpus)
        if int(index) >= len(gpus):
            return _no_device(request, f"there are only {len(gpus)} GPUs")
        return gpus[int(index)]

    def _visible_gpus(self) -> Sequence[Gpu]:
        with self._lock:
            if self._gpus is None:
                self._gpus = visible_gpus()
            return self._gpus

    def _next_gpu(self, gpus: Sequence[Gpu]) -> Gpu:
        with self._lock:
            self._next += 1
            return gpus[self._next % len(gpus)]

    def _bench(self, gpu: Gpu | None) -> LocalBench:
        name = gpu.uuid if gpu else "cpu"
        with self._lock:
            if self._closed:
                raise ExecutorError("the executor was closed")
            if name not in self._benches:
                self._benches[name] = LocalBench(
                    gpu, self._build_root, self._audits, self._bridge, self._build_room
                )
            return self._benches[name]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            benches = list(self._benches.values())
        # Ending the processes ends the waits of the threads that talk to them.
        for bench in benches:
            bench.close()
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        evict(self._build_root)


def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernelbench")


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _no_device(request: EvalRequest, reason: str) -> EvalResult:
    return EvalResult(
        verdict=Verdict.NO_DEVICE,
        reason=reason,
        kernel=request.kernel.path,
        problem=request.problem.id,
        problem_name=request.problem.name,
        device=request.device,
        backend=request.kernel.backend,
        precision=request.options.precision,
        seed=request.options.seed,
    )
