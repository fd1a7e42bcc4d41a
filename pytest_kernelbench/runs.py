"""A run as plain data and as a file: pytest-benchmark's shape and one key of ours.

Dashboards that read pytest-benchmark's files read these unchanged: ``benchmarks``
holds only what was timed. ``kernelbench.evaluations`` holds every evaluation, also the
failed ones; absent numbers are null.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.model import SCHEMA, EvalResult, Runtime


class Evaluated(msgspec.Struct, frozen=True):
    """One evaluation and the test that asked for it."""

    nodeid: str
    outcome: str
    """Of the test's phase: passed, failed, skipped."""
    result: EvalResult
    line: int | None = None
    """1-based, of the kernel's entry point or of the test function."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All evaluations of one pytest session."""

    evaluated: tuple[Evaluated, ...]
    unevaluated: dict[str, str]
    """Why, by test."""
    settings: dict[str, Any]
    machine: dict[str, Any]
    commit: dict[str, Any]
    datetime: str
    """ISO 8601, UTC."""
    version: str
    """Of this package."""
    seconds: float
    set_aside: dict[str, str] = {}
    """Tests that had nothing to evaluate, and why."""
    gate: tuple[str, ...] = ()
    """What there is to say of the gate, a line each; nothing where there was none."""
    interrupted: bool = False
    """Whether it ended before all tests had run."""
    schema: int = SCHEMA

    @property
    def environment(self) -> dict[str, list[str]]:
        """Versions that the numbers depend on; more than one where hosts differ."""
        seen: dict[str, list[str]] = {}
        for one in self.evaluated:
            for name, version in one.result.environment.items():
                versions = seen.setdefault(name, [])
                if version not in versions:
                    versions.append(version)
        return seen


