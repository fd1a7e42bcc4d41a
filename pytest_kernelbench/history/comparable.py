"""Which earlier evaluation belongs to a result, and whether the two may be compared.

The same kernel, problem and precision make them belong together; another device or
other versions, another baseline or another text of the problem make their speedups
two different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_kernelbench.model import EvalResult
from pytest_kernelbench.runs import Evaluated

Key = tuple[str, str, str]


def key_of(result: EvalResult) -> Key:
    return result.kernel, result.problem, result.precision


def evaluation_of(evaluated: Iterable[Evaluated], now: EvalResult) -> EvalResult | None:
    """The one that belongs to this result.

    A test may evaluate two kernels from text, which then share all but their source:
    of several the one with the same source, or none.
    """
    found = [one.result for one in evaluated if key_of(one.result) == key_of(now)]
    if len({one.kernel_digest for one in found}) > 1:
        found = [one for one in found if one.kernel_digest == now.kernel_digest]
    # Of several devices in one file the same one, if it is there.
    found.sort(key=lambda one: one.device_name != now.device_name)
    return found[0] if found else None


def obstacles(then: EvalResult, now: EvalResult, *, across: bool) -> list[str]:
    """What keeps two evaluations from being compared.

    Args:
        across: Whether other devices and versions are no obstacle.
    """
    found = []
    if not across:
        found += _devices(then.device_name, now.device_name)
        found += differing(then.environment, now.environment)
    if then.cache != now.cache:
        found.append(f"{then.cache} cache then, {now.cache} now")
    kinds = [one.baseline.kind if one.baseline else "no" for one in (then, now)]
    if kinds[0] != kinds[1]:
        found.append(f"{kinds[0]} baseline then, {kinds[1]} now")
    return found + other_problem(then.problem_digest, now.problem_digest)


def _devices(then: str, now: str) -> list[str]:
    return [] if then == now else [f"on {then or 'an unknown device'} then, {now} now"]


def differing(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """``torch 2.11 then, 2.13 now``, for each that differs."""
    return [
        f"{name} {then.get(name, 'unknown')} then, {now.get(name, 'unknown')} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def other_problem(then: str, now: str) -> list[str]:
    known = bool(then and now)
    return ["the problem has changed since"] if known and then != now else []
