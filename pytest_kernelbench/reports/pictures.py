"""Charts as SVG that stands inside a page: drawn when it is written, not when read.

The renderer reaches for nothing outside, and what it makes is taken apart and put
together again, so that what ends up in the page is well-formed and says only once,
on the picture as a whole, what it is for assistive technology.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

from pytest_kernelbench.reports.charts import Chart
from pytest_kernelbench.reports.charts.layers import NAME_WIDTH

_NAMESPACE = re.compile(r"^\{[^}]*\}")
_CONFIG = {
    "autosize": {"type": "fit", "contains": "padding"},
    "background": None,
    "padding": 2,
    "aria": False,
    "font": "sans-serif",
    "view": {"stroke": None},
    "text": {"color": "var(--ink)", "fontSize": 11},
    "axis": {
        "labelColor": "var(--ink)",
        "labelFontSize": 11,
        "labelLimit": NAME_WIDTH,
        "titleColor": "var(--muted)",
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "axisBand": {"grid": False},
}


def can_draw() -> bool:
    """Whether the renderer is installed, and can be loaded here."""
    try:
        import vl_convert  # noqa: F401, PLC0415  only where it is installed
    except ImportError:
        return False
    return True


def drawn(chart: Chart, anchor: str) -> str:
    """The chart as an ``svg`` element.

    Args:
        chart: To be drawn.
        anchor: The page has the ids ``ANCHOR-title`` and ``ANCHOR-caption`` of what
            names and describes the picture.
    """
    import vl_convert  # noqa: PLC0415

    spec: dict[str, Any] = {**chart.spec, "config": _CONFIG}
    # No base URL is allowed: drawing needs nothing from the network.
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    root = ET.fromstring(svg)  # noqa: S314  from the renderer, which escapes text
    for element in root.iter():
        _strip(element)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": box,
            "role": "img",
            "aria-labelledby": f"{anchor}-title",
            "aria-describedby": f"{anchor}-caption",
        }
    )
    return ET.tostring(root, encoding="unicode")


def _strip(element: ET.Element) -> None:
    """Leave what is seen: no namespaces, and no roles of single bars and lines."""
    element.tag = _NAMESPACE.sub("", element.tag)
    for name in list(element.attrib):
        if name in ("role", "class") or name.startswith("aria-"):
            del element.attrib[name]
    for child in list(element):
        if child.get("display") == "none" or child.get("opacity") == "0":
            element.remove(child)
