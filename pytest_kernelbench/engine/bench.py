"""What the place where an evaluation runs provides."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from pytest_kernelbench.engine.auditing.cache import AuditCache
from pytest_kernelbench.engine.building.bridge import Bridge
from pytest_kernelbench.engine.building.cache import BuildCache
from pytest_kernelbench.engine.clients import OracleClient
from pytest_kernelbench.engine.isolation.launcher import CandidateLauncher
from pytest_kernelbench.engine.isolation.sandbox import Sandboxed
from pytest_kernelbench.engine.telemetry import Telemetry
from pytest_kernelbench.model import Audit, EvalRequest


class Place(Protocol):
    """One evaluation's place at a device that several may share."""

    oracle: OracleClient
    alone: bool
    """Whether nobody else has a place meanwhile."""
    disturbed: bool
    """Whether others' doing has spoilt what happens here; never when alone."""
    candidates: list[Sandboxed]
    """Everything of this evaluation that others' clocks must not run beside."""

    def claim(self, size: int, device_size: int) -> bool:
        """Wait until so many bytes of the device are ours; False if they never can be."""

    def processes(self) -> set[int]:
        """Ids of all processes that belong on the device."""

    def foreground(self) -> AbstractContextManager[None]:
        """Wait to be the one that is checked and timed."""

    def quiet(self) -> AbstractContextManager[None]:
        """Nobody else uses the device or asks the oracle meanwhile."""


class Bench(Protocol):
    """One device, and the processes that serve it."""

    launcher: CandidateLauncher
    builds: BuildCache
    audits: AuditCache
    bridge: Bridge
    device_kind: str
    """``cpu`` or ``cuda``."""
    telemetry: Telemetry | None

    def building(self, candidate: Sandboxed) -> AbstractContextManager[None]:
        """Wait for, and hold, room for one build."""

    def place(
        self, candidate: Sandboxed, *, alone: bool
    ) -> AbstractContextManager[Place]:
        """Wait for, and hold, a place at the device."""

    def audit(self, request: EvalRequest) -> Audit:
        """What a request's problem asks of kernels, found out while none is there."""
