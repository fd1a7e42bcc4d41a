"""Other inputs for a problem whose own ask too little of a kernel.

``relu`` of numbers that are never negative is the identity, and the mean of a million
numbers of one distribution is the same for every draw. Here inputs keep their form
and take another sign or size. Honest kernels must not be caught out by it: magnitudes
stay what floats of any precision can hold, integers and masks stay what they are, and
what the problem itself cannot compute is not used (``nulls`` sees to that).
"""

from __future__ import annotations

import math
import re

import torch

SIGNS = "random signs"
SIZES = "sizes down to an eighth"
FOURFOLD = "random signs and four times the size"
REDRAWS = (SIZES, SIGNS, FOURFOLD)
"""From the mildest: smaller numbers of the same sign are in every domain."""

_SMALLEST = 1 / 8
_CHECKS_ITS_RANGE = re.compile(
    r"binary_cross_entropy|BCELoss|multinomial|bernoulli"
    r"|embedding|one_hot|gather|scatter|index|\.long\(|\.int\(|int64|int32",
    re.IGNORECASE,
)
"""Signs of operations whose checks on a GPU end the whole process: of probabilities, and
of indices, which may be made from floats."""


def redraws_for(source: str) -> tuple[str, ...]:
    """Those that are safe to try on a problem."""
    return (SIZES,) if _CHECKS_ITS_RANGE.search(source) else REDRAWS


def redrawn(
    tensor: torch.Tensor, redraw: str, generator: torch.Generator
) -> torch.Tensor:
    """Another tensor of the same form."""
    if not tensor.is_floating_point():
        return tensor
    if redraw == SIZES:
        share = torch.rand((), generator=generator, device=tensor.device)
        return tensor * float(torch.exp(math.log(_SMALLEST) * share))
    signs = torch.randint(
        0, 2, tensor.shape, generator=generator, device=tensor.device, dtype=torch.int8
    )
    size = 4 if redraw == FOURFOLD else 1
    return tensor * signs.mul_(2).sub_(1).mul_(size)


def generator_for(seed: int, device: torch.device) -> torch.Generator:
    """Apart from the stream that the inputs of this seed were drawn from."""
    generator = torch.Generator(device)
    generator.manual_seed((seed * 6364136223846793005 + 1442695040888963407) % 2**63)
    return generator
