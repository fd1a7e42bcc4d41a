"""Kernels that nobody vouches for: pytest runs nothing that lies beside or below them.

With ``kb_directives = off`` the directories named on the command line are taken for their
authors' own, if they hold kernels; of the root directory, each directory in it is. There,
what pytest would run or obey is refused before it can be: ``conftest.py`` before it is
imported, test modules before they are collected. What pytest does before it calls any
plugin, such as reading ``addopts`` from a configuration file, is not in our hands.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_kernelbench.kernels import claims

_OBEYED = frozenset(
    {
        "conftest.py",
        "__init__.py",
        "pytest.toml",
        ".pytest.toml",
        "pytest.ini",
        ".pytest.ini",
        "pyproject.toml",
        "tox.ini",
        "setup.cfg",
    }
)


@dataclass(frozen=True, slots=True)
class Untrusted:
    """The directories of kernels whose authors are not trusted."""

    trees: tuple[Path, ...] = ()
    """With all that is below them."""
    flat: tuple[Path, ...] = ()
    """Without."""

    def holds(self, path: Path) -> bool:
        real = path.resolve()
        below = any(real.is_relative_to(tree) for tree in self.trees)
        return below or real.parent in self.flat


UNTRUSTED = pytest.StashKey[Untrusted]()


def look_around(config: pytest.Config, arguments: Sequence[str]) -> None:
    """Find the directories of kernels, and refuse what pytest would obey there.

    Raises:
        pytest.UsageError: names the first such file.
    """
    patterns, skipped = config.getini("kb_files"), config.getini("norecursedirs")
    root = config.rootpath.resolve()
    named = {_directory(config, argument) for argument in arguments or ["."]}
    trees = [one for one in named if not root.is_relative_to(one)]
    flat = []
    if len(trees) < len(named):
        flat = [root]
        inside = [one for one in root.iterdir() if not _is_skipped(one.name, skipped)]
        trees += [one.resolve() for one in inside if one.is_dir()]
    found = Untrusted(
        trees=tuple(t for t in trees if _checked(_below(t, skipped), patterns, root)),
        flat=tuple(t for t in flat if _checked(_files(t), patterns, root)),
    )
    config.stash[UNTRUSTED] = found


def is_untrusted(config: pytest.Config, path: Path) -> bool:
    """Whether a file lies beside or below kernels that are not trusted."""
    return config.stash.get(UNTRUSTED, Untrusted()).holds(path)


class RefusedFile(pytest.File):
    """A file that pytest would run, in the place of whatever would run it."""

    def collect(self) -> Iterator[pytest.Item]:
        raise self.CollectError(_refusal(self.path.name))


def _directory(config: pytest.Config, argument: str) -> Path:
    path = config.invocation_params.dir / argument.partition("::")[0]
    return (path if path.is_dir() else path.parent).resolve()


def _checked(files: Iterable[Path], patterns: Sequence[str], root: Path) -> bool:
    """Whether there is a kernel among files; then nothing may be that pytest obeys."""
    obeyed = None
    holds_kernels = False
    for path in files:
        if path.name in _OBEYED:
            obeyed = path
        elif not holds_kernels:
            holds_kernels = claims(path, patterns)
    if holds_kernels and obeyed is not None:
        shown = obeyed.relative_to(root) if obeyed.is_relative_to(root) else obeyed
        raise pytest.UsageError(_refusal(str(shown)))
    return holds_kernels


def _refusal(name: str) -> str:
    return (
        f"{name}: beside or below kernels pytest runs nothing else with "
        "kb_directives = off: move it elsewhere, or them into a directory of their own"
    )


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.is_file())


def _below(tree: Path, skipped: Sequence[str]) -> Iterator[Path]:
    """All files that pytest could come upon, through symbolic links as well."""
    seen = set()
    for place, names, files in os.walk(tree, followlinks=True):
        real = os.path.realpath(place)
        names[:] = [name for name in names if not _is_skipped(name, skipped)]
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        yield from (Path(place, name) for name in sorted(files))


def _is_skipped(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
