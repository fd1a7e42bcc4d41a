"""The kernels of a commit put into the work tree, and nothing else of it.

For pull requests from forks: what judges (settings, conftest files, problems) is that
of the checkout. The commit is read as objects of git and never checked out, so that
none of its attributes, links or modes take effect.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, NamedTuple

from pytest_kernelbench.errors import GitHubError
from pytest_kernelbench.kernels import claims

_PLAIN_FILES = ("100644", "100755")
_SUFFIXES = (".py", ".cu", ".cpp", ".hip")
# Never a kernel, though it might look like one: pytest would import it, or the problem
# of another kernel would be read from it.
_NEVER = (
    "conftest.py",
    "__init__.py",
    "test_*.py",
    "*_test.py",
    "*_ref.py",
    "reference.py",
)


class Step(NamedTuple):
    """What became of one file."""

    does: Literal["take", "drop", "leave"]
    path: str


def take(commit: str, folders: Sequence[str], patterns: Sequence[str]) -> list[Step]:
    """Make the kernels below these folders those of the commit.

    Args:
        commit: Already fetched.
        folders: Relative to the current directory, which is inside the repository.
        patterns: As of ``kb_files``: Python files that are kernels.

    Raises:
        GitHubError: one line.
    """
    steps = []
    with tempfile.TemporaryDirectory() as scratch:
        taken: dict[str, bytes] = {}
        for mode, name, content in _files(commit, folders):
            path = Path(scratch, name)  # a pattern may name folders too
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if mode in _PLAIN_FILES and _may_be_taken(path, name, patterns):
                taken[name] = content
            else:
                steps.append(Step("leave", name))
            path.unlink()
    for name in _kernels_here(folders, patterns):
        if name not in taken:
            Path(name).unlink()
            steps.append(Step("drop", name))
    for name, content in taken.items():
        path = Path(name)
        if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            steps.append(Step("take", name))
    return steps


def _may_be_taken(path: Path, name: str, patterns: Sequence[str]) -> bool:
    """Whether both sides call it a kernel, or the other side does and there is none here.

    A file of the base that only has a kernel's name may be what a conftest imports.
    """
    here = Path(name)
    return _is_kernel(path, patterns) and (
        not here.exists() or _is_kernel(here, patterns)
    )


def _is_kernel(path: Path, patterns: Sequence[str]) -> bool:
    never = any(fnmatch(path.name, pattern) for pattern in _NEVER)
    return not never and claims(path, patterns)


def _kernels_here(folders: Sequence[str], patterns: Sequence[str]) -> Iterator[str]:
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix in _SUFFIXES and _is_kernel(path, patterns):
                yield path.as_posix()


def _files(commit: str, folders: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Mode, path and content of the files that might be kernels."""
    listed = _git("ls-tree", "-r", "-z", commit, "--", *folders)
    for entry in filter(None, listed.decode("utf-8", "surrogateescape").split("\0")):
        about, _, name = entry.partition("\t")
        mode, kind, identity = about.split()
        if kind == "blob" and name.endswith(_SUFFIXES):
            yield mode, name, _git("cat-file", "blob", identity)


def _git(*words: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", *words],  # noqa: S607  whichever git the user has
            capture_output=True,
            check=True,
        )
    except FileNotFoundError:
        message = "git is not installed"
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or ["failed"]
        message = f"git {words[0]}: {said[0]}"
    else:
        return done.stdout
    raise GitHubError(message)
