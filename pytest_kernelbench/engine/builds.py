"""Where a kernel is built: one directory per content, reused when it succeeded.

The directory's name is a hash of everything that a build depends on, so a changed
kernel, torch or compiler never meets an old build. It is locked while a kernel
builds in it, and one that did not end well is wiped before the next use: a killed
compiler leaves locks and half-written objects behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pytest_kernelbench.engine.launcher import give_to
from pytest_kernelbench.engine.sandbox import private_directory
from pytest_kernelbench.engine.trees import remove
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.model import EvalRequest

_SUFFIXES = {"python": ".py", "cuda": ".cu", "cpp": ".cpp", "hip": ".hip"}
_LOCK_PAUSE = 0.05


class BuildDirectory:
    """One kernel's sources, compiled objects and compiler caches.

    A candidate may have owned it, so nothing that lies in it is ever read here; that a
    build ended well is noted beside it.
    """

    def __init__(self, path: Path, request: EvalRequest) -> None:
        self.path = path
        self._built = path.with_suffix(".built")
        name = Path(request.kernel.path).stem.replace(".", "_") or "kernel"
        self.language = request.kernel.language
        self.source = path / f"{name}{_SUFFIXES[self.language]}"

    def prepare(self, source: str) -> None:
        """Lay out the directory, empty unless an earlier build ended well."""
        if not self._built.exists():
            remove(self.path)
        for part in ("extensions", "triton"):
            (self.path / part).mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".source")
        fresh.write_bytes(source.encode())
        if self._built.exists():  # or compilers would take the source for changed
            built = self._built.stat().st_mtime
            os.utime(fresh, (built - 1, built - 1))
        fresh.replace(self.source)

    def mark_built(self) -> None:
        if not self._built.exists():
            self._built.touch()

    def environment(self) -> dict[str, str]:
        """What points the compilers of a candidate here."""
        return {
            "TORCH_EXTENSIONS_DIR": str(self.path / "extensions"),
            "TRITON_CACHE_DIR": str(self.path / "triton"),
            "CUDA_CACHE_PATH": str(self.path / "cuda"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.path / "inductor"),
        }


class BuildCache:
    """Hands out build directories below one root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._closed = False

    def close(self) -> None:
        """Wait for no lock any more."""
        self._closed = True

    @contextlib.contextmanager
    def directory(
        self, request: EvalRequest, *, patient: bool = True
    ) -> Iterator[BuildDirectory]:
        """The directory for a request's kernel, locked until the block ends.

        Args:
            request: whose kernel is to be built.
            patient: wait for whoever else builds the same; else build it apart, which
                is for those who hold another directory's lock already.

        Raises:
            ExecutorError: the cache cannot be written.
        """
        if not request.options.reuse:
            with _throwaway(request) as directory:
                yield directory
            return
        key = _build_key(request)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            if self._root.stat().st_uid != os.getuid():
                raise ExecutorError(f"{self._root} belongs to another user")
            lock = (self._root / f"{key}.lock").open("w")
        except OSError as error:
            raise ExecutorError(f"cannot write the build cache: {error}") from None
        with lock:
            while not locked(lock):
                if not patient:
                    with _throwaway(request) as directory:
                        yield directory
                    return
                if self._closed:
                    raise ExecutorError("the executor was closed")
                time.sleep(_LOCK_PAUSE)
            directory = _prepared(self._root / key, request)
            try:
                yield directory
            finally:
                # A candidate may have owned it; the next must not be able to.
                give_to(os.getuid(), directory.path)


@contextlib.contextmanager
def _throwaway(request: EvalRequest) -> Iterator[BuildDirectory]:
    with private_directory() as private:
        yield _prepared(private / "build", request)


def locked(file: IO[str]) -> bool:
    """Lock a file for this process if no other holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prepared(path: Path, request: EvalRequest) -> BuildDirectory:
    directory = BuildDirectory(path, request)
    try:
        directory.prepare(request.kernel.source)
    except OSError as error:
        raise ExecutorError(f"cannot write the build cache: {error}") from None
    return directory


def _build_key(request: EvalRequest) -> str:
    parts = [
        request.kernel.source,
        Path(request.kernel.path).name,
        request.kernel.language,
        "cpu" if request.device == "cpu" else "cuda",
        platform.python_version(),
        platform.machine(),
        _version("torch"),
        _version("triton"),
        os.environ.get("TORCH_CUDA_ARCH_LIST", ""),
        os.environ.get("CUDA_HOME", ""),
        os.environ.get("CC", ""),
        os.environ.get("CXX", ""),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def default_cache_root() -> Path:
    """``$XDG_CACHE_HOME/pytest-kernelbench`` or its usual place.

    Root's home is closed to other users, so root's cache is in ``/var/tmp``: kernels
    build in it as users of their own.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if base is None and os.getuid() == 0:
        return Path("/var/tmp/pytest-kernelbench-root")  # noqa: S108
    return Path(base or Path.home() / ".cache") / "pytest-kernelbench"
