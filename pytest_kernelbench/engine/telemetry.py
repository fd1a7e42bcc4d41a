"""What a GPU did while something was timed on it, as NVML tells it.

Pairs make a drifting clock common to both sides, so nothing of this changes a number:
it is recorded, and what a reader should know becomes a note. Looked at between bursts,
from the controller's process, which does not use the device.
"""

from __future__ import annotations

import contextlib
import statistics
from typing import Any

HELD_BACK = {
    0x4: "the power limit",
    0x8: "the hardware's own protection",
    0x10: "sync boost with another GPU",
    0x20: "heat, as the driver sees it",
    0x40: "heat, as the hardware sees it",
    0x80: "the power brake of the machine",
}
"""NVML's ``nvmlClocksEventReasons``; idling and settings are no trouble."""
_DRIFT = 0.1
"""Of the clock, between looks, that is worth a note."""


class Telemetry:
    """Looks at one GPU; the mutable state is what it has seen since ``start``."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle
        self._ours: set[int] = set()
        self.start(set())

    def start(self, ours: set[int]) -> None:
        """Forget what was seen.

        Args:
            ours: ids of the processes that belong on the device.
        """
        self._ours = ours
        self._clocks: list[float] = []
        self._power: list[float] = []
        self._heat: list[float] = []
        self._reasons = 0
        self._strangers = False

    def look(self) -> None:
        """See how it is right now: about a millisecond."""
        clock = self._ask("ClockInfo", self._nvml.NVML_CLOCK_SM)
        power = self._ask("PowerUsage")
        heat = self._ask("Temperature", self._nvml.NVML_TEMPERATURE_GPU)
        self._clocks += [] if clock is None else [float(clock)]
        self._power += [] if power is None else [power / 1000]
        self._heat += [] if heat is None else [float(heat)]
        self._reasons |= self._ask("CurrentClocksEventReasons") or 0
        running = {one.pid for one in self._ask("ComputeRunningProcesses") or ()}
        # In a container the ids may be those of another namespace, and tell nothing.
        if running & self._ours and running - self._ours:
            self._strangers = True

    def _ask(self, question: str, *arguments: Any) -> Any:
        """Every GPU and every version of the driver knows a part of it all."""
        with contextlib.suppress(self._nvml.NVMLError, AttributeError):
            return getattr(self._nvml, f"nvmlDeviceGet{question}")(
                self._handle, *arguments
            )
        return None

    def figures(self) -> dict[str, float]:
        """Medians; the unit is in the name."""
        seen = {
            "sm_clock_mhz": self._clocks,
            "power_w": self._power,
            "temperature_c": self._heat,
        }
        return {
            name: statistics.median(values) for name, values in seen.items() if values
        }

    def notes(self) -> list[str]:
        """What a reader of the numbers should know."""
        found = []
        held = [name for bit, name in HELD_BACK.items() if self._reasons & bit]
        if held:
            found.append(f"the GPU's clock was held down by {' and '.join(held)}")
        if self._clocks and min(self._clocks) < (1 - _DRIFT) * max(self._clocks):
            low, high = min(self._clocks), max(self._clocks)
            found.append(f"the GPU's clock moved between {low:g} and {high:g} MHz")
        if self._strangers:
            found.append("another process used the GPU meanwhile")
        return found


def telemetry_of(uuid: str) -> Telemetry | None:
    """For the GPU of this id; None where NVML does not know it."""
    try:
        import pynvml  # noqa: PLC0415 - only where a GPU is used
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return Telemetry(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
    except pynvml.NVMLError:
        return None
