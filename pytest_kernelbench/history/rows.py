"""An evaluation of a saved run as one flat row, for tables, exports and the history."""

from __future__ import annotations

import msgspec

from pytest_kernelbench.history.store import Saved
from pytest_kernelbench.model import Interval
from pytest_kernelbench.runs import Evaluated, Run
from pytest_kernelbench.text import printable


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers are seconds and ratios; absent ones are None."""

    run: str
    device: str
    """As seen where it ran."""
    datetime: str
    commit: str
    dirty: bool
    nodeid: str
    kernel: str
    problem: str
    precision: str
    backend: str
    executor: str
    verdict: str
    reason: str
    runtime: float | None
    """The median."""
    runtime_low: float | None
    runtime_high: float | None
    baseline: str | None
    baseline_runtime: float | None
    speedup: float | None
    speedup_low: float | None
    speedup_high: float | None
    cache: str
    build_seconds: float | None
    versions: str
    """``cuda=13.0 torch=2.11.0``"""
    kernel_digest: str
    problem_digest: str

    @property
    def interval(self) -> Interval | None:
        value, low, high = self.speedup, self.speedup_low, self.speedup_high
        if value is None or low is None or high is None:
            return None
        return Interval(value=value, low=low, high=high)


def rows_of(saved: Saved) -> list[Row]:
    """
    Raises:
        RunFileError: the run cannot be read.
    """
    run = saved.run
    return [_row(saved.name, run, one) for one in run.evaluated]


def _row(name: str, run: Run, one: Evaluated) -> Row:
    result = one.result
    runtime, speedup, baseline = result.runtime, result.speedup, result.baseline
    versions = sorted(result.environment.items())
    return Row(
        run=name,
        device=_plain(result.device_name or result.device),
        datetime=_plain(run.datetime),
        commit=_plain(str(run.commit.get("id", "unknown"))),
        dirty=bool(run.commit.get("dirty")),
        nodeid=_plain(one.nodeid),
        kernel=_plain(result.kernel),
        problem=_plain(result.problem),
        precision=result.precision,
        backend=_plain(result.backend),
        executor=_plain(result.executor),
        verdict=result.verdict.value,
        reason=_plain(result.reason),
        runtime=None if runtime is None else runtime.median,
        runtime_low=None if runtime is None else runtime.low,
        runtime_high=None if runtime is None else runtime.high,
        baseline=None if baseline is None else baseline.kind,
        baseline_runtime=None if baseline is None else baseline.runtime.median,
        speedup=None if speedup is None else speedup.value,
        speedup_low=None if speedup is None else speedup.low,
        speedup_high=None if speedup is None else speedup.high,
        cache=result.cache,
        build_seconds=result.build_seconds,
        versions=_plain(" ".join(f"{name}={value}" for name, value in versions)),
        kernel_digest=result.kernel_digest,
        problem_digest=result.problem_digest,
    )


def _plain(text: str) -> str:
    """One line without anything that a terminal or a spreadsheet would obey."""
    return " ".join(printable(text).split())
