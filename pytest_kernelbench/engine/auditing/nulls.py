"""Kernels that do no work, held against the comparison that real ones must pass.

A problem that accepts one of them asks nothing: its output is always zero, or nearly
the same for every input, or is its input. Other inputs or the default tolerance may
cure that; where nothing does, the problem is good for no speedup.

A null kernel may treat each output differently. So each is judged by itself, and the
problem is sound as soon as one of its outputs accepts nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from pytest_kernelbench.engine.auditing.redraws import redraws_for
from pytest_kernelbench.engine.auditing.roundings import PRECISIONS, accepted_precisions
from pytest_kernelbench.engine.compare import Tolerance, compare, row_length
from pytest_kernelbench.engine.reference import ProblemFault, Reference, tensors_of

Accepted = dict[int, set[str]]
"""Names of the null kernels that each output accepts."""

_CALLS = (1, 2)
"""A null kernel must pass all of them; call 0 is what it remembers."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the problem: what goes in and what must come out."""

    inputs: list[torch.Tensor]
    """Those that the problem leaves as they are."""
    expected: list[torch.Tensor]
    wide: list[torch.Tensor] | list[None]
    """The same in float64."""


Maker = Callable[[Call, Call, int], list[torch.Tensor]]
"""From a call, one before it, and which output is wanted: what to return for it."""


def audit(
    reference: Reference, seed: int, tolerance: str, seconds: float
) -> dict[str, Any]:
    """What is accepted, what cures it, and which lower precisions would do.

    Args:
        reference: The problem.
        seed: Of the inputs that are tried.
        tolerance: What was asked for.
        seconds: Time after which it is given up.

    Raises:
        ProblemFault: the problem fails on its own inputs.
    """
    try:
        return _Audit(reference, seed, tolerance, seconds).run()
    except OutOfTimeError:
        return {"skipped": f"it takes more than {seconds:.0f} s"}
    except torch.OutOfMemoryError:
        return {"skipped": "it needs more memory than there is"}


class OutOfTimeError(Exception):
    """The problem is too slow to be audited in the time there is."""


class _Audit:
    """Tries null kernels on one problem, and then what may cure it of them."""

    def __init__(
        self, reference: Reference, seed: int, tolerance: str, seconds: float
    ) -> None:
        self._reference = reference
        self._seed = seed
        self._asked = tolerance
        self._deadline = time.monotonic() + seconds
        self._is_finite = True

    def run(self) -> dict[str, Any]:
        accepted = self._accepted()
        names = sorted(set().union(*accepted.values()))
        redraw, tolerance = self._cure(accepted) if accepted else ("", "")
        lower = self._precisions(redraw, tolerance)
        if lower and not redraw and (tolerance or not accepted):
            redraw, left = self._cure_of_precisions(lower, tolerance)
            names += [f"{name} inputs" for name in lower - left]
            lower = left
        return {
            "accepted": sorted(names),
            "redraw": redraw,
            "tolerance": tolerance,
            "precisions": sorted(lower),
        }

    def _precisions(self, redraw: str, tolerance: str) -> set[str]:
        """Lower ones that pass with the problem's inputs, and with the others if any."""
        judged = tolerance or self._asked
        lower = self._passing_precisions("", judged)
        return lower & self._passing_precisions(redraw, judged) if redraw else lower

    def _cure_of_precisions(
        self, lower: set[str], tolerance: str
    ) -> tuple[str, set[str]]:
        """The mildest redraw with which most of them are noticed, and those that are not."""
        best, left = "", lower
        for redraw in redraws_for(self._reference.source):
            still = lower & self._passing_precisions(redraw, tolerance or self._asked)
            if len(still) < len(left):
                best, left = redraw, still
        return best, left

    def _passing_precisions(self, redraw: str, tolerance: str) -> set[str]:
        """All, where these inputs are none that the problem can compute."""
        try:
            if redraw and not _is_finite(self._call(_CALLS[0], redraw)):
                return set(PRECISIONS)
            return accepted_precisions(
                self._reference, self._seed + _CALLS[0], redraw, tolerance
            )
        except (RuntimeError, TypeError, ProblemFault, OutOfTimeError):
            return set(PRECISIONS) if redraw else set()

    def _accepted(self) -> Accepted:
        """Empty as soon as one output accepts nothing."""
        accepted: Accepted = {}
        before = self._call(0, "")
        for number in _CALLS:
            call = self._call(number, "")
            found = _passing(call, before, self._asked, accepted or None)
            if not all(found.values()):
                return {}
            accepted, before = found, call
        self._is_finite = _is_finite(before)
        return accepted

    def _cure(self, accepted: Accepted) -> tuple[str, str]:
        """The mildest change after which one output accepts nothing any more."""
        tolerances = dict.fromkeys((self._asked, "default"))
        for redraw in ("", *redraws_for(self._reference.source)):
            for tolerance in tolerances:
                changed = redraw or tolerance != self._asked
                if changed and self._cures(redraw, tolerance, accepted):
                    return redraw, "" if tolerance == self._asked else tolerance
        return "", ""

    def _cures(self, redraw: str, tolerance: str, accepted: Accepted) -> bool:
        try:
            before = self._call(0, redraw)
            for number in _CALLS:
                call = self._call(number, redraw)
                if self._is_finite and not _is_finite(call):
                    return False  # these inputs are not in the problem's domain
                if all(_passing(call, before, tolerance, accepted).values()):
                    return False
        except (ProblemFault, OutOfTimeError):
            return False
        return True

    def _call(self, number: int, redraw: str) -> Call:
        if time.monotonic() > self._deadline:
            raise OutOfTimeError
        reference = self._reference
        seed = self._seed + number
        inputs = reference.inputs(seed, redraw)
        expected, wide = reference.answers(inputs, draw=seed)
        kept = [
            leaf
            for index, leaf in enumerate(tensors_of(inputs))
            if index not in reference.mutated
        ]
        return Call(kept, expected, wide)


