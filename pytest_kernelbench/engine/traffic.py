"""The least that a right kernel reads and writes, and how fast a device moves bytes.

The least is counted so that an honest kernel can never be below it:

* Weights do not count: they may be folded, transposed or packed before the first call.
* An element of an input counts if it differs between two draws (what never changes
  need not be read) and if the output has a gradient there that is not zero. A tensor
  whose rows are equal, that is symmetric, or that equals another one counts once.
* An element of an output counts if it differs between two draws. A dimension along
  which the output is constant counts once, as it can be returned expanded.
* An output that only moves elements of an input counts nothing, as it can be a view:
  it is odd and homogeneous, bit by bit, and has no values but the input's.

What is too small counts nothing at all: it may have stayed in a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from pytest_kernelbench.engine.devices import Device
from pytest_kernelbench.engine.reference import (
    ProblemFault,
    Reference,
    map_tensors,
    tensors_of,
)

_TIMES_THE_CACHE = 4
"""Problems that move less are not judged: a cache could have served most of it."""
_SAMPLES = 16
_SCALE = -2.0
"""A power of two, by which floats are multiplied exactly."""
_MOST_BYTES, _REPEATS = 1 << 30, 8


def cache_bytes(device: torch.device) -> int:
    """The last level's size: of the GPU's L2, or of all third levels of the CPUs."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    found: dict[str, int] = {}
    for index in Path("/sys/devices/system/cpu").glob("cpu*/cache/index3"):
        try:
            size = (index / "size").read_text().strip()
            found[(index / "shared_cpu_list").read_text()] = int(size[:-1]) << 10
        except (OSError, ValueError):
            continue
    return sum(found.values())


def least_bytes(reference: Reference, seed: int, cache: int) -> int:
    """Bytes that every right kernel reads or writes; 0 where that cannot be told.

    Args:
        reference: The problem.
        seed: Of one draw; the next is the other one.
        cache: Bytes of the last cache, 0 if unknown.
    """
    if not cache or reference.mutated or reference.draws:
        return 0
    try:
        found = _counted(reference, seed, _TIMES_THE_CACHE * cache)
    except (RuntimeError, TypeError, ProblemFault):  # no gradient, or no memory for it
        return 0
    return found if found > _TIMES_THE_CACHE * cache else 0


def _counted(reference: Reference, seed: int, threshold: int) -> int:
    inputs, other = reference.inputs(seed), reference.inputs(seed + 1)
    leaves = tensors_of(inputs)
    traced = [map_tensors(value, _traced) for value in inputs]
    with torch.enable_grad():
        outputs = tensors_of(reference.model(*traced))
    if sum(leaf.nbytes for leaf in (*leaves, *outputs)) <= threshold:
        return 0
    scaled = tensors_of(reference.run([map_tensors(v, _scaled) for v in inputs]))
    computed = [
        not output.is_complex() and not _is_moved(output.detach(), twice, leaves)
        for output, twice in zip(outputs, scaled, strict=True)
    ]
    del scaled
    kept = [output for output, counts in zip(outputs, computed, strict=True) if counts]
    count = _counted_inputs(leaves, tensors_of(other), _gradients(kept, traced))
    later = tensors_of(reference.run(other))
    for output, second, counts in zip(outputs, later, computed, strict=True):
        if counts:
            now = output.detach()
            count += _bytes(now, _differ(now, second))
    return count


def _counted_inputs(
    leaves: list[torch.Tensor],
    others: list[torch.Tensor],
    gradients: list[torch.Tensor | None],
) -> int:
    count = 0
    for index, (leaf, other, gradient) in enumerate(
        zip(leaves, others, gradients, strict=True)
    ):
        if gradient is None or any(_equal(leaf, seen) for seen in leaves[:index]):
            continue
        count += _bytes(leaf, _differ(leaf, other) & (gradient != 0))
    return count


def _gradients(
    outputs: list[torch.Tensor], traced: list[object]
) -> list[torch.Tensor | None]:
    """Of all outputs at once, weighted at random so that nothing cancels."""
    leaves = tensors_of(traced)
    asked = [leaf for leaf in leaves if leaf.requires_grad]
    depending = [output for output in outputs if output.requires_grad]
    if not asked or not depending:
        return [None] * len(leaves)
    found = iter(
        torch.autograd.grad(
            depending,
            asked,
            [torch.rand_like(output) + 0.5 for output in depending],
            allow_unused=True,
        )
    )
    return [next(found) if leaf.requires_grad else None for leaf in leaves]


def _traced(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone().requires_grad_(tensor.is_floating_point())


def _scaled(tensor: torch.Tensor) -> torch.Tensor:
    return tensor * _SCALE if tensor.is_floating_point() else tensor


def _is_moved(
    output: torch.Tensor, scaled: torch.Tensor, leaves: list[torch.Tensor]
) -> bool:
    """Whether it can be a view of an input, though the problem may make a copy."""
    if not output.is_floating_point() or not _equal(output * _SCALE, scaled):
        return False
    flat = output.flatten()
    places = torch.randint(flat.numel(), (_SAMPLES,), device=flat.device)
    inputs = [leaf.abs() for leaf in leaves if leaf.dtype == output.dtype]
    return all(
        any(bool((leaf == value).any()) for leaf in inputs)
        for value in flat[places].abs()
    )


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (
        one.shape == other.shape
        and one.dtype == other.dtype
        and torch.equal(one, other)
    )


def _differ(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one != other) & ~(one.isnan() & other.isnan())


def _bytes(tensor: torch.Tensor, counts: torch.Tensor) -> int:
    return int(int(counts.sum()) * tensor.element_size() * _share_of_its_own(tensor))


def _share_of_its_own(tensor: torch.Tensor) -> float:
    """1 for a tensor that is no repetition of a part of itself."""
    share = 1.0
    for dimension, size in enumerate(tensor.shape):
        first = tensor.narrow(dimension, 0, 1).expand_as(tensor)
        if size > 1 and torch.equal(tensor, first):
            share /= size
    if tensor.dim() > 1 and _equal(tensor, tensor.transpose(-1, -2)):
        share /= 2
    return share


def peak_bandwidth(device: Device) -> float:
    """Bytes per second: the best of copying, reading and filling."""
    size = min(_MOST_BYTES, device.free_bytes() // 4)
    source = torch.ones(size // 4, device=device.torch_device)
    target = torch.empty_like(source)
    moves: list[tuple[int, Callable[[], object]]] = [
        (2 * source.nbytes, lambda: target.copy_(source)),
        (source.nbytes, source.sum),
        (source.nbytes, lambda: target.fill_(2.0)),
    ]
    return max(moved / _seconds(device, move) for moved, move in moves)


def _seconds(device: Device, move: Callable[[], object]) -> float:
    move()
    for _ in range(_REPEATS):
        device.start(cold=False)
        move()
        device.stop()
    return min(device.finish())