def write_run(path: Path, run: Run) -> None:
    """Write the file as a whole.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, msgspec.json.format(msgspec.json.encode(document(run))) + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write any file of a run; a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_run(path: Path) -> Run:
    """The run that a file holds; the samples of baselines are not kept.

    Raises:
        RunFileError: one line, says why it cannot be read.
    """
    try:
        whole = msgspec.json.decode(path.read_bytes(), type=_Document)
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise RunFileError(f"{path}: not a saved run: {error}") from None
    ours = whole.kernelbench
    if ours.schema != SCHEMA:
        raise RunFileError(f"{path}: schema {ours.schema}, this version reads {SCHEMA}")
    timed = sum(one.runtime is not None for one in ours.evaluations)
    if timed != len(whole.benchmarks):
        found = f"{timed} timed evaluations and {len(whole.benchmarks)} benchmarks"
        raise RunFileError(f"{path}: not a saved run: {found}")
    samples = [one.stats.data for one in whole.benchmarks]
    return Run(
        evaluated=tuple(_joined(ours.evaluations, samples)),
        unevaluated={one.nodeid: one.reason for one in ours.not_evaluated},
        settings=ours.settings,
        machine=whole.machine_info,
        commit=whole.commit_info,
        datetime=whole.datetime,
        version=whole.version,
        seconds=ours.summary.elapsed_seconds,
        set_aside={one.nodeid: one.reason for one in ours.set_aside},
        gate=ours.gate,
        interrupted=ours.summary.interrupted,
    )


class _Stats(msgspec.Struct):
    data: tuple[float, ...]


class _Benchmark(msgspec.Struct):
    stats: _Stats


class _Evaluation(EvalResult, frozen=True, kw_only=True):
    nodeid: str
    outcome: str
    line: int | None = None


class _Unevaluated(msgspec.Struct):
    nodeid: str
    reason: str


class _Summary(msgspec.Struct):
    elapsed_seconds: float
    interrupted: bool = False


class _Ours(msgspec.Struct):
    schema: int
    settings: dict[str, Any]
    summary: _Summary
    evaluations: list[_Evaluation]
    not_evaluated: list[_Unevaluated]
    set_aside: list[_Unevaluated] = []
    gate: tuple[str, ...] = ()


class _Document(msgspec.Struct):
    machine_info: dict[str, Any]
    commit_info: dict[str, Any]
    benchmarks: list[_Benchmark]
    datetime: str
    version: str
    kernelbench: _Ours


def _joined(
    evaluations: list[_Evaluation], samples: list[tuple[float, ...]]
) -> Iterator[Evaluated]:
    """Evaluations with the samples that are kept in ``benchmarks``, in their order."""
    timed = iter(samples)
    for one in evaluations:
        fields = {name: getattr(one, name) for name in EvalResult.__struct_fields__}
        if one.runtime is not None:
            kept = msgspec.structs.replace(one.runtime, samples=next(timed))
            fields["runtime"] = kept
        yield Evaluated(one.nodeid, one.outcome, EvalResult(**fields), one.line)


def document(run: Run) -> dict[str, Any]:
    """What is written."""
    return {
        "machine_info": run.machine,
        "commit_info": run.commit,
        "benchmarks": list(_benchmarks(run)),
        "datetime": run.datetime,
        "version": run.version,
        "kernelbench": {
            "schema": run.schema,
            "settings": run.settings,
            "environment": run.environment,
            "summary": _summary(run),
            "evaluations": [_evaluation(one) for one in run.evaluated],
            "not_evaluated": _reasons(run.unevaluated),
            "set_aside": _reasons(run.set_aside),
            "gate": run.gate,
        },
    }


def _reasons(by_test: dict[str, str]) -> list[dict[str, str]]:
    return [{"nodeid": one, "reason": why} for one, why in by_test.items()]


def _benchmarks(run: Run) -> Iterator[dict[str, Any]]:
    """What was timed, each under a name of its own: dashboards keep one line a name."""
    seen: Counter[str] = Counter()
    for one in run.evaluated:
        seen[one.nodeid] += 1
        if one.result.runtime is not None:
            number = seen[one.nodeid]
            name = one.nodeid if number == 1 else f"{one.nodeid} ({number})"
            yield _benchmark(name, one.result, one.result.runtime)


def _benchmark(name: str, result: EvalResult, runtime: Runtime) -> dict[str, Any]:
    return {
        "group": result.problem,
        "name": name.rpartition("/")[2],
        "fullname": name,
        "params": {"device": result.device},
        "param": result.device,
        "extra_info": {
            "verdict": result.verdict.value,
            "problem": result.problem,
            "device": result.device_name or result.device,
            "speedup": result.speedup and result.speedup.value,
        },
        "options": {
            "disable_gc": False,
            "timer": "kernelbench",
            "min_rounds": runtime.calls or len(runtime.samples),
            "max_time": None,
            "min_time": None,
            "warmup": True,
        },
        "stats": _stats(runtime),
    }


def _stats(runtime: Runtime) -> dict[str, Any]:
    samples = sorted(runtime.samples)
    spread = runtime.q3 - runtime.q1
    low, high = runtime.q1 - 1.5 * spread, runtime.q3 + 1.5 * spread
    inside = [sample for sample in samples if low <= sample <= high] or samples
    far = [s for s in samples if abs(s - runtime.mean) > runtime.stddev]
    outside = len(samples) - len(inside)
    return {
        "min": runtime.min,
        "max": runtime.max,
        "mean": runtime.mean,
        "stddev": runtime.stddev,
        "rounds": runtime.calls or len(samples),
        "median": runtime.median,
        "iqr": spread,
        "q1": runtime.q1,
        "q3": runtime.q3,
        "iqr_outliers": outside,
        "stddev_outliers": len(far),
        "outliers": f"{len(far)};{outside}",
        "ld15iqr": inside[0] if inside else runtime.min,
        "hd15iqr": inside[-1] if inside else runtime.max,
        "ops": 1 / runtime.mean if runtime.mean > 0 else None,
        "total": runtime.mean * (runtime.calls or len(samples)),
        "data": list(runtime.samples),
        "iterations": 1,
    }


def _evaluation(one: Evaluated) -> dict[str, Any]:
    result = one.result.to_builtins()
    # The samples are in benchmarks[].stats.data already.
    for side in (result["runtime"], (result["baseline"] or {}).get("runtime")):
        if side is not None:
            del side["samples"]
    place = {"nodeid": one.nodeid, "line": one.line, "outcome": one.outcome}
    return {**place, **result}


def _summary(run: Run) -> dict[str, Any]:
    results = [one.result for one in run.evaluated]
    verdicts = [result.verdict.value for result in results]
    return {
        "evaluations": len(results),
        "built": sum(result.built is True for result in results),
        "correct": sum(result.correct is True for result in results),
        "verdicts": {
            verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))
        },
        "not_evaluated": len(run.unevaluated),
        "elapsed_seconds": run.seconds,
        "interrupted": run.interrupted,
    }
