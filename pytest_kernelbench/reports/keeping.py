"""What outlives the session: the run as it is saved, and records that were broken.

Only the controller's reports come here, and only when the session ends, so that a
run is kept once, whole or as far as it came.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.history.records import read_records, write_records
from pytest_kernelbench.history.store import Store, automatic_name
from pytest_kernelbench.history.updating import Terms, Update, updated
from pytest_kernelbench.outcomes import escaped
from pytest_kernelbench.runs import Run
from pytest_kernelbench.settings import Settings


class Kept(NamedTuple):
    """What there is to say of it."""

    said: list[str]
    trouble: list[str]


def keep(run: Run, settings: Settings, *, passed: bool) -> Kept:
    """Write what the settings ask for.

    Args:
        run: As far as it came.
        settings: Of this session.
        passed: Whether every test did; records are raised by nothing less.
    """
    kept = Kept([], [])
    if settings.save or settings.autosave:
        try:
            kept.said.append(_save(run, settings))
        except OSError as error:
            kept.trouble.append(f"{settings.storage}: not saved: {error.strerror}")
    if settings.update_records and settings.record_file is not None:
        path = settings.record_file
        try:
            kept.said.extend(_update(path, run, settings, passed=passed))
        except OSError as error:
            kept.trouble.append(f"{path}: not updated: {error.strerror}")
        except RunFileError as error:
            kept.trouble.append(f"not updated: {error}")
    return kept


def _save(run: Run, settings: Settings) -> str:
    name = settings.save or automatic_name(run)
    paths = Store(settings.storage).save(run, name)
    if not paths:
        return "not saved: nothing was timed"
    return "saved " + ", ".join(_shown(path, settings) for path in paths)


def _update(path: Path, run: Run, settings: Settings, *, passed: bool) -> list[str]:
    name = _shown(path, settings)
    if not passed:
        return [f"{name} not updated: the run did not pass"]
    update = updated(
        read_records(path) if path.exists() else {},
        [one.result for one in run.evaluated],
        Terms(
            noise=settings.session_noise,
            alpha=settings.alpha,
            across=settings.compare_across,
        ),
    )
    if update.changed:
        write_records(path, update.records)
    return [*_told(name, update), *_lost(name, update, settings)]


def _told(name: str, update: Update) -> list[str]:
    parts = [
        f"{len(kernels)} {word}"
        for word, kernels in (
            ("added", update.added),
            ("raised", update.raised),
            ("replaced, as they could not be compared any more", update.replaced),
        )
        if kernels
    ]
    left_out = [f"{name}: {escaped(why)}: left out" for why in update.left_out]
    return [f"{name}: {', '.join(parts) or 'nothing to update'}", *left_out]


def _lost(name: str, update: Update, settings: Settings) -> list[str]:
    """Records of kernels that are gone, which are for the user to delete."""
    kernels = {key[0] for key in update.records}
    files = {kernel: settings.rootdir / kernel.partition("::")[0] for kernel in kernels}
    return [
        f"{name}: {escaped(kernel)} is there no more: delete its line"
        for kernel, file in sorted(files.items())
        if not file.exists()
    ]


def _shown(path: Path, settings: Settings) -> str:
    root = settings.rootdir
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
