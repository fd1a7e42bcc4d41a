"""What a run may cost and what it did, in estimates."""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.executors.modal_image import Size
from pytest_kernelbench.executors.modal_prices import CostEstimate, Prices
from pytest_kernelbench.model import EvalRequest

START = 30.0
"""Seconds until a container has started, generously."""


@dataclass(slots=True, kw_only=True)
class _Container:
    rate: float
    alive: float
    seen: float


class Ledger:
    """Written by the executor's loop; estimates may be asked for from anywhere."""

    def __init__(
        self, prices: Prices, size: Size, *, parallel: int, max_cost: float | None
    ) -> None:
        self._prices, self._size = prices, size
        self._parallel, self._max_cost = parallel, max_cost
        self._open = 0.0
        """Dollars that what is not finished may yet cost."""
        self._lost = 0.0
        self._submitted: collections.Counter[str] = collections.Counter()
        self._containers: dict[str, _Container] = {}

    def rate(self, device: str) -> float:
        """Dollars a second."""
        gpu = None if device == "cpu" else device
        size = self._size
        return self._prices.second(gpu, cores=size.cores, memory_gib=size.memory_gib)

    def worst_case(self, requests: Iterable[EvalRequest]) -> float:
        """If each used all its time, and each container idled to its end."""
        total, count = 0.0, self._submitted.copy()
        for request in requests:
            seconds = START + request.most_seconds
            if count[request.device] < self._parallel:
                seconds += self._size.scaledown_window
            count[request.device] += 1
            total += seconds * self.rate(request.device)
        return total

    def check(self, requests: Iterable[EvalRequest]) -> float:
        """The worst case of these, on top of those submitted.

        Raises:
            ExecutorError: it is above the limit.
        """
        more = self.worst_case(requests)
        whole = self.estimate().worst_case + more
        if self._max_cost is not None and whole > self._max_cost:
            raise ExecutorError(
                f"the worst case would cost ${whole:.2f}, above the limit of "
                f"${self._max_cost:.2f} (--kb-max-cost): raise it, or lower "
                "--kb-timeout and --kb-build-timeout, or run fewer kernels"
            )
        return more

    @contextlib.contextmanager
    def reserving(self, request: EvalRequest) -> Iterator[None]:
        """Hold the worst case of an evaluation until it is known what it cost."""
        held = self.check([request])
        self._open += held
        self._submitted[request.device] += 1
        try:
            yield
        finally:
            self._open -= held

    def answered(self, container: str, device: str, alive: float) -> None:
        now = time.monotonic()
        rate = self.rate(device)
        self._containers[container] = _Container(rate=rate, alive=alive, seen=now)

    def lost(self, device: str, seconds: float) -> None:
        """No answer came, but a container may have been at it all the time."""
        self._lost += seconds * self.rate(device)

    def estimate(self) -> CostEstimate:
        now, window = time.monotonic(), self._size.scaledown_window
        seen = list(self._containers.values())
        spent = sum(c.rate * (c.alive + min(window, now - c.seen)) for c in seen)
        idle_to_the_end = sum(c.rate * (c.alive + window) for c in seen)
        return CostEstimate(
            worst_case=self._open + idle_to_the_end + self._lost,
            spent=spent + self._lost,
            priced_on=self._prices.date,
        )
