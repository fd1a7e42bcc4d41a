"""Lower precisions, tried on a problem: would their results be accepted?

Inputs and weights are rounded and all else is computed as before, which is what
tensor cores do at best. A problem that accepts this cannot tell a kernel of the
precision that was asked for from one of a lower one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from pytest_kernelbench.engine.compare import Tolerance, compare
from pytest_kernelbench.engine.reference import (
    Reference,
    map_tensors,
    tensors_of,
)

Rounding = Callable[[torch.Tensor], torch.Tensor]


def _to_tf32(tensor: torch.Tensor) -> torch.Tensor:
    """Round the mantissa to ten bits, to nearest."""
    bits = tensor.contiguous().view(torch.int32)
    return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)


PRECISIONS: dict[str, Rounding] = {
    "tf32": _to_tf32,
    "bf16": lambda tensor: tensor.bfloat16().to(tensor.dtype),
    "fp16": lambda tensor: tensor.half().to(tensor.dtype),
}
_LOWER = {
    torch.float32: ("tf32", "bf16", "fp16"),
    torch.float16: ("bf16",),
    torch.bfloat16: (),
}


def accepted_precisions(
    reference: Reference, seed: int, redraw: str, tolerance: str
) -> set[str]:
    """Names of the lower precisions that the problem does not notice."""
    names = _LOWER[reference.dtype]
    lower = [
        _rounded_outputs(reference, seed, redraw, PRECISIONS[name]) for name in names
    ]
    expected, wide = reference.answers(reference.inputs(seed, redraw), draw=seed)
    return {
        name
        for name, outputs in zip(names, lower, strict=True)
        if all(
            _passes(output, right, exact, tolerance)
            for output, right, exact in zip(outputs, expected, wide, strict=True)
        )
    }


def _rounded_outputs(
    reference: Reference, seed: int, redraw: str, rounding: Rounding
) -> list[torch.Tensor]:
    def rounded(tensor: torch.Tensor) -> torch.Tensor:
        return rounding(tensor) if tensor.is_floating_point() else tensor

    model = copy.deepcopy(reference.model)
    for weight in (*model.parameters(), *model.buffers()):
        weight.copy_(rounded(weight))
    inputs = [map_tensors(value, rounded) for value in reference.inputs(seed, redraw)]
    torch.manual_seed(seed)
    return tensors_of(model(*inputs))


def _passes(
    output: torch.Tensor,
    right: torch.Tensor,
    exact: torch.Tensor | None,
    tolerance: str,
) -> bool:
    judged = Tolerance.parse(tolerance, right.dtype)
    return compare(output, right, exact, judged, thorough=False).passed
