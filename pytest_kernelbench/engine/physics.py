"""No kernel is faster than its bytes can be moved, whatever its clock says."""

from __future__ import annotations

from typing import Any

from pytest_kernelbench.engine.clients import KernelFault
from pytest_kernelbench.engine.pairing import Pairing
from pytest_kernelbench.model import Verdict

_MARGIN = {"cpu": 2.0, "cuda": 1.1}
"""Times the bandwidth that was seen; on a CPU others may have slowed that down."""


def require_possible(
    pairing: Pairing, least_bytes: int, touched_bytes: int, seconds: float
) -> dict[str, Any]:
    """What a result says of bytes, once its runtime is seen to be possible.

    To be asked when nothing of the kernel runs any more.

    Args:
        pairing: Whose kernel it is.
        least_bytes: That every right kernel reads or writes; 0 if unknown.
        touched_bytes: Of everything, each once.
        seconds: The kernel's runtime as its own process claims it.

    Raises:
        KernelFault: it cannot be.
    """
    figures = {"bytes_moved": touched_bytes}
    if pairing.device_kind == "cpu" and not least_bytes:
        return figures  # a second of copying that would say nothing
    for again in (False, True):  # what was slow to copy once is measured once more
        with pairing.place.quiet():
            seen = pairing.ask_oracle(do="bandwidth", again=again)
        peak = seen["peak"]
        floor = floor_seconds(least_bytes, seen["cache"], peak, pairing.device_kind)
        if seconds >= floor:
            return figures | {"peak_bandwidth": peak}
    reason = (
        f"its {seconds * 1e6:.1f} us per call are less than the {floor * 1e6:.1f} us in "
        f"which this device can move the {least_bytes / 1e6:.0f} MB that must be moved "
        f"({peak / 1e9:.0f} GB/s)"
    )
    raise KernelFault(Verdict.INTEGRITY, reason)


def floor_seconds(least_bytes: int, cache: int, peak: float, kind: str) -> float:
    """Less than this is impossible; what may still lie in the cache is left out."""
    return max(0, least_bytes - cache) / (_MARGIN[kind] * peak)
