"""Verdict, runtime and speedup in the report of pytest-html, where it writes one.

That plugin fixes its columns before anything is collected, so they are added only where
an option or the ini file speaks of kernels; a line in a kernel's own row always.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_kernelbench.model import EvalResult
from pytest_kernelbench.outcomes import escaped
from pytest_kernelbench.reports import wording

_TITLES = ("verdict", "runtime", "speedup")
_BEHIND_THE_TEST = 2


class HtmlColumns:
    """Hooks of pytest-html; only to be registered where that is installed."""

    def __init__(self, *, columns: bool) -> None:
        self._columns = columns

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        if self._columns:
            _insert(cells, [f"<th>{title.capitalize()}</th>" for title in _TITLES])

    def pytest_html_results_table_row(
        self, report: pytest.TestReport, cells: list[str]
    ) -> None:
        if self._columns and cells:  # empty: another plugin has dropped the row
            rows = list(zip(*map(_cells, _results(report)), strict=True))
            shown = rows or [()] * len(_TITLES)
            pairs = zip(_TITLES, shown, strict=True)
            _insert(cells, [_cell(title, texts) for title, texts in pairs])

    def pytest_html_results_table_html(
        self, report: pytest.TestReport, data: list[str]
    ) -> None:
        lines = [html.escape(" · ".join(_cells(one))) for one in _results(report)]
        data[:0] = [f"{line}\n" for line in lines]


def _insert(cells: list[str], more: list[str]) -> None:
    cells[_BEHIND_THE_TEST:_BEHIND_THE_TEST] = more


def _results(report: pytest.TestReport) -> Iterator[EvalResult]:
    told: dict[str, Any] = getattr(report, "kernelbench", {"evaluations": []})
    for one in told["evaluations"]:
        yield EvalResult.from_builtins(one["result"])


def _cells(result: EvalResult) -> tuple[str, ...]:
    return (
        result.verdict.value,
        wording.runtime(result.runtime) if result.runtime else wording.ABSENT,
        wording.gain(result),
    )


def _cell(title: str, texts: tuple[str, ...]) -> str:
    shown = "<br>".join(html.escape(escaped(text)) for text in texts)
    return f'<td class="col-{title}">{shown}</td>'
