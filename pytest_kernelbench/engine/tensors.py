"""Trees of tensors as JSON, and slots of shared memory that hold their leaves.

``describe`` splits a nested value into a JSON spec and its tensors, ``rebuild`` puts
it together again. A ``Layout`` says where, in one flat block of bytes, each call's
inputs and outputs lie; both processes compute the same views from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

Spec = dict[str, Any]
Place = tuple[int, int]
"""A slot, and the offset in bytes of what lies in it."""
ALIGNMENT = 512
"""Bytes; what cudaMalloc gives, so that no kernel sees a worse address than usual."""


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def dtype_named(name: str) -> torch.dtype:
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{name!r} is not a dtype")
    return dtype


def describe(value: Any, leaves: list[torch.Tensor]) -> Spec:
    """Return the spec of a value and append its tensors to ``leaves``.

    Raises:
        TypeError: something in it is neither a tensor, a plain value nor a container.
    """
    if isinstance(value, torch.Tensor):
        leaves.append(value)
        return {"tensor": leaf_spec(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    if isinstance(value, torch.dtype):
        return {"dtype": dtype_name(value)}
    if isinstance(value, tuple):
        return {"tuple": [describe(item, leaves) for item in value]}
    if isinstance(value, list):
        return {"list": [describe(item, leaves) for item in value]}
    if isinstance(value, dict):
        items = [
            [describe(key, leaves), describe(item, leaves)]
            for key, item in value.items()
        ]
        return {"dict": items}
    raise TypeError(f"a {type(value).__name__}")


def form_of(value: Any, leaves: list[torch.Tensor]) -> str:
    """Its structure without its tensors, readable in a message; those go to ``leaves``.

    Raises:
        TypeError: as ``describe``, which takes several times as long.
    """
    if isinstance(value, torch.Tensor):
        leaves.append(value)
        return "a tensor"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, torch.dtype):
        return dtype_name(value)
    if isinstance(value, tuple | list):
        # A list where the reference has a tuple is not worth a failure.
        return "(" + ", ".join([form_of(item, leaves) for item in value]) + ")"
    if isinstance(value, dict):
        items = [
            f"{form_of(key, leaves)}: {form_of(item, leaves)}"
            for key, item in value.items()
        ]
        return "{" + ", ".join(items) + "}"
    raise TypeError(f"a {type(value).__name__}")


def rebuild(spec: Spec, leaves: list[torch.Tensor]) -> Any:
    """Undo ``describe``; consumes ``leaves`` from the front."""
    ((kind, content),) = spec.items()
    match kind:
        case "tensor":
            return leaves.pop(0)
        case "value":
            return content
        case "dtype":
            return dtype_named(content)
        case "tuple":
            return tuple(rebuild(item, leaves) for item in content)
        case "list":
            return [rebuild(item, leaves) for item in content]
        case "dict":
            return {
                rebuild(key, leaves): rebuild(item, leaves) for key, item in content
            }
    raise TypeError(f"{kind!r} in a tree of tensors")


def leaf_spec(tensor: torch.Tensor) -> Spec:
    dense = torch.empty_like(tensor, device="meta")  # drops gaps and overlaps
    return {
        "shape": list(tensor.shape),
        "stride": list(dense.stride()),
        "dtype": dtype_name(tensor.dtype),
    }


def leaf_specs(spec: Spec) -> list[Spec]:
    """All tensors of a tree, in the order of ``describe``."""
    ((kind, content),) = spec.items()
    if kind == "tensor":
        return [content]
    if kind in ("tuple", "list"):
        return [leaf for item in content for leaf in leaf_specs(item)]
    if kind == "dict":
        return [leaf for _, item in content for leaf in leaf_specs(item)]
    return []


def leaf_bytes(leaf: Spec) -> int:
    return math.prod(leaf["shape"]) * dtype_named(leaf["dtype"]).itemsize


def tree_bytes(spec: Spec) -> int:
    return sum(map(leaf_bytes, leaf_specs(spec)))


def view(block: torch.Tensor, start: int, leaf: Spec) -> torch.Tensor:
    """The bytes of ``block`` from ``start`` as the tensor that ``leaf`` describes."""
    content = block[start : start + leaf_bytes(leaf)].view(dtype_named(leaf["dtype"]))
    return content.as_strided(leaf["shape"], leaf["stride"])


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Slots of equal size, each with room for one call's inputs and outputs.

    ``slack`` bytes in each slot let a burst place its tensors at another offset than
    the last one did: where buffers lie moves a runtime by up to a percent.
    """

    inputs: Spec
    outputs: Spec
    slots: int
    slack: int

    @property
    def leaves(self) -> list[Spec]:
        return leaf_specs(self.inputs) + leaf_specs(self.outputs)

    @property
    def slot_bytes(self) -> int:
        return sum(aligned(leaf_bytes(leaf)) for leaf in self.leaves) + self.slack

    @property
    def total_bytes(self) -> int:
        return max(self.slots * self.slot_bytes, ALIGNMENT)


class Slots:
    """A layout in one process's view of the bytes that hold it."""

    def __init__(self, layout: Layout, block: torch.Tensor) -> None:
        self.layout = layout
        self.block = block
        self._inputs = len(leaf_specs(layout.inputs))
        self._size = layout.slot_bytes
        self._origin = block.storage_offset()
        # Worked out once, because a burst asks for its views on the clock.
        self._leaves: list[tuple[torch.Tensor, list[int], list[int], int]] = []
        start = 0
        for leaf in layout.leaves:
            typed = block.view(dtype_named(leaf["dtype"]))
            self._leaves.append((typed, leaf["shape"], leaf["stride"], start))
            start += aligned(leaf_bytes(leaf))

    def views(self, place: Place) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The input and the output leaves of one slot."""
        slot, offset = place
        origin = self._origin + slot * self._size + offset
        tensors = [
            typed.as_strided(shape, stride, (origin + start) // typed.itemsize)
            for typed, shape, stride, start in self._leaves
        ]
        return tensors[: self._inputs], tensors[self._inputs :]
