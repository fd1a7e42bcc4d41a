"""Every call's runtime against PyTorch's median: where it lies, and how it scatters."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_kernelbench.model import Runtime
from pytest_kernelbench.reports import wording
from pytest_kernelbench.reports.charts import layers
from pytest_kernelbench.reports.charts.layers import Chart, Spec
from pytest_kernelbench.reports.sections import Row

_CALLS_IN_ALL = 1600
_MIDDLE = (0.05, 0.95)
"""The share of the calls that is drawn: one straggler must not stretch the axis."""


def chart(rows: Sequence[Row]) -> Chart | None:
    timed = [
        (row.name, row.result.runtime, row.result.baseline.runtime.median)
        for row in rows
        if row.result.runtime and row.result.runtime.samples and row.result.baseline
    ]
    timed = [one for one in timed if min(*one[1].samples, one[2]) > 0]
    if not timed:
        return None
    timed.sort(key=lambda one: one[1].median / one[2])
    shown = layers.ends(timed)
    name, widest, _ = max(timed, key=lambda one: _width(one[1]))
    caption = (
        "Calls as shares of PyTorch's median runtime: left of 1 is faster. Each stroke "
        "is a call, nine in ten are drawn; the box holds the middle half, and the "
        "figure is its width as a share of the median. The widest is that of "
        f"{name}, {wording.duration(widest.q1)} to {wording.duration(widest.q3)}."
        f"{layers.left_out(timed, shown)}"
    )
    boxes = [_box(*one) for one in shown]
    calls = [
        {"kernel": name, "call": call / unit}
        for name, runtime, unit in shown
        for call in _middle(runtime.samples, _CALLS_IN_ALL // len(shown))
    ]
    return Chart("Runtime of each call", caption, _spec(boxes, calls))


def _width(runtime: Runtime) -> float:
    return (runtime.q3 - runtime.q1) / runtime.median


def _box(name: str, runtime: Runtime, unit: float) -> Spec:
    middle = _middle(runtime.samples, len(runtime.samples))
    return {
        "kernel": name,
        "low": middle[0] / unit,
        "high": middle[-1] / unit,
        "q1": runtime.q1 / unit,
        "q3": runtime.q3 / unit,
        "median": runtime.median / unit,
        "label": f"{_width(runtime):.1%}",
        "end": max(middle[-1], runtime.q3) / unit,
    }


def _middle(samples: Sequence[float], most: int) -> list[float]:
    """In order; evenly chosen where there are more than can be told apart."""
    last = len(samples) - 1
    first, end = (round(share * last) for share in _MIDDLE)
    inside = sorted(samples)[first : end + 1]
    step = max(len(inside) / most, 1.0)
    return [inside[int(number * step)] for number in range(int(len(inside) / step))]


def _spec(boxes: list[Spec], calls: list[Spec]) -> Spec:
    x = layers.ratios([end for box in boxes for end in (box["low"], box["high"])])
    strokes = layers.tick(
        "call", x, color="var(--faster)", opacity=0.3, thickness=1, height=12
    )
    marks = [
        {**strokes, "data": {"values": calls}},
        layers.span("low", "high", x),
        layers.span("q1", "q3", x, strokeWidth=6, color="var(--even)"),
        layers.tick("median", x, height=14),
        layers.line_at(1, x),
        *layers.labels("end", x),
    ]
    return layers.by_kernel(boxes, marks)
