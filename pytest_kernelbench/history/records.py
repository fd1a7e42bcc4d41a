"""The record file: the speedups that a repository defends, one a line.

It is committed and reviewed, so lines are sorted, hold few digits, and change only
where a kernel got faster with confidence or could no longer be compared.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from pytest_kernelbench.changes import Earlier, is_faster, session_noise
from pytest_kernelbench.errors import RunFileError
from pytest_kernelbench.history.comparable import differing, other_problem
from pytest_kernelbench.model import EvalResult, Interval, Verdict
from pytest_kernelbench.runs import write_whole

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
        lines = path.read_text(encoding="utf-8").splitlines()
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
            raise RunFileError(
                f"{path}:{number}: a second record of {record.kernel}, "
                f"{record.problem} ({record.precision}) on {record.device}"
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


@dataclasses.dataclass(slots=True)
class Update:
    """New records, and which kernels they are of."""

    records: dict[Key, Record]
    added: list[str] = dataclasses.field(default_factory=list)
    raised: list[str] = dataclasses.field(default_factory=list)
    replaced: list[str] = dataclasses.field(default_factory=list)
    """Could not be compared any more: other versions, another problem …"""
    unclear: list[str] = dataclasses.field(default_factory=list)
    """Measured more than once in this run, with more than one outcome."""

    @property
    def changed(self) -> bool:
        return bool(self.added or self.raised or self.replaced)


def updated(
    records: Mapping[Key, Record],
    results: Iterable[EvalResult],
    *,
    noise: float | None,
    alpha: float,
    across: bool,
) -> Update:
    """The records with what this run has earned.

    Args:
        records: As they are.
        results: Of a run that has passed.
        noise: Standard deviation between sessions, relative; None for the device's.
        alpha: Probability that chance raises one.
        across: Whether other versions may be compared.
    """
    update = Update(dict(records))
    by_key = _by_key(results)

    def faster(now: EvalResult, held: Record) -> bool:
        then, share = held.earlier(now, ""), alpha / len(by_key)
        deviation = noise or session_noise(now.device)
        return is_faster(now, then, noise=deviation, alpha=share)

    for key, found in by_key.items():
        if len({(one.kernel_digest, one.speedup) for one in found}) > 1:
            update.unclear.append(key[0])
            continue
        now, held, place = found[0], records.get(key), None
        if held is None:
            place = update.added
        elif held.obstacles(now, across=across):
            place = update.replaced
        elif faster(now, held):
            place = update.raised
        made = _record(now)
        if made is not None and place is not None:
            place.append(key[0])
            update.records[key] = made
    return update


def _by_key(results: Iterable[EvalResult]) -> dict[Key, list[EvalResult]]:
    found: dict[Key, list[EvalResult]] = {}
    for result in results:
        if result.verdict is Verdict.PASS and result.speedup is not None:
            found.setdefault(record_key(result), []).append(result)
    return found


def _record(result: EvalResult) -> Record | None:
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
