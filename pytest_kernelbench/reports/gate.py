"""Whether the gate ran: which kernels were held to limits, and which were not and why.

A gate that silently skips what it should hold is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from pytest_kernelbench.comparison import bases_of
from pytest_kernelbench.outcomes import escaped
from pytest_kernelbench.reports.run import RunReports
from pytest_kernelbench.reports.wording import counted
from pytest_kernelbench.runs import Evaluated
from pytest_kernelbench.settings import Settings, settings_of

_NAMED = 8
"""Kernels named for one reason; a repository may have hundreds."""


def gate_lines(run: RunReports, config: pytest.Config) -> list[str]:
    """What to say of the gate; nothing where no limit was asked for."""
    settings = settings_of(config)
    lines = []
    if run.gates:
        lines.append(_held(run.evaluated, run.gates, settings))
        lines += _grouped("not gated", run.gates)
    lines += _grouped("not run", run.set_aside)
    bases = bases_of(config)
    if bases is not None:
        lines += _grouped(
            "no longer there",
            [(path, f"deleted since {bases.ref}") for path in bases.deleted()],
        )
    return lines


def _held(
    evaluated: Sequence[Evaluated], gates: Sequence[tuple[str, str]], settings: Settings
) -> str:
    held = sum(not why for _, why in gates)
    undecided = sum(one.result.verdict == "AMBIGUOUS" for one in evaluated)
    unsure = f", {undecided} undecided" if undecided else ""
    errors = f"chance of a false failure at most {settings.alpha * 100:g}%"
    warning = " (--kb-gate=warn: none fails)" if settings.forgiven else ""
    return (
        f"gate: {held} of {counted(len(gates), 'kernel')} held to their limits"
        f"{unsure}, {errors}{warning}"
    )


def _grouped(what: str, reasons: Iterable[tuple[str, str]]) -> list[str]:
    """``not gated: new since main: a_kernel.py, b_kernel.py``."""
    groups: dict[str, list[str]] = {}
    for kernel, why in reasons:
        if why:
            groups.setdefault(escaped(why), []).append(escaped(kernel))
    return [f"{what}: {why}: {_names(kernels)}" for why, kernels in groups.items()]


def _names(kernels: Sequence[str]) -> str:
    rest = len(kernels) - _NAMED
    named = ", ".join(kernels[:_NAMED])
    return named if rest <= 0 else f"{named} and {rest} more"