def _passing(
    call: Call, before: Call, tolerance: str, suspects: Accepted | None
) -> Accepted:
    """Which null kernels each output accepts, of the suspected ones."""
    return {
        index: {
            name
            for name, make in NULLS.items()
            if suspects is None or name in suspects[index]
            if any(
                _accepts(call, index, output, tolerance)
                for output in make(call, before, index)
            )
        }
        for index, expected in enumerate(call.expected)
        if expected.numel()
    }


def _accepts(call: Call, index: int, output: torch.Tensor, tolerance: str) -> bool:
    expected = call.expected[index]
    judged = Tolerance.parse(tolerance, expected.dtype)
    found = compare(output, expected, call.wide[index], judged, thorough=False)
    return found.passed


def _is_finite(call: Call) -> bool:
    floats = [leaf for leaf in call.expected if leaf.is_floating_point()]
    return all(bool(leaf.isfinite().all()) for leaf in floats)


def _zeros(call: Call, before: Call, index: int) -> list[torch.Tensor]:  # noqa: ARG001
    expected = call.expected[index]
    return [torch.zeros_like(expected[(0,) * expected.dim()]).expand(expected.shape)]


def _constant(call: Call, before: Call, index: int) -> list[torch.Tensor]:
    known, shape = before.expected[index], call.expected[index].shape
    if known.is_floating_point() or known.is_complex():
        return [known.mean().to(known.dtype).expand(shape)]
    return [known.flatten().float().median().to(known.dtype).expand(shape)]


def _remembered(call: Call, before: Call, index: int) -> list[torch.Tensor]:
    known = before.expected[index]
    return [known] if known.shape == call.expected[index].shape else []


def _row_means(call: Call, before: Call, index: int) -> list[torch.Tensor]:  # noqa: ARG001
    """Of the true output: what computing far less would come to.

    Rows that are meant to be constant are not a matter of means.
    """
    expected = call.expected[index]
    if not expected.is_floating_point():
        return []
    rows = expected.reshape(-1, row_length(expected.shape))
    if torch.equal(rows, rows[:, :1].expand_as(rows)):
        return []
    means = rows.mean(dim=1, keepdim=True).expand_as(rows)
    return [means.reshape(expected.shape)]


def _an_input(call: Call, before: Call, index: int) -> list[torch.Tensor]:  # noqa: ARG001
    expected = call.expected[index]
    return [
        leaf.reshape(expected.shape)
        for leaf in call.inputs
        if leaf.numel() == expected.numel() and leaf.dtype == expected.dtype
    ]


NULLS: dict[str, Maker] = {
    "zeros": _zeros,
    "a constant": _constant,
    "another call's output": _remembered,
    "row means": _row_means,
    "an input": _an_input,
}
