"""Evaluations on this machine's own devices.

One bench per device: a warm process that candidates are forked from, an oracle, and
a lease, so that imports and builds of the next kernels overlap the timing of this
one but no two kernels are ever timed on one device at once, also not by two pytest
sessions. On the CPU a build would disturb a timing, so there the two alternate.
"""

from __future__ import annotations

import contextlib
import importlib.util
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pytest_kernelbench.engine.audits import AuditCache
from pytest_kernelbench.engine.bridge import Bridge
from pytest_kernelbench.engine.builds import (
    BuildCache,
    default_cache_root,
    evict,
)
from pytest_kernelbench.engine.channel import ChannelError
from pytest_kernelbench.engine.clients import OracleProcess
from pytest_kernelbench.engine.controller import evaluate, is_compiled
from pytest_kernelbench.engine.launcher import CandidateLauncher
from pytest_kernelbench.engine.lease import lease_path
from pytest_kernelbench.engine.sandbox import Sandboxed, Worker, base_environment
from pytest_kernelbench.engine.setup import audit_alone
from pytest_kernelbench.engine.telemetry import telemetry_of
from pytest_kernelbench.errors import ExecutorError, KernelBenchError
from pytest_kernelbench.executors.gpus import Gpu, visible_gpus
from pytest_kernelbench.executors.places import Place, Places
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
_GPU_PLACES = 6
"""Kernels at work on a GPU at a time; one of them is timed, and then only that one."""
_PING_TIMEOUT = 10.0
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


class LocalBench:
    """One device of this machine, and the processes that serve it."""

    def __init__(
        self,
        gpu: Gpu | None,
        build_root: Path,
        audits: AuditCache,
        bridge: Bridge,
        room: BuildRoom,
    ) -> None:
        self.device_kind = "cuda" if gpu else "cpu"
        self.telemetry = telemetry_of(gpu.uuid) if gpu else None
        self.builds = BuildCache(build_root, gpu.capability if gpu else "")
        self.audits = audits
        self.bridge = bridge
        with contextlib.suppress(OSError):  # said when a kernel builds
            bridge.root.mkdir(parents=True, exist_ok=True)
        # Kernels that see little of the file system see what is named here.
        headers = {"PYTEST_KERNELBENCH_HEADERS": str(bridge.root)}
        self._environment = _environment(gpu) | headers
        self.launcher = CandidateLauncher(self._environment)
        self._room = room
        self._quiet = _Quiet() if gpu is None else None
        self._oracle: OracleProcess | None = None
        # What it compiles must not come from where a kernel could have put it.
        self._scratch = tempfile.TemporaryDirectory(
            prefix="kernelbench-oracle-", ignore_cleanup_errors=True
        )
        # Started at once: it takes seconds, in which kernels are built.
        self._starting: Worker | None = self._started_oracle()
        self._places = Places(
            _GPU_PLACES if gpu else 1,
            lease_path(gpu.uuid if gpu else "cpu"),
            self._running_oracle,
            self.launcher.running,
        )

    @contextlib.contextmanager
    def building(self, candidate: Sandboxed) -> Iterator[None]:
        aside = self._quiet.noise() if self._quiet else self._places.building(candidate)
        with self._room.taken(beside_timing=self._quiet is None), aside:
            yield

    @contextlib.contextmanager
    def place(self, candidate: Sandboxed, *, alone: bool) -> Iterator[Place]:
        with (
            self._quiet.silence() if self._quiet else _nothing(),
            self._places.taken(candidate, alone=alone) as place,
        ):
            yield place

    def audit(self, request: EvalRequest) -> Audit:
        with self._places.taken(None, alone=True) as place:
            return audit_alone(place.oracle, request, self.audits)

    def _running_oracle(self) -> OracleProcess:
        """One that can be relied on; asked for while nobody uses it."""
        oracle = self._oracle
        if oracle is not None and not (oracle.usable and _answers(oracle)):
            self._drop_oracle()  # whoever ended it, this kernel has not run yet
        if self._oracle is None:
            worker = self._starting or self._started_oracle()
            self._starting = None
            worker.wait_ready()
            self._oracle = OracleProcess(worker)
        return self._oracle

    def _started_oracle(self) -> Worker:
        compilers = {
            "TORCHINDUCTOR_CACHE_DIR": f"{self._scratch.name}/inductor",
            "TRITON_CACHE_DIR": f"{self._scratch.name}/triton",
        }
        environment = self._environment | compilers
        worker = Worker("pytest_kernelbench.engine.oracle", environment)
        with contextlib.suppress(ChannelError):
            worker.channel.send({"device": self.device_kind})
        return worker

    def _drop_oracle(self) -> None:
        oracle, self._oracle = self._oracle, None
        if oracle is not None:
            oracle.worker.kill()

    def close(self) -> None:
        self.builds.close()
        self._places.close()
        self.launcher.close()
        self._drop_oracle()
        if self._starting is not None:
            self._starting.kill()
        self._scratch.cleanup()


def _answers(oracle: OracleProcess) -> bool:
    try:
        oracle.session().ask(_PING_TIMEOUT, do="end")
    except KernelBenchError:
        return False
    return True


class _Quiet:
    """Many may be noisy at once; silence waits for all of them and keeps new ones out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._noisy = 0
        self._silent = False

    @contextlib.contextmanager
    def noise(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._silent)
            self._noisy += 1
        try:
            yield
        finally:
            with self._changed:
                self._noisy -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._silent)
            self._silent = True
            self._changed.wait_for(lambda: self._noisy == 0)
        try:
            yield
        finally:
            with self._changed:
                self._silent = False
                self._changed.notify_all()


def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernelbench")


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextlib.contextmanager
def _nothing() -> Iterator[None]:
    yield


def _environment(gpu: Gpu | None) -> dict[str, str]:
    if gpu is None:
        # Triton without a GPU has only its interpreter, and looks for it on import.
        return base_environment(CUDA_VISIBLE_DEVICES="", TRITON_INTERPRET="1")
    return base_environment(
        CUDA_VISIBLE_DEVICES=gpu.uuid, TORCH_CUDA_ARCH_LIST=gpu.capability
    )


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
