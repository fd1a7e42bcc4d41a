"""What each kernel is compared with: its own version at an earlier revision."""

from __future__ import annotations

import enum
import fnmatch
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_kernelbench.dependencies import local_files
from pytest_kernelbench.errors import KernelBenchError, RepositoryError
from pytest_kernelbench.kernels import read_kernel
from pytest_kernelbench.model import Kernel
from pytest_kernelbench.repository import Repository


class Standing(enum.Enum):
    """How a kernel stands to an earlier revision."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NEW = "new"
    APART = "apart"
    """Cannot be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A kernel's earlier version, or why there is none."""

    standing: Standing
    kernel: Kernel | None = None
    why: str = ""


class Bases:
    """The versions of kernels at one revision."""

    def __init__(self, directory: Path, ref: str, patterns: Sequence[str]) -> None:
        """
        Args:
            directory: anywhere in the work tree.
            ref: what git knows as a commit.
            patterns: globs of Python files that may be kernels.

        Raises:
            RepositoryError: one line.
        """
        self.ref = ref
        self._patterns = patterns
        self._repository = Repository(directory)
        self.commit = self._repository.base(ref)
        self._difference = self._repository.difference(self.commit)

    def deleted(self) -> list[str]:
        """Files that were kernels and are gone."""
        return [path for path in self._difference.deleted if self._was_kernel(path)]

    def _was_kernel(self, path: str) -> bool:
        name = Path(path)
        if name.suffix == ".py":
            named = any(fnmatch.fnmatch(name.name, one) for one in self._patterns)
            return named and b"ModelNew" in self._repository.text(self.commit, path)
        if name.suffix not in (".cu", ".cpp", ".hip"):
            return False
        return b"kernelbench:" in self._repository.text(self.commit, path)

    def of(self, kernel: Path, problem_file: Path | None = None) -> Base:
        """The base of a kernel in the work tree.

        Args:
            kernel: its file in the work tree.
            problem_file: where its problem is read from, if that is a file.
        """
        path = self._repository.name_of(kernel)
        if path is None:
            return _apart(f"{kernel} is not in {self._repository.root}")
        touched = self._touched(kernel, problem_file)
        changed, renamed = self._difference.changed, self._difference.renamed
        if path in renamed:
            why = f"only renamed, from {renamed[path]}"
            return Base(standing=Standing.NEW, why=why)
        if path not in changed and not self._repository.holds(self.commit, path):
            return Base(standing=Standing.NEW, why=f"new since {self.ref}")
        if path in changed and changed[path] is None:
            return Base(standing=Standing.NEW, why=f"new since {self.ref}")
        if touched:
            return _apart(f"{', '.join(touched)} changed, too, and exists only once")
        if path not in changed:
            why = f"unchanged since {self.ref}"
            return Base(standing=Standing.UNCHANGED, why=why)
        return self._changed(changed[path] or path)

    def _touched(self, kernel: Path, problem_file: Path | None) -> list[str]:
        """What else matters to a kernel and changed."""
        root = self._repository.root.resolve()
        files = local_files(kernel.resolve(), root)
        if problem_file is not None:
            files.add(problem_file.resolve())
        names = {self._repository.name_of(file) for file in files}
        known = self._difference.changed.keys() | self._difference.renamed.keys()
        return sorted(name for name in names if name in known)

    def _changed(self, path: str) -> Base:
        try:
            kernel = self._read(path)
        except KernelBenchError as error:
            return _apart(f"its version then cannot be used: {error}")
        return Base(standing=Standing.CHANGED, kernel=kernel)

    def _read(self, path: str) -> Kernel:
        data = self._repository.text(self.commit, path)
        with tempfile.TemporaryDirectory(prefix="kernelbench-") as scratch:
            file = Path(scratch) / Path(path).name
            file.write_bytes(data)
            try:
                return read_kernel(file).kernel(f"{self.ref}:{path}")
            except KernelBenchError as error:
                message = str(error).replace(f"{scratch}/", "")
        raise RepositoryError(message)


def _apart(why: str) -> Base:
    return Base(standing=Standing.APART, why=why)
