"""Which saved runs and journals nobody needs any more."""

from __future__ import annotations

import contextlib
import datetime as dt
import fnmatch
from pathlib import Path

from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.history.store import Saved, Store

_JOURNALS = "runs"


def superfluous(
    store: Store, device: str, *, keep: int, before: dt.datetime | None
) -> list[Path]:
    """Files to remove, oldest first in each folder.

    Args:
        store: Where they are.
        device: A glob of folders; journals are in one named ``runs``.
        keep: As many of the newest stay in each folder, whatever their age.
        before: Only what was made earlier may go; None: all others.
    """
    folders: dict[str, list[Saved]] = {}
    for saved in store.find(None, device):
        folders.setdefault(saved.device, []).append(saved)
    if fnmatch.fnmatchcase(_JOURNALS, device):
        journals = sorted((store.root / _JOURNALS).glob("*.jsonl"))
        folders[_JOURNALS] = [Saved(path) for path in journals]
    return [
        saved.path
        for found in folders.values()
        for saved in found[: max(len(found) - keep, 0)]
        if before is None or _made(saved) < before
    ]


def _made(saved: Saved) -> dt.datetime:
    """As the run says; a copy or a checkout has made the file anew since."""
    if saved.device != _JOURNALS:
        with contextlib.suppress(RunFileError, ValueError):
            moment = dt.datetime.fromisoformat(saved.run.datetime)
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return dt.datetime.fromtimestamp(saved.path.stat().st_mtime, dt.UTC)
