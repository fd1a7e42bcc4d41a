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

    def __init__(self, pairing: Pairing, findings: Findings) -> None:
        self._pairing = pairing
        self._findings = findings
        """Of the kernel's evaluation, which is told where there is no peer."""
        self._bursts: Bursts | None = None

    @contextlib.contextmanager
    def _own_faults(self) -> Iterator[None]:
        """What goes wrong here is no fault of the kernel's: the oracle takes over."""
        try:
            yield
        except KernelFault as fault:
            self._pairing.candidate.kill()  # it may be at work still
            self._bursts = None
            self._findings.note(
                "the baseline runs in the oracle's process, not in one like the "
                f"kernel's: {first_line(fault.reason)}"
            )

    def join(self, contract: Message, source: Path) -> None:
        """Give it the problem, and what the kernel has."""
        with self._own_faults():
            self._pairing.ask_candidate(
                "build",
                do="build",
                path=str(source),
                language="python",
                entry="Model",
                headers=None,
            )
            bursts = Bursts(self._pairing, set_up(self._pairing, contract))
            bursts.warm_up()
            self._bursts = bursts

    def timed(self, burst: Burst) -> Measured | None:
        """One burst of the baseline, and what waking its process takes just then.

        None once it has failed or somebody has ended it.
        """
        budget = self._pairing.budget
        budget.remaining = budget.seconds  # for each burst, as the oracle has it
        with self._own_faults():
            if self._bursts is not None:
                seen = self._bursts.timed_kernel(burst)
                return dataclasses.replace(seen, waking=self._bursts.waking())
        return None


@contextlib.contextmanager
def beside(
    pairing: Pairing, contract: Message, launcher: CandidateLauncher
) -> Iterator[Peer | None]:
    """A peer of the kernel for as long as the block runs, ended before it is left.

    None on a GPU, and for a baseline that the oracle compiles.
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
            peer = Peer(_as_peer(pairing, CandidateClient(process)), pairing.findings)
            peer.join(contract, source)
            yield peer
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
