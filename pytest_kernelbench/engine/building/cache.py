"""Where a kernel is built: one directory per content, reused when it succeeded.

The directory's name is a hash of everything that a build depends on, so a changed
kernel, torch or compiler never meets an old build. It is locked while a kernel
builds in it, and one that did not end well is removed, at the latest before the next
use: a killed compiler leaves locks and half-written objects behind. In the lock file
stands how large the directory has become; what was used longest ago is evicted first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pytest_kernelbench.engine.isolation.launcher import give_to
from pytest_kernelbench.engine.isolation.sandbox import private_directory
from pytest_kernelbench.engine.isolation.trees import entries_below, remove
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.model import EvalRequest

_SUFFIXES = {"python": ".py", "cuda": ".cu", "cpp": ".cpp", "hip": ".hip"}
_LOCK_PAUSE = 0.05
CACHE_LIMIT = 10 << 30
"""Bytes that builds may take in all."""


class BuildDirectory:
    """One kernel's sources, compiled objects and compiler caches.

    A candidate may have owned it, so nothing that lies in it is ever read here; that a
    build ended well is noted beside it, and which seeds were used: a kernel may leave
    answers in it, so one that meets the same inputs again finds it empty.
    """

    def __init__(self, path: Path, request: EvalRequest) -> None:
        self.path = path
        self._built = path.with_suffix(".built")
        self._met = path.with_suffix(".met")
        name = Path(request.kernel.path).stem.replace(".", "_") or "kernel"
        self.language = request.kernel.language
        self.source = path / f"{name}{_SUFFIXES[self.language]}"

    def prepare(self, source: str, seeds: str) -> None:
        """Lay out the directory, empty unless an earlier build ended well."""
        met = self._met.read_text(encoding="ascii") if self._met.exists() else ""
        if seeds in met.split():
            self._built.unlink(missing_ok=True)
        if not self._built.exists():
            remove(self.path)
            met = ""
        self._met.write_text(f"{met}{seeds}\n", encoding="ascii")
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

    def settle(self) -> int:
        """Take it back from the candidate; what it is worth keeping, in bytes."""
        if not self._built.exists():
            remove(self.path)
            self._met.unlink(missing_ok=True)
            return 0
        # A candidate may have owned it; the next must not be able to.
        give_to(os.getuid(), self.path)
        return _size_of(self.path)

    def environment(self) -> dict[str, str]:
        """What points the compilers of a candidate here."""
        return {
            "TORCH_EXTENSIONS_DIR": str(self.path / "extensions"),
            "TRITON_CACHE_DIR": str(self.path / "triton"),
            "CUDA_CACHE_PATH": str(self.path / "cuda"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.path / "inductor"),
        }


class BuildCache:
    """Hands out build directories below one root, for one kind of device."""

    def __init__(self, root: Path, architecture: str = "") -> None:
        self._root = root
        self._architecture = architecture
        self._closed = False

    def close(self) -> None:
        """Wait for no lock any more."""
        self._closed = True

    @contextlib.contextmanager
    def directory(
        self, request: EvalRequest, seeds: str, *, patient: bool = True
    ) -> Iterator[BuildDirectory]:
        """The directory for a request's kernel, locked until the block ends.

        Args:
            request: whose kernel is to be built.
            seeds: what its inputs' seeds are called, one word.
            patient: wait for whoever else builds the same; else build it apart, which
                is for those who hold another directory's lock already.

        Raises:
            ExecutorError: the cache cannot be written.
        """
        if not request.options.reuse:
            with _throwaway(request, seeds) as directory:
                yield directory
            return
        key = _build_key(request, self._architecture)
        with self._locked_file(key, patient=patient) as lock:
            if lock is None:
                with _throwaway(request, seeds) as directory:
                    yield directory
                return
            directory = _prepared(self._root / key, request, seeds)
            try:
                yield directory
            finally:
                _write_size(lock, directory.settle())

    @contextlib.contextmanager
    def _locked_file(self, key: str, *, patient: bool) -> Iterator[IO[str] | None]:
        """The file of a key, locked; None where others hold it and nobody waits."""
        while True:
            with self._opened(key) as file:
                while not locked(file):
                    if not patient:
                        yield None
                        return
                    if self._closed:
                        raise ExecutorError("the executor was closed")
                    time.sleep(_LOCK_PAUSE)
                if _is_still(file, self._root / f"{key}.lock"):
                    yield file
                    return

    def _opened(self, key: str) -> IO[str]:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            for place in (self._root.parent, self._root):  # audits lie beside builds
                if place.lstat().st_uid != os.getuid():
                    raise ExecutorError(f"{place} belongs to another user")
            return (self._root / f"{key}.lock").open("a+")
        except OSError as error:
            raise ExecutorError(f"cannot write the build cache: {error}") from None


def evict(root: Path, limit: int = CACHE_LIMIT) -> None:
    """Remove what was used longest ago until the rest fits; nothing that is in use."""
    used: list[tuple[float, int, Path]] = []
    for path in root.glob("*.lock"):
        with contextlib.suppress(OSError, ValueError):
            size = int(path.read_text(encoding="ascii") or 0)
            used.append((path.stat().st_mtime, size, path))
    excess = sum(size for _, size, _ in used) - limit
    for _, size, path in sorted(used):
        if excess <= 0:
            return
        if _evicted(path):
            excess -= size


def _evicted(path: Path) -> bool:
    """Remove a directory with all that belongs to it, unless somebody uses it."""
    with contextlib.suppress(OSError), path.open("a+") as file:
        if locked(file) and _is_still(file, path):
            for note in (".built", ".met"):
                path.with_suffix(note).unlink(missing_ok=True)
            remove(path.with_suffix(""))
            path.unlink()
            return True
    return False


def _is_still(file: IO[str], path: Path) -> bool:
    """Whether a file that was locked is the one of that name: it may be evicted."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write_size(lock: IO[str], size: int) -> None:
    lock.truncate(0)
    lock.write(str(size))
    lock.flush()


