"""Calls recorded as CUDA graphs and replayed: what they take without being launched.

There is a graph for each place, because the addresses of its inputs are in it. It is
recorded on what happens to lie there, runs nothing, and is replayed on the inputs that
are put there afterwards. So nothing else differs from other bursts: the replayed calls
are timed, captured and verified like any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pytest_kernelbench.engine.tensors import Place, Slots, rebuild
from pytest_kernelbench.engine.timing import Call


class Recording:
    """The graphs of one side."""

    def __init__(self, call: Call, slots: Slots, places: Sequence[Place]) -> None:
        """Record the call once for each place.

        Raises:
            Exception: whatever the call, or CUDA, has against it.
        """
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()
        arguments = [
            rebuild(slots.layout.inputs, list(slots.views(place)[0]))
            for place in places
        ]
        torch.cuda.synchronize()
        with torch.cuda.stream(self._stream):
            # What is made once for each stream must not be recorded.
            call(*arguments[0])
            torch.cuda.synchronize()
            recorded = [self._recorded(call, values) for values in arguments]
        torch.cuda.synchronize()
        self._graphs = dict(zip(map(tuple, places), recorded, strict=True))

    def _recorded(self, call: Call, values: Any) -> tuple[torch.cuda.CUDAGraph, Any]:
        graph = torch.cuda.CUDAGraph()
        # By hand: torch.cuda.graph() collects garbage and empties the cache each time.
        graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        try:
            output = call(*values)
        finally:
            graph.capture_end()
        return graph, output

    def replay(self, places: Sequence[Place]) -> Call:
        """A call that replays what was recorded for each of the places in turn."""
        graphs = iter([self._graphs[slot, offset] for slot, offset in places])

        def call(*_inputs: Any) -> Any:
            graph, output = next(graphs)
            graph.replay()
            return output

        return call
