"""Everything before the first input: both models, equal weights, the shared slots.

Nothing here depends on the seed of an input; none has been drawn yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pytest_kernelbench.engine.auditing.cache import AuditCache
from pytest_kernelbench.engine.bench import Place
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import OracleClient
from pytest_kernelbench.engine.pairing import Pairing, Seeds
from pytest_kernelbench.model import Audit, EvalRequest

ALIGNMENT = 512
"""Bytes, as in ``tensors``, which imports torch."""
_PRECISIONS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_BURSTS, _RUNS, _MODELS = 3, 4, 4
"""How often memory is needed for the inputs and outputs of a burst (the candidate's, our
own, fresh and frozen), for a run of the model (twice as much in float64), for weights."""
_F_ADD_SEALS, _SEAL_SIZE = 1033, 0x1 | 0x2 | 0x4
"""From linux/fcntl.h: no shrinking, no growing, no further seals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What both sides have agreed on."""

    layout: Message
    draws: bool
    """Whether the problem's model draws random numbers of its own."""
    has_weights: bool
    audit: Audit
    touched_bytes: int
    """Of inputs, weights and outputs."""
    is_staged: bool
    """Whether a GPU's slots are filled and read through the host's memory."""


def load_problem(pairing: Pairing) -> Message:
    """Let the oracle load the problem, and learn the form of everything it has."""
    contract = _load(pairing.oracle, pairing.request, pairing.seeds)
    pairing.findings.device_name = contract["device_name"]
    pairing.findings.environment = contract["environment"]
    if contract["draws"]:
        pairing.findings.note(
            "the problem draws random numbers: both sides are given equal seeds"
        )
    return contract


def _load(oracle: OracleClient, request: EvalRequest, seeds: Seeds) -> Message:
    return oracle.ask(
        request.options.timeout,
        do="load",
        source=request.problem.source,
        name=request.problem.origin,
        precision=_PRECISIONS[request.options.precision],
        init_seed=seeds.derived("init"),
        probe_seed=seeds.derived("probe"),
    )


def audited(pairing: Pairing, contract: Message) -> Message:
    """The contract and what the problem asks of kernels, before one is on the device.

    Raises:
        SpoiltAuditError: the kernel may have kept it from being found out.
    """
    with pairing.findings.stage("audit"):
        audit = _audit(
            pairing.oracle,
            pairing.request,
            pairing.seeds,
            pairing.audits,
            contract,
            beside_kernel=True,
        )
    pairing.findings.tell_audit(audit)
    return contract | {"audit": audit}


def audit_alone(
    oracle: OracleClient, request: EvalRequest, audits: AuditCache
) -> Audit:
    """What the problem of a request asks of kernels; there need not be one.

    Raises:
        ProblemError: it fails by itself.
    """
    seeds = Seeds(request)
    contract = _load(oracle, request, seeds)
    return _audit(oracle, request, seeds, audits, contract, beside_kernel=False)


def _audit(
    oracle: OracleClient,
    request: EvalRequest,
    seeds: Seeds,
    audits: AuditCache,
    contract: Message,
    *,
    beside_kernel: bool,
) -> Audit:
    return audits.audit(
        oracle,
        request.problem,
        request.options,
        seed=seeds.derived("audit"),
        environment=(contract["environment"]["torch"], contract["device_name"]),
        beside_kernel=beside_kernel,
    )


def set_up(pairing: Pairing, contract: Message) -> Stage:
    """Build the candidate's model with the problem's weights, and the shared slots."""
    return _Setup(pairing, contract).run()


