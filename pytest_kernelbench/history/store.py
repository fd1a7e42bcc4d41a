"""Saved runs on disk: ``<storage>/<device>/<number>_<name>.json``.

As pytest-benchmark keeps them, but by device. Numbers count up within a device's
folder; a file is made whole or not at all, and never replaces another.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
import secrets
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.runs import Run, read_run, write_run
from pytest_kernelbench.values import nearest

NEWEST = "newest"
"""The name of a run that is not named."""
_FILE = re.compile(r"(\d{4,})_(.+)\.json")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9.]+")
_LONGEST_SLUG = 60
_DIGITS_OF_COMMIT = 12


class Saved:
    """One saved run, read when first asked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def device(self) -> str:
        """The folder's name; of a file from elsewhere it says nothing."""
        return self.path.parent.name

    @property
    def number(self) -> int:
        found = _FILE.fullmatch(self.path.name)
        return int(found[1]) if found else -1

    @cached_property
    def run(self) -> Run:
        """
        Raises:
            RunFileError: it cannot be read.
        """
        return read_run(self.path)

    def age(self, now: dt.datetime) -> str:
        """``12 days old``."""
        return f"{ago(self.run.datetime, now)} old"


class Store:
    """The saved runs below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str | None = None, device: str | None = None) -> list[Saved]:
        """The runs that match, newest last within a device.

        Args:
            name: A number, the start of a file's name with or without its number, a
                glob, ``DEVICE/NAME`` with globs, or the path of a file; None for all.
            device: A folder's name, where ``name`` does not say.
        """
        if name is None or name == NEWEST:
            return self._below(device or "*", "*")
        if name.endswith(".json") and (path := Path(name)).is_file():
            return [Saved(path)]
        folder, _, last = name.rpartition("/")
        return self._below(folder or device or "*", last)

    def named(self, name: str, device: str | None = None) -> list[Saved]:
        """The same, where at least one must be.

        Raises:
            RunFileError: none matches.
        """
        found = self.find(name, device)
        if not found:
            raise RunFileError(self.missing(name))
        return found

    def missing(self, name: str) -> str:
        """What to say when nothing matches."""
        names = [saved.name for saved in self.find()]
        if not names:
            return f"no saved run in {self.root}: --kb-autosave or --kb-save makes one"
        if Path(name).exists():
            return (
                f"'{name}' is no saved run; an option without one comes after the paths"
            )
        known = [*names, *(name.partition("_")[2] for name in names)]
        hint = nearest(name, known) or f"; the newest is '{names[-1]}'"
        return f"no saved run '{name}' in {self.root}{hint}"

    def save(self, run: Run, name: str) -> list[Path]:
        """Write a run, one file for each device that something was timed on."""
        return [
            self._save(self.root / slug(device), part, name)
            for device, part in by_device(run).items()
            if any(one.result.runtime is not None for one in part.evaluated)
        ]

    def _save(self, folder: Path, run: Run, name: str) -> Path:
        partial = folder / f".{name}.{secrets.token_hex(4)}"
        write_run(partial, run)
        try:
            for path in self._free_names(folder, name):
                try:
                    path.hardlink_to(partial)  # unlike a rename, replaces nothing
                except FileExistsError:
                    continue
                return path
        finally:
            partial.unlink()
        raise AssertionError("numbers do not end")

    def _free_names(self, folder: Path, name: str) -> Iterator[Path]:
        number = max((saved.number for saved in self._in(folder)), default=0)
        while True:
            number += 1
            yield folder / f"{number:04}_{name}.json"

    def _below(self, device: str, name: str) -> list[Saved]:
        if not self.root.is_dir():
            return []
        return [
            saved
            for folder in sorted(self.root.iterdir())
            if fnmatch.fnmatchcase(folder.name, device) and folder.is_dir()
            for saved in self._in(folder)
            if _matches(saved, name)
        ]

    def _in(self, folder: Path) -> list[Saved]:
        files = (path for path in folder.iterdir() if _FILE.fullmatch(path.name))
        return sorted(map(Saved, files), key=lambda saved: (saved.number, saved.name))


def _matches(saved: Saved, name: str) -> bool:
    if name.isdecimal() and int(name) == saved.number:
        return True
    start = name.removesuffix(".json").rstrip("*") + "*"
    _, _, given = saved.name.partition("_")
    return any(fnmatch.fnmatchcase(one, start) for one in (saved.name, given))


def newest(found: list[Saved]) -> Saved:
    """Of runs on several devices the last that was made; reads one of each device.

    Raises:
        RunFileError: one of them cannot be read.
    """
    last = {saved.device: saved for saved in found}
    return max(last.values(), key=lambda saved: saved.run.datetime)


def by_device(run: Run) -> dict[str, Run]:
    """The run, cut by the device that was seen, or asked for where none was seen."""
    seen = {
        one.result.device: one.result.device_name
        for one in run.evaluated
        if one.result.device_name
    }
    parts: dict[str, list[int]] = {}
    for index, one in enumerate(run.evaluated):
        result = one.result
        device = result.device_name or seen.get(result.device, result.device)
        parts.setdefault(device, []).append(index)
    return {
        device: msgspec.structs.replace(
            run, evaluated=tuple(run.evaluated[index] for index in indices)
        )
        for device, indices in parts.items()
    }


def slug(device: str) -> str:
    """A device's name as a folder's: ``NVIDIA-H200``."""
    made = _NOT_IN_A_NAME.sub("-", device)[:_LONGEST_SLUG].strip("-.")
    return made or "unknown"


def automatic_name(run: Run) -> str:
    """``<commit>_<time>``, and whether it was just that commit."""
    time = dt.datetime.fromisoformat(run.datetime).strftime("%Y%m%d_%H%M%S")
    dirty = "_uncommitted-changes" if run.commit.get("dirty") else ""
    commit = str(run.commit.get("id", "unknown"))[:_DIGITS_OF_COMMIT]
    return f"{commit}_{time}{dirty}"


def ago(moment: str, now: dt.datetime) -> str:
    """``12 days``, of a time as runs have it."""
    try:
        then = dt.datetime.fromisoformat(moment)
    except ValueError:
        return "an unknown time"
    if then.tzinfo is None:
        then = then.replace(tzinfo=dt.UTC)
    seconds = max((now - then).total_seconds(), 0.0)
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "seconds"
