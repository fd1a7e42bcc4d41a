"""Reports to GitHub at the end of a session, where it runs in GitHub Actions.

Lives in the controller beside ``RunReports``, whose evaluations it tells.
"""

from __future__ import annotations

import os

import pytest

from pytest_kernelbench.reports.run import RunReports

_TELLS_FAILURES = "annotate_errors"
"""As pytest-github-actions-annotate-failures registers what emits its commands."""


class GitHubReports:
    """Writes once, at the end.

    The mutable state is the lines that are to be printed.
    """

    def __init__(self, config: pytest.Config, seen: RunReports) -> None:
        self._config = config
        self._seen = seen
        self._commands: list[str] = []
        self._trouble: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        config = self._config
        seen = self._seen
        something = bool(seen.evaluated or seen.unevaluated or seen.set_aside)
        asked = config.getoption("kb_github") or config.getini("kb_github")
        if config.getoption("collectonly") or not (something or asked == "on"):
            return
        try:
            self._report()
        except OSError as error:
            # Without a name where it is the file that is too long or the disk full.
            what = error.filename or "report to GitHub"
            self._trouble.append(f"{what}: not written: {error.strerror}")

    def _report(self) -> None:
        from pytest_kernelbench.reports import github  # noqa: PLC0415
        from pytest_kernelbench.reports.finished import finished  # noqa: PLC0415
        from pytest_kernelbench.settings import settings_of  # noqa: PLC0415

        settings = settings_of(self._config)
        actions = github.Actions.of(os.environ)
        run = finished(self._seen, settings)
        files = {"json": settings.json, "comment": settings.github_comment}
        if settings.github_comment is not None:
            github.write_comment(settings.github_comment, run, actions)
        if settings.github == "off":
            return
        if settings.github == "auto" and not github.active(os.environ):
            return
        others = self._config.pluginmanager
        told_already = github.active(os.environ) and others.has_plugin(_TELLS_FAILURES)
        self._commands += github.annotated(
            run, actions, root=settings.rootdir, failures=not told_already
        )
        written = {name: path for name, path in files.items() if path is not None}
        self._trouble += github.write(run, actions, written)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        for trouble in self._trouble:
            terminalreporter.write_line(f"kernelbench: {trouble}", red=True)
        terminalreporter.ensure_newline()
        for command in self._commands:
            terminalreporter.write_line(command)
