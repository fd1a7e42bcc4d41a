"""Speedup over PyTorch: bars that leave 1 to the side that the kernel is on."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_kernelbench.model import Interval
from pytest_kernelbench.reports.charts import layers
from pytest_kernelbench.reports.charts.layers import Chart, Spec
from pytest_kernelbench.reports.sections import Row

_COLOURS = {
    "faster": "var(--faster)",
    "even": "var(--even)",
    "slower": "var(--slower)",
}


def chart(rows: Sequence[Row]) -> Chart | None:
    found = [(row.name, row.result.speedup) for row in rows]
    timed = [(name, one) for name, one in found if one and layers.has_place(one)]
    if not timed:
        return None
    timed.sort(key=lambda pair: pair[1].value, reverse=True)
    shown = layers.ends(timed)
    sides = [_side(one) for _, one in timed]
    (fastest, most), (slowest, least) = timed[0], timed[-1]
    caption = (
        f"{sides.count('faster')} faster than PyTorch, {sides.count('slower')} slower, "
        f"{sides.count('even')} with 1 inside the interval; from {least.value:.2f}x "
        f"({slowest}) to {most.value:.2f}x ({fastest}). The line on each bar is the "
        f"95 % interval.{layers.left_out(timed, shown)}"
    )
    x = layers.ratios([end for _, one in shown for end in (one.low, one.high)])
    values = [_value(name, one) for name, one in shown]
    return Chart("Speedup over PyTorch", caption, _spec(values, x))


def _side(speedup: Interval) -> str:
    if speedup.low > 1:
        return "faster"
    return "slower" if speedup.high < 1 else "even"


def _value(name: str, speedup: Interval) -> Spec:
    return {
        "kernel": name,
        "speedup": speedup.value,
        "low": speedup.low,
        "high": speedup.high,
        "side": _side(speedup),
        "label": f"{speedup.value:.2f}x",
        "end": max(1.0, speedup.high),
    }


def _spec(values: list[Spec], x: Spec) -> Spec:
    scale = {"domain": list(_COLOURS), "range": list(_COLOURS.values())}
    bars = layers.bar("speedup", x)
    bars["encoding"]["x2"] = {"datum": 1}
    bars["encoding"]["color"] = {"field": "side", "scale": scale, "legend": None}
    interval = layers.span("low", "high", x, strokeWidth=1.5)
    marks = [bars, interval, layers.line_at(1, x), *layers.labels("end", x)]
    return layers.by_kernel(values, marks)
