"""The run of this session as plain data, with where and from which commit it came."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from pytest_kernelbench.reports.gate import gate_lines
from pytest_kernelbench.reports.run import RunReports
from pytest_kernelbench.runs import Run
from pytest_kernelbench.settings import Settings
from pytest_kernelbench.terms import replayed_words

_GIT_SECONDS = 5


def finished(seen: RunReports, settings: Settings) -> Run:
    """What was seen, and where."""
    return Run(
        evaluated=tuple(seen.evaluated),
        unevaluated=seen.unevaluated,
        settings=_settings(settings),
        machine=_machine(),
        commit=_commit(settings.rootdir),
        datetime=dt.datetime.now(dt.UTC).isoformat(),
        version=metadata.version("pytest-kernelbench"),
        seconds=seen.seconds,
        set_aside=dict(seen.set_aside),
        gate=tuple(gate_lines(seen, seen.config)),
        interrupted=seen.interrupted,
    )


def _settings(settings: Settings) -> dict[str, Any]:
    left_out = ("command_line", "origins", "rootdir")
    names = [name for name in settings.__slots__ if name not in left_out]
    values = {name: getattr(settings, name) for name in names}
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
    return {**plain, "replay": replayed_words(settings)}


def _machine() -> dict[str, Any]:
    return {
        "node": platform.node(),
        "processor": platform.processor(),
        "machine": platform.machine(),
        "python_compiler": platform.python_compiler(),
        "python_implementation": platform.python_implementation(),
        "python_implementation_version": platform.python_version(),
        "python_version": platform.python_version(),
        "python_build": list(platform.python_build()),
        "release": platform.release(),
        "system": platform.system(),
        "cpu": {"count": os.cpu_count()},
    }


def _commit(root: Path) -> dict[str, Any]:
    commit = _git(root, "log", "-1", "--format=%H%n%cI%n%aI")
    if commit is None:
        return {"id": "unknown", "dirty": False, "project": root.name}
    identity, time, author_time = commit.splitlines()
    return {
        "id": identity,
        "time": time,
        "author_time": author_time,
        "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
        "project": root.name,
        "branch": _git(root, "rev-parse", "--abbrev-ref", "HEAD"),
    }


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words],  # noqa: S607  whichever git the user has
            cwd=root,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
