"""The base of an evaluation: a second process and its build."""

from __future__ import annotations

import dataclasses

import msgspec

from pytest_kernelbench.engine.building.cache import BuildDirectory
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import CandidateClient, TimeBudget
from pytest_kernelbench.engine.isolation.sandbox import Sandboxed
from pytest_kernelbench.engine.pairing import Findings, Pairing
from pytest_kernelbench.engine.rival import Rival
from pytest_kernelbench.engine.suspects import reference_of
from pytest_kernelbench.model import EvalRequest


def request_of_base(request: EvalRequest) -> EvalRequest | None:
    """The request for the base alone, named as the kernel is: it builds the same way."""
    if request.base is None:
        return None
    kernel = msgspec.structs.replace(request.base, path=request.kernel.path)
    return msgspec.structs.replace(request, kernel=kernel, base=None)


class Base:
    """A candidate beside the one that is judged."""

    def __init__(self, process: Sandboxed, build: BuildDirectory) -> None:
        self.process = process
        self.build = build
        self.candidate = CandidateClient(process)

    def joined(self, pairing: Pairing, contract: Message) -> Rival:
        """Let it have what the kernel has, and see that it is right."""
        base = pairing.request.base
        assert base is not None
        own = dataclasses.replace(
            pairing,
            candidate=self.candidate,
            findings=Findings(),
            budget=TimeBudget(pairing.request.options.timeout),
            side="base",
        )
        rival = Rival(own, reference_of(base))
        rival.join(contract)
        if not rival.fault:
            self.build.mark_built()
        return rival
