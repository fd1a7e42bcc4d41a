"""The history: all evaluations of all saved runs, in SQLite.

A cache of what the saved runs say, for questions across many of them: it is brought up
to date before each question, and may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.history.rows import Row, rows_of
from pytest_kernelbench.history.store import Saved, Store

_VERSION = 1
"""Of the tables below; others are made anew."""
_COLUMNS = tuple(f'"{name}"' for name in ("file", *Row.__struct_fields__))
_WILD = ("*", "?", "[")


class History:
    """The evaluations of the saved runs in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.trouble: list[str] = []
        """Saved runs that cannot be read."""
        self._connection = _opened(store.root / "cache")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def refresh(self) -> None:
        """Take in what was saved since, and forget what was removed."""
        files = {str(saved.path): saved for saved in self._store.find()}
        marks = {name: _mark(saved.path) for name, saved in files.items()}
        with self._connection as connection:
            known = dict(connection.execute("SELECT file, mark FROM files"))
            for name in known.keys() - marks.keys():
                self._forget(name)
            for name, mark in marks.items():
                if known.get(name) != mark:
                    self._forget(name)
                    self._take_in(files[name], mark)

    def _forget(self, name: str) -> None:
        self._connection.execute("DELETE FROM files WHERE file = ?", (name,))
        self._connection.execute("DELETE FROM rows WHERE file = ?", (name,))

    def _take_in(self, saved: Saved, mark: str) -> None:
        try:
            rows = rows_of(saved)
        except RunFileError as error:
            self.trouble.append(str(error))
            return
        name = str(saved.path)
        self._connection.execute("INSERT INTO files VALUES (?, ?)", (name, mark))
        places = ", ".join("?" * len(_COLUMNS))
        self._connection.executemany(
            f"INSERT INTO rows VALUES ({places})",  # noqa: S608  of our own columns
            [(name, *msgspec.structs.astuple(row)) for row in rows],
        )

    def rows(self, kernel: str = "*", device: str = "*") -> Iterator[Row]:
        """Evaluations, each kernel's in the order of time.

        Args:
            kernel: A glob, or a part of the kernel's path.
            device: Likewise, of the device's name.
        """
        found = self._connection.execute(
            "SELECT * FROM rows WHERE kernel GLOB ? AND device GLOB ? "
            "ORDER BY kernel, problem, precision, device, julianday(datetime), run",
            (_glob(kernel), _glob(device)),
        )
        for _, *values in found:
            fields = dict(zip(Row.__struct_fields__, values, strict=True))
            yield msgspec.convert(fields, type=Row, strict=False)


def _glob(text: str) -> str:
    return text if any(char in text for char in _WILD) else f"*{text}*"


def _mark(path: Path) -> str:
    """Changes when the file does."""
    stat = path.stat()
    return f"{stat.st_mtime_ns} {stat.st_size}"


def _opened(folder: Path) -> sqlite3.Connection:
    path = folder / "history.sqlite"
    try:
        return _prepared(_on_disk(path))
    except sqlite3.DatabaseError:
        # Broken, or of another version: all that is in it is in the runs as well.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    except OSError:
        pass
    try:
        return _prepared(_on_disk(path))
    except (sqlite3.Error, OSError):  # a folder that may not be written
        return _prepared(sqlite3.connect(":memory:"))


def _on_disk(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    ignored = path.parent / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
    return sqlite3.connect(path, timeout=10)


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError("another version")
        with connection:
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS files (file PRIMARY KEY, mark)"
            )
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS rows ({', '.join(_COLUMNS)})"
            )
            connection.execute(
                "CREATE INDEX IF NOT EXISTS kernels ON rows (kernel, device)"
            )
    except sqlite3.Error:
        connection.close()
        raise
    return connection
