"""The loop that makes and times calls."""

from __future__ import annotations

import pytest
import torch

from pytest_kernelbench.engine.devices import CpuDevice
from pytest_kernelbench.engine.tensors import Layout, Slots, describe
from pytest_kernelbench.engine.timing import Orders, run_burst


def slots(count: int) -> Slots:
    spec = describe(torch.zeros(8), [])
    layout = Layout(inputs={"tuple": [spec]}, outputs=spec, slots=count, slack=0)
    return Slots(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8))


def orders(count: int) -> Orders:
    places = [(slot, 0) for slot in range(count)]
    return Orders(places=places, padding=512, cold=False, draws=None)


def test_a_burst_that_failed_leaves_no_times_to_the_next():
    outputs = iter([torch.zeros(8)] * 2)

    def third_fails(_: torch.Tensor) -> torch.Tensor:
        return next(outputs)

    device = CpuDevice()
    with pytest.raises(StopIteration):
        run_burst(third_fails, slots(3), device, orders(3))
    seconds, _ = run_burst(torch.neg, slots(2), device, orders(2))
    assert len(seconds) == 2
