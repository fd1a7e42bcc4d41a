"""The revision that this run compares kernels with, opened once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_kernelbench.bases import Base, Bases, Standing
from pytest_kernelbench.model import Problem
from pytest_kernelbench.settings import settings_of
from pytest_kernelbench.terms import Terms, compared

BASES = pytest.StashKey[Bases]()


def bases_of(config: pytest.Config) -> Bases | None:
    """The earlier versions of kernels; None where none are asked for.

    Raises:
        RepositoryError: one line.
    """
    settings = settings_of(config)
    if settings.compare_ref is None:
        return None
    if BASES not in config.stash:
        here = config.invocation_params.dir
        config.stash[BASES] = Bases(here, settings.compare_ref, settings.files)
    return config.stash[BASES]


def with_base(
    config: pytest.Config, terms: Terms, kernel: Path | None, problem: Problem
) -> tuple[Terms, Base | None]:
    """A kernel's base, and what it has to satisfy beside it; None without a revision."""
    bases = bases_of(config)
    if bases is None:
        return terms, None
    if kernel is None:
        base = Base(standing=Standing.NEW, why="given as text")
    else:
        file = settings_of(config).rootdir / problem.origin
        base = bases.of(kernel, file if file.is_file() else None)
    return compared(terms, base), base
