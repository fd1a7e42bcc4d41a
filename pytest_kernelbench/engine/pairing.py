"""One request, the two processes that meet over it, and what has been found so far."""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pytest_kernelbench.engine.auditing.cache import AuditCache
from pytest_kernelbench.engine.bench import Place
from pytest_kernelbench.engine.building.extensions import TIERS
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import (
    CandidateClient,
    KernelFault,
    OracleClient,
    OracleMemoryError,
    TimeBudget,
)
from pytest_kernelbench.engine.telemetry import Telemetry
from pytest_kernelbench.model import (
    Audit,
    EvalRequest,
    Options,
    Resources,
    Trial,
    Verdict,
)


class Seeds:
    """All randomness of one evaluation, from one number that replays it.

    Each use has a label of its own and goes through a hash, so that a seed which a
    kernel may see says nothing about those it may not; and no two kernels share any,
    nor does one that is evaluated with other options, so that none can leave answers
    for the next.
    """

    def __init__(self, request: EvalRequest, again: int = 0) -> None:
        seed, attempt = request.options.seed, request.attempt
        kernel = hashlib.sha256(request.kernel.source.encode()).hexdigest()
        # Not how many kernels share a run's alpha: one of them is replayed alone.
        options = msgspec.structs.replace(
            request.options, seed=0, alpha=Options().alpha
        )
        how = hashlib.sha256(options.to_json()).hexdigest()
        self._master = (
            f"{seed}/{attempt}/{request.problem.id}/{kernel}/{request.device}/{how}"
        )
        if again:
            self._master += f"/{again}"
        self._inputs = 0
        self.choices = random.Random(self.derived("choices"))  # noqa: S311

    def derived(self, label: str) -> int:
        digest = hashlib.sha256(f"{self._master}/{label}".encode()).digest()
        return int.from_bytes(digest[:7], "big")

    @property
    def name(self) -> str:
        """Equal for evaluations that share their seeds; tells none of them."""
        return f"{self.derived('name'):014x}"

    def next_input(self) -> int:
        self._inputs += 1
        return self.derived(f"input {self._inputs}")


@dataclass(slots=True)
class Findings:
    """What is known so far; becomes the result whatever happens next."""

    built: bool | None = None
    correct: bool | None = None
    trials: list[Trial] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    device_name: str = ""
    resources: tuple[Resources, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    unscorable: str = ""
    headers: str = ""
    timing: dict[str, Any] = field(default_factory=dict)
    telemetry: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.stages[name] = self.stages.get(name, 0.0) + spent

    def limit(self, text: str) -> None:
        if text not in self.limits:
            self.limits.append(text)

    def tell_audit(self, audit: Audit) -> None:
        """Say what the problem does not tell apart, and what was done about it."""
        accepted = ", ".join(audit.accepted)
        match audit.verdict:
            case "unknown":
                self.limit(f"the problem was not audited: {audit.skipped}")
            case "unscorable":
                self.unscorable = f"the problem accepts {accepted}"
                self.limit(f"unscorable: {self.unscorable}: nothing is timed")
            case "tightened":
                cures = []
                if audit.redraw:
                    cures.append(f"half of the inputs get {audit.redraw}")
                if audit.tolerance:
                    cures.append(f"judged by the {audit.tolerance} tolerance")
                cure = " and ".join(cures)
                self.note(f"as it is, the problem accepts {accepted}: {cure}")
        lower = [name for name in audit.precisions if name != "tf32"]
        if lower:
            self.limit(f"the problem does not notice {' or '.join(lower)} inputs")

    def built_with(self, headers: str) -> None:
        """Keep what a candidate says of its build, if it is one of the known words."""
        tiers = headers.split(", ")
        if set(tiers) <= set(TIERS) and len(tiers) <= len(TIERS):
            self.headers = ", ".join(tiers)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A candidate and an oracle side by side on one device."""

    request: EvalRequest
    candidate: CandidateClient
    place: Place
    device_kind: str
    """``cpu`` or ``cuda``."""
    telemetry: Telemetry | None
    seeds: Seeds
    findings: Findings
    budget: TimeBudget
    audits: AuditCache
    suspected: bool = False
    """Whether an evaluation before this one gave reason to doubt the kernel's clock."""
    side: str = "kernel"
    """What the oracle calls this candidate: two may be attached to it."""

    @property
    def oracle(self) -> OracleClient:
        return self.place.oracle

    def clock(self) -> float:
        """Seconds that stand still while others have the oracle's attention."""
        return time.monotonic() - self.oracle.waited

    def ask_oracle(self, descriptors: tuple[int, ...] = (), **message: Any) -> Message:
        """Ask once the candidate has begun to use the device.

        Raises:
            KernelFault: there is no room left; without the kernel there was.
        """
        try:
            return self.oracle.ask(self.request.options.timeout, descriptors, **message)
        except OracleMemoryError as error:
            reason = f"leaves too little memory to be checked: {error}"
            raise KernelFault(Verdict.OOM, reason) from None

    def ask_candidate(
        self, stage: str, descriptors: tuple[int, ...] = (), **message: Any
    ) -> Message:
        return self.candidate.ask(stage, self.budget, descriptors, **message)
