"""What charts share: a row for each kernel, its axes, and marks that stand on them.

Colours are the page's own variables, so that one picture serves light and dark. Fonts
are those of whoever reads the page, often wider than those that the renderer measures
with: names and figures have room to spare.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from pytest_kernelbench.model import Interval

MOST = 40
"""Kernels in one chart; what is left out is said, and is in the table."""
NAME_WIDTH = 130
_WIDTH = 380
_ROW = 22
_LETTER = 6.8
_WIDER = 1.25
"""Than the renderer's, of the fonts that readers have."""

Spec = dict[str, Any]
_One = TypeVar("_One")


class Chart(NamedTuple):
    """A picture and the words for it."""

    title: str
    caption: str
    spec: Spec


def has_place(ratio: Interval) -> bool:
    """Whether it can stand on a logarithmic axis."""
    return 0 < ratio.low <= ratio.value <= ratio.high < math.inf


def by_kernel(values: Sequence[Spec], layers: Sequence[Spec]) -> Spec:
    """A row for each value, named by its ``kernel``; layers come with their x."""
    longest = max(len(one["kernel"]) for one in values) * _LETTER
    y = {
        "field": "kernel",
        "type": "nominal",
        "sort": [one["kernel"] for one in values],
        "axis": {"title": None, "minExtent": min(longest, NAME_WIDTH * _WIDER)},
    }
    return {
        "data": {"values": values},
        "width": _WIDTH,
        "height": _ROW * len(values),
        "layer": [_with_rows(layer, y) for layer in layers],
    }


def _with_rows(layer: Spec, y: Spec) -> Spec:
    if "datum" in layer["encoding"]["x"]:  # a line through all rows
        return layer
    return {**layer, "encoding": {**layer["encoding"], "y": y}}


def bar(field: str, x: Spec) -> Spec:
    """From 0."""
    return {
        "mark": {"type": "bar", "height": 12, "color": "var(--faster)"},
        "encoding": {"x": {"field": field, **x}},
    }


def span(low: str, high: str, x: Spec, **mark: Any) -> Spec:
    """A line from one field to another."""
    return {
        "mark": {"type": "rule", "color": "var(--ink)", **mark},
        "encoding": {"x": {"field": low, **x}, "x2": {"field": high}},
    }


def tick(field: str, x: Spec, **mark: Any) -> Spec:
    return {
        "mark": {"type": "tick", "color": "var(--ink)", "thickness": 2, **mark},
        "encoding": {"x": {"field": field, **x}},
    }


def labels(end: str, x: Spec) -> list[Spec]:
    """The field ``label`` behind ``end``, on a ground of its own over other marks."""
    mark = {"type": "text", "align": "left", "dx": 6}
    ground = {"color": "var(--surface)", "stroke": "var(--surface)", "strokeWidth": 4}
    encoding = {"x": {"field": end, **x}, "text": {"field": "label"}}
    return [
        {"mark": {**mark, **ground}, "encoding": encoding},
        {"mark": mark, "encoding": encoding},
    ]


def line_at(at: float, x: Spec, *, dashed: bool = False) -> Spec:
    return {
        "data": {"values": [{}]},
        "mark": {
            "type": "rule",
            "color": "var(--ink)",
            "strokeDash": [4, 3] if dashed else [],
        },
        "encoding": {"x": {"datum": at, **x}},
    }


def amounts(most: float, unit: str) -> Spec:
    """From 0, with room for a label."""
    return {
        "type": "quantitative",
        "scale": {"domain": [0, most * 1.25], "nice": False},
        "axis": {"title": unit, "tickCount": 5},
    }


def ratios(values: Sequence[float]) -> Spec:
    """Logarithmic around 1, so that half and double are equally far; with room."""
    low, high = min(*values, 0.9), max(*values, 1.1)
    share = high / low
    low, high = low / share**0.04, high * share**0.25
    return {
        "type": "quantitative",
        "scale": {"type": "log", "base": 2, "domain": [low, high], "nice": False},
        "axis": {
            "title": None,
            "values": list(_round_ratios(low, high)),
            "labelExpr": "datum.label + 'x'",
        },
    }


def _round_ratios(low: float, high: float) -> Iterator[float]:
    if high / low > 4:
        exponents = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
        every = 1 + len(exponents) // 8
        yield from (2.0**number for number in exponents if number % every == 0)
        return
    step = next((s for s in (0.1, 0.2, 0.25) if (high - low) / s < 8), 0.5)
    first, last = math.ceil(low / step), math.floor(high / step)
    yield from (round(number * step, 2) for number in range(first, last + 1))


def ends(ordered: list[_One]) -> list[_One]:
    """All, or those at both ends where they are too many."""
    if len(ordered) <= MOST:
        return ordered
    return ordered[: MOST // 2] + ordered[-MOST // 2 :]


def left_out(found: Sequence[Any], shown: Sequence[Any]) -> str:
    if len(found) == len(shown):
        return ""
    return f" {len(shown)} of {len(found)} kernels are shown, all are in the table."
