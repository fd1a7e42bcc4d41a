"""Both sides replayed from CUDA graphs, in rounds like any other."""

from __future__ import annotations

from pytest_kernelbench.engine.bursts import Burst, Bursts, Place
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.pairing import Pairing
from pytest_kernelbench.engine.setup import Stage
from pytest_kernelbench.text import first_line

_MOST_RECORDED = 16
"""Calls of a side; each has a graph, and memory for its outputs."""


class CannotRecordError(Exception):
    """The problem's own calls cannot be recorded; the message says why."""


class ReplayedBursts(Bursts):
    """Bursts of recorded calls: at places that were drawn once, before the recording."""

    def __init__(self, pairing: Pairing, stage: Stage) -> None:
        super().__init__(pairing, stage)
        self.most_calls = min(self.most_calls, _MOST_RECORDED)
        self._recorded = super()._places(self.most_calls)

    def record(self) -> None:
        """Record both sides.

        Raises:
            CannotRecordError: the problem cannot be.
            KernelFault: the kernel cannot.
        """
        if self._pairing.device_kind == "cpu":
            raise CannotRecordError("this is no GPU")
        if self._stage.draws:
            raise CannotRecordError("the problem draws random numbers")
        reply = self._pairing.ask_oracle(do="record", places=self._recorded)
        if not reply["recorded"]:
            raise CannotRecordError(first_line(reply["message"]))
        self._pairing.candidate.resume()
        self._pairing.ask_candidate("recording", do="record", places=self._recorded)
        self._pairing.candidate.pause()

    def _places(self, calls: int) -> list[Place]:
        return self._pairing.seeds.choices.sample(self._recorded, calls)

    def _orders(self, burst: Burst) -> Message:
        return super()._orders(burst) | {"replayed": True}
