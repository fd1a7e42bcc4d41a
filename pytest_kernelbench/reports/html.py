"""A report to read: one page that needs nothing but itself.

All text is escaped by the template library, kernel names and logs like any other; the
page's own style and script are named in its Content-Security-Policy by their hashes,
so that a browser runs and fetches nothing else whatever a kernel has written.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from pytest_kernelbench.outcomes import escaped, escaped_log
from pytest_kernelbench.reports import wording
from pytest_kernelbench.reports.charts import Chart, charts, histories
from pytest_kernelbench.reports.pictures import can_draw, drawn
from pytest_kernelbench.reports.sections import Section, arranged, oldest_first
from pytest_kernelbench.runs import Run, write_whole
from pytest_kernelbench.text import printable

_WORD_ENDS = re.compile(r"(?<=[_/])")
HOW_TO_GET_CHARTS = "pip install 'pytest-kernelbench[report]'"


class Figure(NamedTuple):
    """A chart as it stands in the page."""

    anchor: str
    title: str
    caption: str
    svg: Markup


class Device(NamedTuple):
    """A section with its pictures, none where nothing can draw them."""

    section: Section
    figures: list[Figure]
    histories: list[Figure]


def write_html(path: Path, *runs: Run) -> None:
    """Write the page of one run or more; of each device, the newest is on top.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, page(runs).encode())


def page(runs: Sequence[Run]) -> str:
    """The page as text."""
    loader = jinja2.PackageLoader("pytest_kernelbench.reports", "page")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        finalize=_harmless,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "line": escaped,
        "log": escaped_log,
        "change": wording.change,
        "changes": wording.changes,
        "duration": wording.duration,
        "gain": wording.gain,
        "runtime": wording.runtime,
        "problem": wording.problem,
        "tally": wording.tally,
        "trial": wording.trial,
        "counted": wording.counted,
        "breakable": _breakable,
        "plain": _plain,
    }
    style = _own(environment, "page.css")
    script = _own(environment, "page.js")
    ordered = oldest_first(runs)
    return environment.get_template("page.html").render(
        policy=_policy(style, script),
        style=style,
        script=script,
        times=len({run.datetime for run in runs}),
        newest=ordered[-1],
        devices=[_device(section, n) for n, section in enumerate(arranged(runs), 1)],
        how_to_get_charts=None if can_draw() else HOW_TO_GET_CHARTS,
        version=metadata.version("pytest-kernelbench"),
        absent=wording.ABSENT,
    )


def _harmless(value: object) -> object:
    """What a template is about to show; escaping it for HTML is the library's."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value


def _own(environment: jinja2.Environment, name: str) -> Markup:
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, name)
    return Markup(source)  # noqa: S704  this package's own file


def _breakable(name: str) -> Markup:
    """A name that may go on in the next line where its words end."""
    return Markup("<wbr>").join(_WORD_ENDS.split(name))


def _plain(value: Any) -> str:
    """A setting, or what is known of the machine, in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(_plain, value))
    return wording.ABSENT if value in (None, "") else escaped(str(value))


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _device(section: Section, number: int) -> Device:
    if not can_draw():
        return Device(section, [], [])
    return Device(
        section,
        _figures(charts(section), f"chart{number}"),
        _figures(histories(section), f"history{number}"),
    )


def _figures(drawable: Sequence[Chart], prefix: str) -> list[Figure]:
    return [
        _figure(chart, f"{prefix}-{number}") for number, chart in enumerate(drawable, 1)
    ]


def _figure(chart: Chart, anchor: str) -> Figure:
    # Put together from parsed XML, so it is markup and no more than a picture.
    svg = Markup(drawn(chart, anchor))  # noqa: S704
    return Figure(anchor, chart.title, chart.caption, svg)
