"""What outlives the session: the run as it is saved.

Only the controller's reports come here, and only when the session ends, so that a
run is kept once, whole or as far as it came.
"""

from __future__ import annotations

from pathlib import Path

from pytest_kernelbench.history.store import Store, automatic_name
from pytest_kernelbench.runs import Run
from pytest_kernelbench.settings import Settings


def save(run: Run, settings: Settings) -> str:
    """Save the run by device; says where.

    Raises:
        OSError: it cannot be written.
    """
    name = settings.save or automatic_name(run)
    paths = Store(settings.storage).save(run, name)
    if not paths:
        return "not saved: nothing was timed"
    return "saved " + ", ".join(_shown(path, settings) for path in paths)


def _shown(path: Path, settings: Settings) -> str:
    root = settings.rootdir
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
