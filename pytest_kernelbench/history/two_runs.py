"""Two saved runs against each other, kernel by kernel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from pytest_kernelbench.changes import Earlier, change, session_noise, worse
from pytest_kernelbench.history.comparable import evaluation_of, key_of, obstacles
from pytest_kernelbench.limits import Limit
from pytest_kernelbench.model import Change, EvalResult
from pytest_kernelbench.runs import Run


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How runs are compared, and what is required."""

    limits: tuple[Limit, ...] = ()
    noise: float | None = None
    """Between sessions; None for the device's."""
    alpha: float = 0.01
    across: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One kernel in both runs, or in one."""

    base: EvalResult | None
    head: EvalResult | None
    change: Change | None = None
    obstacles: tuple[str, ...] = ()
    """Why there is no change though it was measured in both."""
    regressed: tuple[str, ...] = ()
    """Limits that are exceeded for certain."""
    suspect: tuple[str, ...] = ()
    """Limits that seem to be exceeded."""

    @property
    def result(self) -> EvalResult:
        found = self.head or self.base
        assert found is not None
        return found


def compared(base: Run, head: Run, terms: Terms) -> list[Compared]:
    """Every kernel of either run, those of the head first."""
    pairs = list(_pairs(base, head))
    comparable = sum(
        _speedups(then, now) and not obstacles(then, now, across=terms.across)
        for then, now in pairs
        if then is not None and now is not None
    )
    terms = dataclasses.replace(terms, alpha=terms.alpha / max(comparable, 1))
    return [_compared(then, now, terms) for then, now in pairs]


def _pairs(
    base: Run, head: Run
) -> Iterator[tuple[EvalResult | None, EvalResult | None]]:
    for one in head.evaluated:
        yield evaluation_of(base.evaluated, one.result), one.result
    known = {key_of(one.result) for one in head.evaluated}
    for one in base.evaluated:
        if key_of(one.result) not in known:
            yield one.result, None


def _speedups(then: EvalResult, now: EvalResult) -> bool:
    return then.speedup is not None and now.speedup is not None


def _compared(
    then: EvalResult | None, now: EvalResult | None, terms: Terms
) -> Compared:
    if then is None or now is None or not _speedups(then, now):
        return Compared(base=then, head=now)
    why = obstacles(then, now, across=terms.across)
    if why:
        return Compared(base=then, head=now, obstacles=tuple(why))
    known = bool(then.kernel_digest)
    earlier = Earlier(
        against="the base",
        speedup=then.speedup,
        runtime=then.runtime,
        same_kernel=known and then.kernel_digest == now.kernel_digest,
    )
    noise = terms.noise or session_noise(now.device)
    found = [
        worse(
            limit,
            now,
            earlier,
            noise=noise,
            alpha=terms.alpha,
            origin=f"--fail={limit.text}",
        )
        for limit in terms.limits
    ]
    return Compared(
        base=then,
        head=now,
        change=change(now, earlier, noise=noise),
        regressed=tuple(one.reason for one in found if one and one.certain),
        suspect=tuple(one.reason for one in found if one and not one.certain),
    )


def shared_obstacles(found: Sequence[Compared]) -> tuple[str, ...]:
    """Why nothing can be compared, where that is the same for all kernels."""
    blocked = [one for one in found if one.obstacles]
    if not blocked or any(one.change is not None for one in found):
        return ()
    first = blocked[0].obstacles
    return first if all(one.obstacles == first for one in blocked) else ()
