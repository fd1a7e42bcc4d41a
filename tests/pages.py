"""Runs made by hand, and an HTML page as a test sees it."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from typing import Any

from pytest_kernelbench.model import (
    Baseline,
    EvalResult,
    Interval,
    Runtime,
    Verdict,
)
from pytest_kernelbench.runs import Evaluated, Run
from pytest_kernelbench.statistics import summarize

BLOCKS = {"th", "td", "dt", "dd", "li", "p", "pre", "summary"}
VOID = {"meta", "br", "wbr", "link", "img", "input"}


def runtime(seconds: float) -> Runtime:
    return summarize([seconds * (1 + number % 7 / 100) for number in range(40)])


def evaluated(
    name: str,
    *,
    verdict: str = "PASS",
    speedup: float | None = None,
    outcome: str | None = None,
    **fields: Any,
) -> Evaluated:
    """An evaluation of ``kernels/NAME.py``; with a speedup it was timed."""
    timed: dict[str, Any] = {}
    if speedup is not None:
        timed = {
            "runtime": runtime(1e-4),
            "baseline": Baseline(kind="eager", runtime=runtime(speedup * 1e-4)),
            "speedup": Interval(value=speedup, low=speedup * 0.98, high=speedup * 1.02),
        }
    word = Verdict(verdict)
    common = {
        "verdict": word,
        "kernel": f"kernels/{name}.py",
        "problem": "level1/23",
        "device": "cuda:0",
        "device_name": "H200",
        "seed": 7,
        "built": word is not Verdict.BUILD,
        "correct": not word.is_failure,
    }
    result = EvalResult(**{**common, **timed, **fields})
    outcome = outcome or ("failed" if word.is_failure else "passed")
    return Evaluated(f"kernels/{name}.py::ModelNew", outcome, result)


def run(*found: Evaluated, day: int = 1, **fields: Any) -> Run:
    common: dict[str, Any] = {
        "evaluated": found,
        "unevaluated": {},
        "settings": {"seed": 7, "replay": ["--kb-min-speedup=1"]},
        "machine": {"node": "bench"},
        "commit": {"id": f"{day}" * 40, "dirty": False, "project": "norms"},
        "datetime": f"2026-01-{day:02}T10:00:00+00:00",
        "version": "0.1",
        "seconds": 12.5,
    }
    return Run(**{**common, **fields})


@dataclasses.dataclass(slots=True)
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    """Of the element and all in it, spaces made one."""


class Page(HTMLParser):
    """The elements of a page, in the order in which they begin.

    Fails where an element is not closed or is closed twice.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"
        for element in self.elements:
            element.text = " ".join(element.text.split())

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"given twice: {names}"
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, f"closed but not open: {tag}"
        assert self._open[-1].tag == tag, f"{self._open[-1].tag} closed as {tag}"
        self._open.pop()
        self.handle_data(" " if tag in BLOCKS else "")

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag
            and all(element.attributes.get(k) == v for k, v in wanted.items())
        ]

    def texts(self, tag: str, **attributes: str) -> list[str]:
        return [element.text for element in self.all(tag, **attributes)]

    def ids(self) -> list[str]:
        found = [element.attributes.get("id") for element in self.elements]
        return [one for one in found if one is not None]
