"""A burst: the one loop in which every call of either side is made and captured.

Why a burst, and why only this loop:

* The candidate must not know whether a call is checked or timed, so there is one
  path for both. Every call is timed, every output is captured, and which captured
  outputs are verified is drawn afterwards by the controller (DeepReinforce and GPU
  MODE found kernels that computed only where they were looked at).
* The output is copied to its slot on our stream right after its call returns, so
  work that is deferred to a later call comes too late for the copy.
* The controller holds a clock around the whole burst. The baseline runs
  through the same loop with the same slots, so the two differ by the calls alone:
  what the candidate's own device events claim must add up to the same overhead.
* Per call: flush (cold L2, as in nvbench and Triton's do_bench; it also keeps the
  device busy while the host enqueues, so that events measure the device and not
  launch gaps), start, call, stop, capture. One synchronisation ends the burst.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_kernelbench.engine.devices import Device
from pytest_kernelbench.engine.tensors import (
    Place,
    Slots,
    dtype_name,
    form_of,
    rebuild,
)

Call = Callable[..., Any]


class OutputMismatch(Exception):
    """An output is not of the form that the problem's reference returns.

    Attributes:
        kind: ``SHAPE`` or ``DTYPE``, as in ``model.Verdict``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What either side is told of a burst, and all that it is told."""

    places: list[Place]
    """The slot of each call and the offset of its tensors."""
    padding: int
    """Bytes kept allocated meanwhile, which shifts what the call allocates, as the
    offsets shift what it is given. Memory is not released for this: on an H200 the
    freeing made the calls after it 5 % slower."""
    cold: bool
    """Whether to flush the caches before each call."""
    draws: list[int] | None
    """Seeds of what the model itself draws in each call (dropout), if it draws."""
    replayed: bool = False
    """Whether the calls are those recorded for the places before."""


def run_burst(
    call: Call, slots: Slots, device: Device, orders: Orders
) -> tuple[list[float], float]:
    """Call once per place and capture each output in its slot.

    Returns:
        Seconds of each call by the device's clock, and the mean host seconds that
        it took to issue a call.

    Raises:
        OutputMismatch: an output cannot be captured.
    """
    layout = slots.layout
    views = [slots.views(place) for place in orders.places]
    arguments = [rebuild(layout.inputs, list(inputs)) for inputs, _ in views]
    expected = form_of(rebuild(layout.outputs, list(views[0][1])), [])
    _padding = torch.empty(
        orders.padding, dtype=torch.uint8, device=device.torch_device
    )
    host_seconds = 0.0
    device.forget()
    with _no_collections():
        for index, (values, (_, targets)) in enumerate(
            zip(arguments, views, strict=True)
        ):
            if orders.draws is not None:
                torch.manual_seed(orders.draws[index])
            device.start(cold=orders.cold)
            issued = time.perf_counter()
            output = call(*values)
            host_seconds += time.perf_counter() - issued
            device.stop()
            capture(output, expected, targets)
            del output
        seconds = device.finish()
    return seconds, host_seconds / len(views)


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """A collection in the middle of a call would be timed as its own."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def capture(output: Any, expected: str, slots: Sequence[torch.Tensor]) -> None:
    """Copy the tensors of an output to their slots; its form must be as expected."""
    leaves: list[torch.Tensor] = []
    try:
        form = form_of(output, leaves)
    except TypeError as error:
        raise OutputMismatch("SHAPE", f"returned {error}") from None
    if form != expected:
        message = f"returned {form}, the problem's is {expected}"
        raise OutputMismatch("SHAPE", message)
    for index, (leaf, slot) in enumerate(zip(leaves, slots, strict=True)):
        _require_match(leaf, slot, f"output {index}: " if len(slots) > 1 else "")
        slot.copy_(leaf.detach())


def _require_match(leaf: torch.Tensor, slot: torch.Tensor, which: str) -> None:
    if leaf.shape != slot.shape:
        shapes = f"{list(leaf.shape)}, the problem's is {list(slot.shape)}"
        raise OutputMismatch("SHAPE", f"{which}shape {shapes}")
    if leaf.dtype != slot.dtype:
        dtypes = f"{dtype_name(leaf.dtype)}, the problem's is {dtype_name(slot.dtype)}"
        raise OutputMismatch("DTYPE", f"{which}dtype {dtypes}")
    if leaf.device.type != slot.device.type:
        devices = f"{leaf.device}, the problem's is on {slot.device}"
        raise OutputMismatch("DTYPE", f"{which}on {devices}")