class _Setup:
    def __init__(self, pairing: Pairing, contract: Message) -> None:
        self._pairing = pairing
        self._contract = contract
        self._request = pairing.request
        self._options = pairing.request.options
        self._kind = pairing.device_kind
        self._findings = pairing.findings
        slots, slack = _slots(contract, self._kind, alone=pairing.place.alone)
        self._layout: Message = {
            "inputs": contract["inputs"],
            "outputs": contract["outputs"],
            "slots": slots,
            "slack": slack,
        }

    def run(self) -> Stage:
        contract, layout = self._contract, self._layout
        self._construct(contract, self._pairing.seeds.derived("init"))
        size = layout["slots"] * (contract["slot_bytes"] + layout["slack"])
        is_staged = self._share(size)
        return Stage(
            is_staged=is_staged,
            layout=layout,
            draws=contract["draws"],
            has_weights=bool(contract["state"]),
            audit=contract["audit"],
            touched_bytes=contract["touched_bytes"],
        )

    def _construct(self, contract: Message, init_seed: int) -> None:
        with self._exported("init", contract["init_bytes"]) as block:
            reply = self._pairing.ask_candidate(
                "construction",
                block,
                do="construct",
                device=self._kind,
                precision=_PRECISIONS[self._options.precision],
                init={"spec": contract["init"], "leaves": contract["init_leaves"]},
                seed=init_seed,
            )
        self._load_weights(contract, reply.get("state"))

    def _load_weights(self, contract: Message, theirs: Any) -> None:
        ours: list[list[Any]] = contract["state"]
        if not ours:
            return
        is_function = self._request.kernel.language != "python"
        if not is_function and not _covers(theirs, ours):
            self._findings.note(
                "weights are made from the same seed: "
                "ModelNew's names or shapes are not those of Model"
            )
            return
        with self._exported("weights", contract["state_bytes"]) as block:
            self._pairing.ask_candidate(
                "construction",
                block,
                do="weights",
                leaves=contract["state_leaves"],
                names=[name for name, _ in ours],
            )

    @contextlib.contextmanager
    def _exported(self, what: str, size: int) -> Iterator[tuple[int, ...]]:
        """The oracle's tensors in a host block, for the candidate to copy."""
        if size == 0:
            yield ()
            return
        with host_block(size) as block:
            self._pairing.oracle.ask(
                self._options.timeout, (block,), do="export", what=what
            )
            yield (block,)

    def _share(self, size: int) -> bool:
        """Have slots that both sides see; True if a GPU's are not seen by the oracle."""
        if self._kind == "cuda":
            reply = self._pairing.ask_candidate(
                "allocation", do="share", layout=self._layout
            )
            if self._attach(handle=_handle(reply)):
                return False
            self._findings.limit("CUDA IPC does not work here: staged by host")
        with host_block(size) as block:
            self._pairing.ask_candidate(
                "allocation", (block,), do="share", layout=self._layout
            )
            self._attach((block,))
        return self._kind == "cuda"

    def _attach(
        self, descriptors: tuple[int, ...] = (), handle: str | None = None
    ) -> bool:
        """Let the oracle open the slots; False if it cannot."""
        if not descriptors and handle is None:
            return False
        reply = self._pairing.ask_oracle(
            descriptors,
            do="attach",
            side=self._pairing.side,
            layout=self._layout,
            handle=handle,
        )
        return bool(reply["opened"])


def _handle(reply: Message) -> str | None:
    """The memory handle that the candidate offers, if it has the form of one."""
    handle = reply.get("handle")
    if isinstance(handle, str) and re.fullmatch(r"[0-9a-f]{128}", handle):
        return handle
    return None


def _covers(theirs: Any, ours: list[list[Any]]) -> bool:
    """Whether a kernel has every weight of the problem, by name, shape and dtype."""
    if not isinstance(theirs, list):
        return False
    known = {
        entry[0]: entry[1]
        for entry in theirs
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)
    }
    return all(
        isinstance(known.get(name), dict)
        and known[name].get("shape") == leaf["shape"]
        and known[name].get("dtype") == leaf["dtype"]
        for name, leaf in ours
    )


def claims_memory(place: Place, contract: Message) -> bool:
    """Wait until a problem can be at work beside others; False if it is too large."""
    slots, slack = _slots(contract, "cuda", alone=False)
    needed = (
        _BURSTS * slots * (contract["slot_bytes"] + slack)
        + _RUNS * contract["run_bytes"]
        + _MODELS * contract["state_bytes"]
    )
    return place.claim(needed, contract["device_bytes"])


def _slots(contract: Message, device_kind: str, *, alone: bool) -> tuple[int, int]:
    """How many calls fit side by side, and how far each may be shifted.

    Many slots make long bursts, which the outer clock resolves better; their memory
    is needed twice, and the problem needs room as well.
    """
    most, budget = (64, 8 << 30) if device_kind == "cuda" else (16, 1 << 28)
    size = max(contract["slot_bytes"], 1)
    slots = min(contract["free_bytes"] // (8 if alone else 32), budget) // size
    slack = min(size // 8, 1 << 20) // ALIGNMENT * ALIGNMENT
    return min(max(slots, 1), most), slack


@contextlib.contextmanager
def host_block(size: int) -> Iterator[int]:
    """A shared anonymous file; each process that gets it maps it by itself."""
    descriptor = os.memfd_create("kernelbench", os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, max(size, ALIGNMENT))
        # Or a kernel could shrink it under the oracle's hands.
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEAL_SIZE)
        yield descriptor
    finally:
        os.close(descriptor)