def _size_of(path: Path) -> int:
    total = 0
    for entry in entries_below(path):
        with contextlib.suppress(OSError):
            total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


@contextlib.contextmanager
def _throwaway(request: EvalRequest, seeds: str) -> Iterator[BuildDirectory]:
    with private_directory() as private:
        yield _prepared(private / "build", request, seeds)


def locked(file: IO[str]) -> bool:
    """Lock a file for this process if no other holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prepared(path: Path, request: EvalRequest, seeds: str) -> BuildDirectory:
    directory = BuildDirectory(path, request)
    try:
        directory.prepare(request.kernel.source, seeds)
    except OSError as error:
        raise ExecutorError(f"cannot write the build cache: {error}") from None
    return directory


def _build_key(request: EvalRequest, architecture: str) -> str:
    parts = [
        request.kernel.source,
        Path(request.kernel.path).name,
        request.kernel.language,
        "cpu" if request.device == "cpu" else f"cuda {architecture}",
        "lean" if request.options.fast_build else "stock",
        platform.python_version(),
        platform.machine(),
        _version("torch"),
        _version("triton"),
        os.environ.get("TORCH_CUDA_ARCH_LIST", ""),
        os.environ.get("CUDA_HOME", ""),
        os.environ.get("CC", ""),
        os.environ.get("CXX", ""),
        _program(os.environ.get("CXX") or "c++"),
        _program(f"{os.environ.get('CUDA_HOME') or '/usr/local/cuda'}/bin/nvcc"),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _program(name: str) -> str:
    """Which compiler that is: another version is another file."""
    found = shutil.which(name)
    if found is None:
        return ""
    path = Path(found).resolve()
    return f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"


def default_cache_root() -> Path:
    """``$XDG_CACHE_HOME/pytest-kernelbench`` or its usual place.

    Root's home is closed to other users, so root's cache is in ``/var/tmp``: kernels
    build in it as users of their own.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if base is None and os.getuid() == 0:
        return Path("/var/tmp/pytest-kernelbench-root")  # noqa: S108
    return Path(base or Path.home() / ".cache") / "pytest-kernelbench"
