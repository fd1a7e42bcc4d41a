"""What a run has shown so far, gathered from test reports in the controller.

Reports are the one channel that xdist carries, so that a table or a file made from
them is the same with any number of workers.
"""

from __future__ import annotations

import sys
import time
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

if typing.TYPE_CHECKING:
    from pytest_kernelbench.executors.base import Executor
    from pytest_kernelbench.journal import Journal
    from pytest_kernelbench.runs import Evaluated, Run
    from pytest_kernelbench.session import Evaluations
    from pytest_kernelbench.settings import Settings


_FILES = ("kb_json", "kb_html", "kb_save", "kb_autosave", "kb_update_records")
"""Options that ask for a file at the end of the run."""


class RunReports:
    """Gathers while tests run, reports at the end.

    The mutable state is the evaluations and what could not be evaluated, by test,
    and what there is to say of the files written.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self._session: pytest.Session | None = None
        self._started = time.monotonic()
        self._evaluated: dict[str, list[Evaluated]] = {}
        self._unevaluated: dict[str, str] = {}
        self._set_aside: dict[str, str] = {}
        self._ungated: dict[str, list[tuple[str, str]]] = {}
        self._trouble: list[str] = []
        self._kept: list[str] = []

    @property
    def evaluated(self) -> list[Evaluated]:
        """In the order of the tests."""
        return [
            one
            for nodeid in self._ordered(self._evaluated)
            for one in self._evaluated[nodeid]
        ]

    @property
    def unevaluated(self) -> dict[str, str]:
        """Why, by test."""
        return {one: self._unevaluated[one] for one in self._ordered(self._unevaluated)}

    @property
    def set_aside(self) -> list[tuple[str, str]]:
        """Tests that had nothing to evaluate, and why."""
        return [(one, self._set_aside[one]) for one in self._ordered(self._set_aside)]

    @property
    def gates(self) -> list[tuple[str, str]]:
        """Kernels with limits, and why they were not held to them, empty if they were."""
        ordered = self._ordered(self._ungated)
        return [gate for one in ordered for gate in self._ungated[one]]

    @property
    def interrupted(self) -> bool:
        """Whether the session ended before all tests had run."""
        early = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        return self._session is not None and self._session.exitstatus in early

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    def _ordered(self, nodeids: Iterable[str]) -> list[str]:
        # Workers finish in any order, and only they know that of the collection.
        shuffled = self.config.pluginmanager.has_plugin("dsession")
        return sorted(nodeids) if shuffled else list(nodeids)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def journal(self) -> Journal | None:
        owner = self._owner
        return None if owner is None else owner.journal

    @property
    def executor(self) -> Executor | None:
        """The one that worked for this run, though it may be closed by now."""
        owner = self._owner
        return None if owner is None else owner.executor

    @property
    def _owner(self) -> Evaluations | None:
        if "pytest_kernelbench.session" not in sys.modules:
            return None
        from pytest_kernelbench.session import EVALUATIONS, Evaluations  # noqa: PLC0415

        owner = self.config.stash.get(EVALUATIONS, None)
        return owner if isinstance(owner, Evaluations) else None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        told = getattr(report, "kernelbench", None)
        if told is not None:
            self._unevaluated[report.nodeid] = told["unevaluated"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "setup":  # a rerun replaces what was seen before
            self._evaluated.pop(report.nodeid, None)
            self._unevaluated.pop(report.nodeid, None)
            self._set_aside.pop(report.nodeid, None)
            self._ungated.pop(report.nodeid, None)
        told = getattr(report, "kernelbench", None)
        if told is None:
            return
        from pytest_kernelbench.model import EvalResult  # noqa: PLC0415
        from pytest_kernelbench.runs import Evaluated  # noqa: PLC0415

        if "unevaluated" in told:
            self._unevaluated[report.nodeid] = told["unevaluated"]
        if "set_aside" in told:
            self._set_aside[report.nodeid] = told["set_aside"]
        gates = self._ungated.setdefault(report.nodeid, [])
        for one in told["evaluations"]:
            if one["ungated"] is not None:
                gates.append((one["result"]["kernel"], one["ungated"]))
        _, line, _ = report.location
        self._evaluated.setdefault(report.nodeid, []).extend(
            Evaluated(
                report.nodeid,
                report.outcome,
                EvalResult.from_builtins(one["result"]),
                None if line is None else line + 1,
            )
            for one in told["evaluations"]
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        config = session.config
        # Without it in the command line or ini there are no settings to ask yet.
        asked = any(config.getoption(key) or config.getini(key) for key in _FILES)
        if not asked or config.getoption("collectonly"):
            return
        from pytest_kernelbench.settings import settings_of  # noqa: PLC0415

        passed = session.exitstatus == pytest.ExitCode.OK
        self._write_files(settings_of(config), passed=passed)

    def _write_files(self, settings: Settings, *, passed: bool) -> None:
        from pytest_kernelbench.reports.finished import finished  # noqa: PLC0415

        run = finished(self, settings)
        for path, write in _writers(settings):
            try:
                write(path, run)
            except OSError as error:
                self._trouble.append(f"{path}: not written: {error.strerror}")
        if settings.save or settings.autosave or settings.update_records:
            from pytest_kernelbench.reports.keeping import keep  # noqa: PLC0415

            kept = keep(run, settings, passed=passed)
            self._kept += kept.said
            self._trouble += kept.trouble

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        for trouble in self._trouble:
            terminalreporter.write_line(f"kernelbench: {trouble}", red=True)
        if not any((self._evaluated, self._unevaluated, self._set_aside)):
            return
        from pytest_kernelbench.reports import terminal  # noqa: PLC0415

        terminal.show(self, terminalreporter, self.config)
        for line in self._kept:
            terminalreporter.write_line(f" {line}")


def _writers(settings: Settings) -> Iterator[tuple[Path, Callable[[Path, Run], None]]]:
    """The files that are asked for; what writes one is loaded for it alone."""
    if settings.json is not None:
        from pytest_kernelbench.runs import write_run  # noqa: PLC0415

        yield settings.json, write_run
    if settings.html is not None:
        from pytest_kernelbench.reports.html import write_html  # noqa: PLC0415

        yield settings.html, write_html


def refuse_unwritable(config: pytest.Config) -> None:
    """Say before the first evaluation that what was asked for cannot be saved.

    Raises:
        pytest.UsageError: one line.
    """
    from pytest_kernelbench.settings import settings_of  # noqa: PLC0415

    settings = settings_of(config)
    keeping = {"storage", "resume", "save", "autosave"}
    asked_to_keep = keeping & settings.origins.keys()
    paths = {
        "--kb-json": settings.json,
        "--kb-html": settings.html,
        "--kb-record-file": settings.record_file if settings.update_records else None,
        "--kb-github-comment": settings.github_comment,
    }
    files = {option: path for option, path in paths.items() if path is not None}
    if not files and not asked_to_keep:
        return
    from pytest_kernelbench.journal import obstacle  # noqa: PLC0415

    for option, path in files.items():
        _refuse(option, "is a directory" if path.is_dir() else obstacle(path), path)
        others = [one for one in files if one != option and files[one] == path]
        _refuse(option, f"so does {others[0]}" if others else None, path)
    if asked_to_keep:
        run = settings.storage / "runs" / "run.jsonl"
        _refuse("--kb-storage", obstacle(run), settings.storage)


def _refuse(option: str, why: str | None, path: object) -> None:
    if why is not None:
        raise pytest.UsageError(f"{option}: cannot write {path}: {why}")
