"""Results on disk the moment they exist, one JSON line each.

An interrupted run loses nothing that was evaluated. Only the process that owns the
executor writes; a line is one ``write`` so that a reader sees whole lines or none.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import threading
from pathlib import Path

import msgspec

from pytest_kernelbench.model import SCHEMA, EvalRequest, EvalResult, Options, Verdict


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    schema: int = SCHEMA
    nodeid: str
    request: str
    """Equal for equal requests, whatever their seed."""
    result: EvalResult


class Journal:
    """The results of one run, and of the run that it continues.

    The mutable state is the open file and what could not be written.
    """

    def __init__(self, storage: Path, *, resume: bool = False) -> None:
        newest = newest_run(storage) if resume else None
        self.path = newest or storage / "runs" / f"{_run_name()}.jsonl"
        self.done: dict[str, EvalResult] = {}
        self.trouble: str | None = None
        if newest is not None:
            try:
                self.done = _read(newest)
            except OSError as error:
                self.trouble = f"cannot resume: {newest}: {error.strerror}"
        self.written = False
        self._file: int | None = None
        self._lock = threading.Lock()

    def append(self, nodeid: str, request: EvalRequest, result: EvalResult) -> None:
        """Write one line; never raises, the first trouble is kept for the summary."""
        entry = Entry(nodeid=nodeid, request=resume_key(request), result=result)
        line = msgspec.json.encode(entry) + b"\n"
        with self._lock:
            if self.trouble is not None:
                return
            try:
                if self._file is None:
                    self._file = _open(self.path)
                os.write(self._file, line)
                self.written = True
            except OSError as error:
                self.trouble = f"results are not saved: {self.path}: {error.strerror}"

    def earlier(self, request: EvalRequest) -> EvalResult | None:
        """The result of an equal request in the run that is continued."""
        return self.done.get(resume_key(request)) if self.done else None

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None


def resume_key(request: EvalRequest) -> str:
    """The request without what differs between runs of the same tests."""
    options = msgspec.structs.replace(request.options, seed=0, alpha=Options().alpha)
    return msgspec.structs.replace(request, options=options, attempt=0).key


def newest_run(storage: Path) -> Path | None:
    runs = sorted((storage / "runs").glob("*.jsonl"))
    return runs[-1] if runs else None


def obstacle(path: Path) -> str | None:
    """Why this path could not be made, as far as one can tell without trying."""
    for parent in path.parents:
        if parent.is_dir():
            return None if os.access(parent, os.W_OK) else f"cannot write to {parent}"
        if parent.exists():
            return f"{parent} is not a directory"
    return None


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    ignored = path.parent / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def _run_name() -> str:
    # Sorts by time; the tail keeps two runs of one second apart.
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%dT%H%M%S.%f}-{secrets.token_hex(2)}"


def _read(path: Path) -> dict[str, EvalResult]:
    done: dict[str, EvalResult] = {}
    for line in path.read_bytes().splitlines():
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError:
            continue  # the last line of a run that was killed
        if entry.schema == SCHEMA and entry.result.verdict is not Verdict.NO_DEVICE:
            done[entry.request] = entry.result
    return done
