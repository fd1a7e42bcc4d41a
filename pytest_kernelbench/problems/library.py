"""All problems of a run, found by id or by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from pytest_kernelbench.errors import MappingError, ProblemSourceError
from pytest_kernelbench.model import Problem
from pytest_kernelbench.problems.builtin import PREFIX, BuiltinSource
from pytest_kernelbench.problems.folder import FolderSource
from pytest_kernelbench.problems.hub import HubSource
from pytest_kernelbench.problems.source import ProblemSource
from pytest_kernelbench.problems.tables import SUFFIXES, TableSource

KERNELBENCH = "ScalingIntelligence/KernelBench"

_NUMBERED_ID = re.compile(r"level\d+/\d+")


class ProblemLibrary:
    """Sources in the order given; the first that knows a problem answers.

    The built-in set comes last, and is always there. A source is read when a
    kernel first needs it.
    """

    def __init__(self, sources: Sequence[ProblemSource]) -> None:
        self._shelves = [_Shelf(source) for source in sources]

    @classmethod
    def open(
        cls,
        specs: Sequence[str],
        *,
        root: Path,
        extra_sources: Sequence[ProblemSource] = (),
    ) -> Self:
        """A library of what the user named.

        Args:
            specs: Folders, parquet or jsonl files, hub datasets; none of them
                leaves the built-in set.
            root: What relative paths are relative to.
            extra_sources: Sources that plugins bring.

        Raises:
            ProblemSourceError: a spec is none of these.
        """
        named = [_source(spec, root) for spec in specs if spec != "builtin"]
        return cls([*named, *extra_sources, BuiltinSource()])

    def find(self, query: str) -> Problem:
        """The problem with an id such as ``level1/23``, or with a name.

        ``level1/23_Softmax``, ``23_Softmax`` and ``softmax`` name it as well.

        Raises:
            MappingError: none or several are meant; names the nearest.
            ProblemSourceError: a source cannot be read.
        """
        key = _key(query)
        for shelf in self._shelves_for(key):
            found = shelf.find(key)
            if len(found) > 1:
                listed = ", ".join(_label(problem) for problem in found[:5])
                raise MappingError(
                    f"{query!r} is ambiguous in {shelf.origin}: {listed}"
                )
            if found:
                return found[0]
        raise MappingError(self._not_found(query))

    def nearest(self, query: str, count: int = 3) -> list[str]:
        """The problems whose id or name looks most like the query, as shown."""
        shown: dict[str, list[str]] = {}
        for shelf in self._shelves:
            for problem in shelf.problems:
                for name in {_key(problem.id), _key(problem.name)}:
                    shown.setdefault(name, []).append(_label(problem))
        words = [_key(query), *_key(query).split("_")]
        close = [
            label
            for word in words
            for name in difflib.get_close_matches(word, shown, n=count, cutoff=0.65)
            for label in shown[name]
        ]
        return list(dict.fromkeys(close))[:count]

    def _shelves_for(self, key: str) -> list[_Shelf]:
        # A built-in id must not wait for a hub that cannot have it.
        return self._shelves[-1:] if key.startswith(PREFIX) else self._shelves

    def _not_found(self, query: str) -> str:
        origins = ", ".join(shelf.origin for shelf in self._shelves)
        message = f"no problem {query!r} in {origins}"
        if _NUMBERED_ID.match(_key(query)) and len(self._shelves) == 1:
            return (
                f"{message}; for KernelBench's problems pass "
                f"--kb-problems={KERNELBENCH} or a folder that holds level1/"
            )
        near = self.nearest(query)
        return f"{message}; nearest: {', '.join(near)}" if near else message


def problems_of(specs: Sequence[str], *, root: Path) -> Iterator[Problem]:
    """All problems of what the user named, or of the built-in set.

    Raises:
        ProblemSourceError: a spec is no source, or cannot be read.
    """
    for spec in specs or ("builtin",):
        source = BuiltinSource() if spec == "builtin" else _source(spec, root)
        yield from source.problems()


class _Shelf:
    """One source's problems by every key that names them."""

    def __init__(self, source: ProblemSource) -> None:
        self._source = source
        self.origin = source.origin

    @cached_property
    def problems(self) -> list[Problem]:
        return list(self._source.problems())

    def find(self, key: str) -> list[Problem]:
        return self._by_id.get(key) or self._by_name.get(key, [])

    @cached_property
    def _by_id(self) -> dict[str, list[Problem]]:
        return _grouped((_key(problem.id), problem) for problem in self.problems)

    @cached_property
    def _by_name(self) -> dict[str, list[Problem]]:
        return _grouped(
            (key, problem) for problem in self.problems for key in _name_keys(problem)
        )


def _grouped(pairs: Iterator[tuple[str, Problem]]) -> dict[str, list[Problem]]:
    groups: dict[str, list[Problem]] = {}
    for key, problem in pairs:
        groups.setdefault(key, []).append(problem)
    return groups


def _name_keys(problem: Problem) -> set[str]:
    level, _, number = problem.id.rpartition("/")
    numbered = f"{number}_{problem.name}"
    return {_key(name) for name in (problem.name, numbered, f"{level}/{numbered}")}


def _label(problem: Problem) -> str:
    named = problem.id.endswith(problem.name)
    return problem.id if named else f"{problem.id} {problem.name}"


def _key(text: str) -> str:
    """Spelling aside: case, ``.py``, and what separates words."""
    key = text.strip().casefold().removesuffix(".py")
    key = re.sub(r"level_(?=\d)", "level", key)
    return "/".join(re.sub(r"[\W_]+", "_", part).strip("_") for part in key.split("/"))


def _source(spec: str, root: Path) -> ProblemSource:
    path = root / Path(spec).expanduser()
    if path.is_dir():
        return FolderSource(path)
    if path.is_file() and path.suffix in SUFFIXES:
        return TableSource(path)
    dataset = None if Path(spec).suffix in SUFFIXES else HubSource.from_spec(spec)
    if dataset is None:
        raise ProblemSourceError(
            f"--kb-problems={spec}: no such folder, parquet or jsonl file, and not a "
            f"hub dataset such as {KERNELBENCH}"
        )
    return dataset
