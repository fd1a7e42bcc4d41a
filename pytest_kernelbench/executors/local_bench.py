"""One device of this machine, and the processes that serve it.

A warm process that candidates are forked from, an oracle, and places, so that imports
and builds of the next kernels overlap the timing of this one but no two kernels are
ever timed on one device at once, also not by two pytest sessions. On the CPU a build
would disturb a timing, so there the two alternate.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pytest_kernelbench.engine.auditing.cache import AuditCache
from pytest_kernelbench.engine.building.bridge import Bridge
from pytest_kernelbench.engine.building.cache import BuildCache
from pytest_kernelbench.engine.channel import ChannelError
from pytest_kernelbench.engine.clients import OracleProcess
from pytest_kernelbench.engine.isolation.launcher import CandidateLauncher
from pytest_kernelbench.engine.isolation.sandbox import (
    Sandboxed,
    Worker,
    base_environment,
)
from pytest_kernelbench.engine.lease import lease_path
from pytest_kernelbench.engine.setup import audit_alone
from pytest_kernelbench.engine.telemetry import telemetry_of
from pytest_kernelbench.errors import KernelBenchError
from pytest_kernelbench.executors.gpus import Gpu
from pytest_kernelbench.executors.places import Place, Places
from pytest_kernelbench.executors.quiet import Quiet
from pytest_kernelbench.executors.room import BuildRoom
from pytest_kernelbench.model import Audit, EvalRequest

_GPU_PLACES = 6
"""Kernels at work on a GPU at a time; one of them is timed, and then only that one."""
_PING_TIMEOUT = 10.0


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
        lease = lease_path(gpu.uuid if gpu else "cpu")  # before anything is started
        self.device_kind = "cuda" if gpu else "cpu"
        self.telemetry = telemetry_of(gpu.uuid) if gpu else None
        self.builds = BuildCache(build_root, gpu.capability if gpu else "")
        self.audits = audits
        self.bridge = bridge
        with contextlib.suppress(OSError):  # said when a kernel builds
            bridge.root.mkdir(parents=True, exist_ok=True)
        # Kernels that see little of the file system see what is named here.
        headers = {"KERNELBENCH_HEADERS": str(bridge.root)}
        self._environment = _environment(gpu) | headers
        self.launcher = CandidateLauncher(self._environment)
        self._room = room
        self._quiet = Quiet() if gpu is None else None
        self._oracle: OracleProcess | None = None
        # What it compiles must not come from where a kernel could have put it.
        self._scratch = tempfile.TemporaryDirectory(
            prefix="kernelbench-oracle-", ignore_cleanup_errors=True
        )
        # Started at once: it takes seconds, in which kernels are built.
        self._starting: Worker | None = self._started_oracle()
        self._places = Places(
            _GPU_PLACES if gpu else 1,
            lease,
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
            self._quiet.silence() if self._quiet else contextlib.nullcontext(),
            self._places.taken(candidate, alone=alone) as place,
        ):
            yield place

    def audit(self, request: EvalRequest) -> Audit:
        with (
            self._quiet.silence() if self._quiet else contextlib.nullcontext(),
            self._places.taken(None, alone=True) as place,
        ):
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


def _environment(gpu: Gpu | None) -> dict[str, str]:
    if gpu is None:
        # Triton without a GPU has only its interpreter, and looks for it on import.
        return base_environment(CUDA_VISIBLE_DEVICES="", TRITON_INTERPRET="1")
    return base_environment(
        CUDA_VISIBLE_DEVICES=gpu.uuid, TORCH_CUDA_ARCH_LIST=gpu.capability
    )
