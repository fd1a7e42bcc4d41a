"""The pytest hooks, and nothing else.

Loading this module must stay cheap: it runs at the start of every pytest, also where
there is no kernel. Whatever costs more than a function is imported inside the hook
that needs it, once it is known to be needed.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
import typing
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_kernelbench.fixtures import kernelbench
from pytest_kernelbench.options import add_options, any_given

if typing.TYPE_CHECKING:
    from pytest_kernelbench.collection import KernelItem
    from pytest_kernelbench.executors import ExecutorFactory

__all__ = ["kernelbench"]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_kernelbench import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Before any conftest.py is imported: one beside untrusted kernels must not be."""
    try:
        trusted = early_config.getini("kb_directives")
    except (ValueError, pytest.UsageError):  # which is told once options are read
        return
    if not trusted:
        from pytest_kernelbench.untrusted import look_around

        named = parser.parse_known_args(args).file_or_dir
        look_around(early_config, named or early_config.getini("testpaths"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "kernelbench(problem, **options): defaults of the kernelbench fixture; "
        "kernel files carry it with problem, backend and device",
    )
    given = any_given(config)
    if given:
        from pytest_kernelbench.settings import settings_of

        settings_of(config)
    if not hasattr(config, "workerinput"):
        _configure_controller(config, given=given)


def _configure_controller(config: pytest.Config, *, given: bool) -> None:
    from pytest_kernelbench.reports.run import RunReports, refuse_unwritable

    if given:
        refuse_unwritable(config)
        _refuse_unknown_past(config)
        _refuse_unknown_commit(config)
    reports = RunReports(config)
    config.pluginmanager.register(reports, "kernelbench-reports")
    if _reports_to_github(config):
        from pytest_kernelbench.reports.on_github import GitHubReports

        config.pluginmanager.register(GitHubReports(config, reports))
    if config.getoption("htmlpath", None):  # of pytest-html
        from pytest_kernelbench.reports.columns_of_html import HtmlColumns

        config.pluginmanager.register(HtmlColumns(columns=given))
    if config.getoption("dist", "no") != "no":
        from pytest_kernelbench.xdist import XdistController

        config.pluginmanager.register(XdistController(config), "kernelbench-xdist")


def _reports_to_github(config: pytest.Config) -> bool:
    """Whether it might: on a guess it is loaded, and writes nothing without kernels."""
    keys = ("kb_github", "kb_github_comment")
    asked = any(config.getoption(key) or config.getini(key) for key in keys)
    return asked or os.environ.get("GITHUB_ACTIONS") == "true"


def _refuse_unknown_past(config: pytest.Config) -> None:
    from pytest_kernelbench.settings import settings_of

    settings = settings_of(config)
    if settings.compare is not None or settings.record_file is not None:
        from pytest_kernelbench.history.known import refuse_unknown

        refuse_unknown(settings)


def _refuse_unknown_commit(config: pytest.Config) -> None:
    from pytest_kernelbench.settings import settings_of

    if settings_of(config).compare_ref is None:
        return
    from pytest_kernelbench.comparison import bases_of
    from pytest_kernelbench.errors import RepositoryError

    try:
        bases_of(config)
    except RepositoryError as error:
        message = f"--kb-compare-ref: {error}"
    else:
        return
    raise pytest.UsageError(message)


def pytest_kernelbench_executors() -> Mapping[str, ExecutorFactory]:
    from pytest_kernelbench.executors import BUILT_IN

    return BUILT_IN


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    collectors = yield
    if file_path.suffix in (".py", ".cu", ".cpp", ".hip"):
        from pytest_kernelbench.kernels import claims

        patterns = parent.config.getini("kb_files")
        named = parent.session.isinitpath(file_path)
        if claims(file_path, patterns, named=named):
            from pytest_kernelbench.collection import KernelFile

            # In place of all others: pytest's own collectors would import the kernel.
            return [KernelFile.from_parent(parent, path=file_path)]
    if collectors and "pytest_kernelbench.untrusted" in sys.modules:
        from pytest_kernelbench.untrusted import RefusedFile, is_untrusted

        if is_untrusted(parent.config, file_path):
            return [RefusedFile.from_parent(parent, path=file_path)]
    return collectors


def pytest_collection_finish(session: pytest.Session) -> None:
    gated = [item for item in _kernel_items(session.items) if item.is_gated]
    for item in gated:
        item.share_alpha(len(gated))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.failed and "pytest_kernelbench.collection" in sys.modules:
        from pytest_kernelbench.collection import KernelFile

        if isinstance(collector, KernelFile):
            why = {"evaluations": [], "unevaluated": report.longreprtext}
            report.kernelbench = why  # type: ignore[attr-defined]
    return report


def pytest_report_collectionfinish(
    config: pytest.Config, items: list[pytest.Item]
) -> list[str]:
    kernels = _kernel_items(items)
    if not kernels or config.getoption("collectonly"):
        return []
    from pytest_kernelbench.comparison import bases_of
    from pytest_kernelbench.reports.terminal import header
    from pytest_kernelbench.settings import settings_of

    lines = [header(kernels, settings_of(config))]
    bases = bases_of(config)
    if bases is not None:
        lines.append(f"kernelbench: against {bases.ref}, commit {bases.commit[:12]}")
    return lines


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    if not _about_to_run(session):
        return
    items = [item for item in _kernel_items(session.items) if item.will_run]
    if items:
        _refuse_cost(session, items)
    for item in items:
        item.submit()


def _refuse_cost(session: pytest.Session, items: list[KernelItem]) -> None:
    from pytest_kernelbench.session import refuse_cost

    why = refuse_cost(session.config, [item.request for item in items])
    if why is None:
        return
    if hasattr(session.config, "workerinput"):  # xdist tells the controller
        session.shouldfail = f"kernelbench: nothing was evaluated: {why}"
        raise session.Failed(session.shouldfail)
    raise pytest.UsageError(f"nothing was evaluated: {why}")


def _about_to_run(session: pytest.Session) -> bool:
    options = session.config.option
    if options.collectonly or options.setuponly or options.setupplan:
        return False
    worker = getattr(session.config, "workerinput", None)
    if worker is not None:
        # Every worker has every item. Only one that shares its evaluations may ask for
        # all of them; any other asks for each in its turn.
        return "broker" in worker.get("kernelbench", {})
    # pytest gives up on collection errors, but only after this hook.
    return not session.testsfailed or options.continue_on_collection_errors


def _kernel_items(items: list[pytest.Item]) -> list[KernelItem]:
    if "pytest_kernelbench.collection" not in sys.modules:
        return []
    from pytest_kernelbench.collection import KernelItem

    return [item for item in items if isinstance(item, KernelItem)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if "pytest_kernelbench.outcomes" in sys.modules:
        from pytest_kernelbench.outcomes import tell

        tell(item, report)
    return report


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport,
) -> tuple[str, str, str] | None:
    told: dict[str, Any] | None = getattr(report, "kernelbench", None)
    if not told or report.when != "call" or not report.passed:
        return None
    if hasattr(report, "wasxfail"):
        return None
    from pytest_kernelbench.reports.terminal import status_word

    word = status_word(told)
    return None if word is None else ("passed", ".", word)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    _close(session.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    _close(config)


def _close(config: pytest.Config) -> None:
    if "pytest_kernelbench.session" not in sys.modules:
        return
    from pytest_kernelbench.session import EVALUATIONS

    evaluations = config.stash.get(EVALUATIONS, None)
    if evaluations is not None:
        evaluations.close()
