"""The roofline of what moves memory: how close a kernel comes to what the device copies.

The bytes are those of all inputs, weights and outputs, each touched once, so a kernel
that needs them from memory cannot get past the roof; one that finds them in a cache can.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pytest_kernelbench.reports.charts import layers
from pytest_kernelbench.reports.charts.layers import Chart, Spec
from pytest_kernelbench.reports.sections import Row


def chart(rows: Sequence[Row]) -> Chart | None:
    found = [value for row in rows if (value := _value(row)) is not None]
    if not found:
        return None
    found.sort(key=lambda one: one["reached"], reverse=True)
    shown = layers.ends(found)
    roof = statistics.median(one["roof"] for one in found)
    best = max(found, key=lambda one: one["reached"] / one["roof"])
    caption = (
        "Bytes of inputs, weights and outputs, each touched once, over the runtime. "
        f"The dashed line is the roof: {roof:,.0f} GB/s, the bandwidth that this device "
        f"was seen to copy with. Closest to it is {best['kernel']} with "
        f"{best['label']} of it. The upright mark is PyTorch."
        f"{layers.left_out(found, shown)}"
    )
    return Chart("Memory roofline", caption, _spec(shown, roof))


def _value(row: Row) -> Spec | None:
    result = row.result
    moved, peak, runtime = result.bytes_moved, result.peak_bandwidth, result.runtime
    if not moved or not peak or runtime is None or runtime.median <= 0:
        return None
    reached = moved / runtime.median
    before = result.baseline.runtime.median if result.baseline else 0.0
    baseline = moved / before if before > 0 else 0.0
    return {
        "kernel": row.name,
        "reached": reached / 1e9,
        "baseline": baseline / 1e9 or None,
        "roof": peak / 1e9,
        "label": f"{reached / peak:.0%}",
        "end": max(reached, baseline) / 1e9,
    }


def _spec(values: list[Spec], roof: float) -> Spec:
    x = layers.amounts(max(roof, *(one["end"] for one in values)), "GB/s")
    marks = [
        layers.bar("reached", x),
        layers.line_at(roof, x, dashed=True),
        layers.tick("baseline", x, height=16),
        *layers.labels("end", x),
    ]
    return layers.by_kernel(values, marks)
