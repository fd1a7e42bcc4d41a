"""Build time, the longest first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_kernelbench.reports import wording
from pytest_kernelbench.reports.charts import layers
from pytest_kernelbench.reports.charts.layers import MOST, Chart
from pytest_kernelbench.reports.sections import Row


def chart(rows: Sequence[Row]) -> Chart | None:
    built = [(row.name, row.result.build_seconds or 0.0) for row in rows]
    built = sorted((one for one in built if one[1] > 0), key=lambda one: -one[1])
    if not built:
        return None
    shown = built[:MOST]
    longest, seconds = built[0]
    caption = (
        f"{wording.duration(math.fsum(took for _, took in built))} of building in all; "
        f"the longest is {longest} with {wording.duration(seconds)}."
        f"{layers.left_out(built, shown)}"
    )
    values = [
        {"kernel": name, "seconds": took, "label": wording.duration(took)}
        for name, took in shown
    ]
    x = layers.amounts(seconds, "seconds")
    marks = [layers.bar("seconds", x), *layers.labels("seconds", x)]
    return Chart("Build time", caption, layers.by_kernel(values, marks))
