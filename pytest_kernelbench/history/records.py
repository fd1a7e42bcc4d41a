"""The record file: the speedups that a repository defends, one a line.

It is committed and reviewed, so lines are sorted, hold few digits, and change only
where a kernel got faster with confidence or could no longer be compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pytest_kernelbench.changes import Earlier
from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.history.comparable import differing, other_problem
from pytest_kernelbench.model import EvalResult, Interval
from pytest_kernelbench.runs import write_whole
from pytest_kernelbench.text import printable

Key = tuple[str, str, str, str]
_DIGITS = 4


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line: the accepted speedup of a kernel on a device."""

    kernel: str
    problem: str
    precision: str
    device: str
    speedup: float
    low: float
    high: float
    baseline: str
    cache: str
    versions: dict[str, str]
    kernel_digest: str
    problem_digest: str

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.speedup <= self.high:
            raise ValueError("expected 0 < low <= speedup <= high")

    @property
    def key(self) -> Key:
        return self.kernel, self.problem, self.precision, self.device

    def earlier(self, now: EvalResult, against: str) -> Earlier:
        """The record as something that a result can be compared with."""
        known = bool(self.kernel_digest)
        return Earlier(
            against=against,
            speedup=Interval(value=self.speedup, low=self.low, high=self.high),
            same_kernel=known and self.kernel_digest == now.kernel_digest,
        )

    def obstacles(self, now: EvalResult, *, across: bool) -> list[str]:
        """What keeps a result on the same device from being compared with it."""
        found = [] if across else differing(self.versions, now.environment)
        if self.cache != now.cache:
            found.append(f"{self.cache} cache then, {now.cache} now")
        kind = now.baseline.kind if now.baseline else "no"
        if self.baseline != kind:
            found.append(f"{self.baseline} baseline then, {kind} now")
        return found + other_problem(self.problem_digest, now.problem_digest)


def record_key(result: EvalResult) -> Key:
    device = result.device_name or result.device
    return result.kernel, result.problem, result.precision, device


def read_records(path: Path) -> dict[Key, Record]:
    """
    Raises:
        RunFileError: one line, names the line of the file.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise RunFileError(f"{path}: {why}") from None
    found: dict[Key, Record] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = msgspec.json.decode(line, type=Record)
        except msgspec.DecodeError as error:
            raise RunFileError(f"{path}:{number}: not a record: {error}") from None
        if record.key in found:
            kernel, problem, precision, device = map(printable, record.key)
            raise RunFileError(
                f"{path}:{number}: a second record of {kernel}, {problem} "
                f"({precision}) on {device}"
            )
        found[record.key] = record
    return found


def write_records(path: Path, records: Mapping[Key, Record]) -> None:
    """
    Raises:
        OSError: it cannot be written.
    """
    lines = [
        json.dumps(msgspec.to_builtins(records[key]), ensure_ascii=False)
        for key in sorted(records)
    ]
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


def record_of(result: EvalResult) -> Record | None:
    """None where there is no speedup."""
    speedup, baseline = result.speedup, result.baseline
    if speedup is None or baseline is None or speedup.low <= 0:
        return None
    low, value, high = (
        float(f"{end:.{_DIGITS}g}")
        for end in (speedup.low, speedup.value, speedup.high)
    )
    kernel, problem, precision, device = record_key(result)
    return Record(
        kernel=kernel,
        problem=problem,
        precision=precision,
        device=device,
        speedup=value,
        low=low,
        high=high,
        baseline=baseline.kind,
        cache=result.cache,
        versions=dict(sorted(result.environment.items())),
        kernel_digest=result.kernel_digest,
        problem_digest=result.problem_digest,
    )
