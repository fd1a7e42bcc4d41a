"""One kernel's speedup from run to run, with the runs where versions changed marked."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_kernelbench.reports.charts.layers import Chart, Spec, has_place
from pytest_kernelbench.reports.sections import Past, Track

_SIZE = {"width": 250, "height": 110}
_BLUE = "var(--faster)"


def chart(track: Track, pasts: Sequence[Past]) -> Chart | None:
    seen = [
        {"run": past.number, "speedup": one.value, "low": one.low, "high": one.high}
        for past, one in zip(pasts, track.speedups, strict=True)
        if one and has_place(one)
    ]
    if len(seen) < 2:
        return None
    marks = [{"run": past.number} for past in pasts if past.changes]
    first, last = seen[0], seen[-1]
    caption = (
        f"{first['speedup']:.2f}x in run {first['run']}, "
        f"{last['speedup']:.2f}x in run {last['run']}"
    )
    return Chart(track.name, caption, _spec(seen, marks, len(pasts)))


def moved(track: Track) -> float:
    """By what factor the best and the worst run differ."""
    values = [one.value for one in track.speedups if one and has_place(one)]
    return max(values) / min(values) if values else 0.0


def _spec(seen: list[Spec], marks: list[Spec], runs: int) -> Spec:
    x = {
        "field": "run",
        "type": "quantitative",
        "scale": {"domain": [0.8, runs + 0.2], "nice": False},
        "axis": {
            "title": "run",
            "values": list(range(1, runs + 1, 1 + runs // 9)),
            "format": "d",
            "grid": False,
        },
    }
    lows, highs = [one["low"] for one in seen], [one["high"] for one in seen]
    y = {
        "type": "quantitative",
        "scale": {"domain": [min(lows) * 0.97, max(highs) * 1.03], "nice": False},
        "axis": {
            "title": None,
            "minExtent": 34,
            "tickCount": 3,
            "labelExpr": "datum.label + 'x'",
        },
    }
    interval = {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}}
    layers = [
        {
            "mark": {"type": "area", "color": _BLUE, "opacity": 0.2},
            "encoding": interval,
        },
        {
            "mark": {"type": "line", "color": _BLUE, "point": {"color": _BLUE}},
            "encoding": {"x": x, "y": {"field": "speedup", **y}},
        },
        {
            "data": {"values": marks},
            "mark": {"type": "rule", "color": "var(--ink)", "strokeDash": [3, 3]},
            "encoding": {"x": x},
        },
    ]
    return {"data": {"values": seen}, **_SIZE, "layer": layers}
