"""How much of a multiprocessor a device function can fill.

The arithmetic and the units of allocation are those of ``cuda_occupancy.h``, which
comes with the CUDA toolkit; the limits are in the programming guide's table of
technical specifications per compute capability.
"""

from __future__ import annotations

from typing import NamedTuple

_WARP = 32
_WARPS_PER_BLOCK = 32
_PARTITIONS = 4
"""Each has a quarter of the registers and of the warps."""
_REGISTERS = 65536
_REGISTER_UNIT = 256
"""Registers are given out to a warp in multiples of this."""
_KIB = 1 << 10
_SHARED_UNIT = {7: 256}
_USUAL_SHARED_UNIT = 128
_FIRST_RESERVING = 8
_RESERVED = _KIB
"""Bytes of shared memory that the driver keeps in each block, from 8.0 on."""


class _Limits(NamedTuple):
    """Of one multiprocessor."""

    warps: int
    blocks: int
    shared: int


_LIMITS = {
    (7, 0): _Limits(64, 32, 96 * _KIB),
    (7, 5): _Limits(32, 16, 64 * _KIB),
    (8, 0): _Limits(64, 32, 164 * _KIB),
    (8, 6): _Limits(48, 16, 100 * _KIB),
    (8, 7): _Limits(48, 16, 164 * _KIB),
    (8, 9): _Limits(48, 24, 100 * _KIB),
    (9, 0): _Limits(64, 32, 228 * _KIB),
    (10, 0): _Limits(64, 32, 228 * _KIB),
    (10, 3): _Limits(64, 32, 228 * _KIB),
    (12, 0): _Limits(48, 24, 100 * _KIB),
    (12, 1): _Limits(48, 24, 100 * _KIB),
}


def occupancy(
    capability: tuple[int, int],
    *,
    registers: int,
    shared: int,
    threads: int | None = None,
) -> float | None:
    """The share of a multiprocessor's threads that can be resident, 0 to 1.

    Args:
        capability: Compute capability of the device; one that is not known has no
            answer.
        registers: Per thread.
        shared: Bytes of each block, without what the driver reserves.
        threads: Of each block; where it is not known, the answer is the most that
            any size of block reaches.
    """
    limits = _LIMITS.get(capability)
    if limits is None:
        return None
    if threads is None:
        sizes = range(1, _WARPS_PER_BLOCK + 1)
    else:
        warps = _rounded_up(threads, _WARP) // _WARP
        sizes = range(warps, warps + 1)
    needed = _shared_per_block(capability, shared)
    resident = [
        size * _blocks(limits, size, registers, needed)
        for size in sizes
        if 0 < size <= _WARPS_PER_BLOCK
    ]
    return max(resident, default=0) / limits.warps


def _blocks(limits: _Limits, warps: int, registers: int, shared: int) -> int:
    by_shared = limits.shared // shared if shared > 0 else limits.blocks
    return min(
        limits.blocks,
        limits.warps // warps,
        _warps_with_registers(registers, warps) // warps,
        by_shared,
    )


def _warps_with_registers(registers: int, warps: int) -> int:
    """How many fit beside each other, in blocks of so many."""
    per_warp = max(_rounded_up(registers * _WARP, _REGISTER_UNIT), _REGISTER_UNIT)
    # Whether a block fits at all is checked as if it took as much of each partition.
    if per_warp * _rounded_up(warps, _PARTITIONS) > _REGISTERS:
        return 0
    return _REGISTERS // _PARTITIONS // per_warp * _PARTITIONS


def _shared_per_block(capability: tuple[int, int], shared: int) -> int:
    major = capability[0]
    reserved = _RESERVED if major >= _FIRST_RESERVING else 0
    return _rounded_up(shared + reserved, _SHARED_UNIT.get(major, _USUAL_SHARED_UNIT))


def _rounded_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
