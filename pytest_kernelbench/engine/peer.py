"""The baseline on a CPU: the problem's own model in a process such as the kernel's.

It is woken, called and stopped as the kernel is, and has done as little before. So what
the outer clock sees of a burst beyond its calls is the same on both sides, on however
slow or busy a machine, unless a kernel hides something there. On a GPU, where most work
is not the host's, another context costs more than that is worth: the oracle times it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pytest_kernelbench.engine.bursts import Burst, Bursts, Measured
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import (
    CandidateClient,
    KernelFault,
    TimeBudget,
)
from pytest_kernelbench.engine.isolation.launcher import CandidateLauncher
from pytest_kernelbench.engine.isolation.sandbox import private_directory
from pytest_kernelbench.engine.pairing import Findings, Pairing
from pytest_kernelbench.engine.setup import set_up
from pytest_kernelbench.model import Kernel
from pytest_kernelbench.text import first_line


class Peer:
    """A candidate that runs no kernel, so that every word of it is believed."""

    def __init__(self, pairing: Pairing, contract: Message, source: Path) -> None:
        self._pairing = pairing
        pairing.ask_candidate(
            "build",
            do="build",
            path=str(source),
            language="python",
            entry="Model",
            headers=None,
        )
        self._bursts = Bursts(pairing, set_up(pairing, contract))
        self._bursts.warm_up()

    def timed(self, burst: Burst) -> Measured:
        """One burst of the baseline, and what waking its process takes just then.

        Raises:
            KernelFault: it fails here, or somebody has ended it.
        """
        budget = self._pairing.budget
        budget.remaining = budget.seconds  # for each burst, as the oracle has it
        seen = self._bursts.timed_kernel(burst)
        return dataclasses.replace(seen, waking=self._bursts.waking())

    def end(self) -> None:
        self._pairing.candidate.kill()


def note_without_peer(findings: Findings, why: KernelFault) -> None:
    """Say that the oracle runs the baseline on a CPU, where its clock is a coarser one."""
    findings.note(
        "the baseline runs in the oracle's process, not in one like the kernel's: "
        f"{first_line(why.reason)}"
    )


@contextlib.contextmanager
def beside(
    pairing: Pairing, contract: Message, launcher: CandidateLauncher
) -> Iterator[Peer | None]:
    """A peer of the kernel for as long as the block runs, ended before it is left.

    None where there is none: on a GPU, for a baseline that the oracle compiles, and
    where the problem needs more than a kernel's process has.
    """
    if pairing.device_kind != "cpu" or pairing.request.options.baseline != "eager":
        yield None
        return
    with private_directory() as private:
        own = private / "problem"
        own.mkdir()
        source = own / "problem.py"
        source.write_text(pairing.request.problem.source, encoding="utf-8")
        process = launcher.launch(private, [own], {}, trusted=True)
        try:
            pairing.place.candidates.append(process)
            client = CandidateClient(process)
            yield _joined(_as_peer(pairing, client), contract, source, pairing.findings)
        finally:
            process.kill()


def _as_peer(pairing: Pairing, client: CandidateClient) -> Pairing:
    model = Kernel(path=pairing.request.problem.origin, source="")
    return dataclasses.replace(
        pairing,
        request=msgspec.structs.replace(pairing.request, kernel=model, base=None),
        candidate=client,
        findings=Findings(),
        budget=TimeBudget(pairing.request.options.timeout),
        side="baseline",
    )


def _joined(
    pairing: Pairing, contract: Message, source: Path, findings: Findings
) -> Peer | None:
    try:
        return Peer(pairing, contract, source)
    except KernelFault as fault:
        pairing.candidate.kill()  # it may be at work still
        note_without_peer(findings, fault)
        return None
