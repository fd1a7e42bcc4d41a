"""What is worth a picture, as Vega-Lite specs over plain numbers.

Each chart is a module; ``layers`` has what they share. A chart's caption says in words
what the picture shows, for those who do not see it; the numbers themselves are in the
page's tables. Names of kernels are data in a spec, never part of an expression.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_kernelbench.reports.charts import (
    bandwidths,
    builds,
    distributions,
    history,
    speedups,
)
from pytest_kernelbench.reports.charts.layers import MOST, Chart
from pytest_kernelbench.reports.sections import Section

__all__ = ["Chart", "charts", "histories"]

_KINDS = (speedups, distributions, bandwidths, builds)


def charts(section: Section) -> list[Chart]:
    """Those for which the newest run has numbers."""
    return _drawable(kind.chart(section.rows) for kind in _KINDS)


def histories(section: Section) -> list[Chart]:
    """One small chart a kernel, those that changed the most first."""
    tracks = sorted(section.tracks, key=history.moved, reverse=True)
    return _drawable(history.chart(track, section.pasts) for track in tracks[:MOST])


def _drawable(found: Iterable[Chart | None]) -> list[Chart]:
    return [chart for chart in found if chart is not None]
