"""How results are worded: the same in the summary and in every other report.

Text that came from a kernel or a compiler is one harmless line here; what a medium
needs beyond that (HTML, Markdown) is the medium's business.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import PurePath

from pytest_kernelbench.model import (
    Change,
    EvalResult,
    Interval,
    Resources,
    Runtime,
    Trial,
    Verdict,
)
from pytest_kernelbench.outcomes import escaped
from pytest_kernelbench.runs import Evaluated, Run
from pytest_kernelbench.terms import replay_command

ABSENT = "–"  # noqa: RUF001
_MANY_SECONDS = 99.95
_ALMOST = 0.9995
"""From here on three digits show the next unit's 1.00."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def place(result: EvalResult) -> str:
    """Where a result belongs: results of one place can be compared."""
    is_cuda = result.device.startswith("cuda") and result.device_name
    return f"{result.device_name if is_cuda else result.device} ({result.executor})"


def title(where: str, rows: Sequence[Evaluated]) -> str:
    baselines = {row.result.baseline.kind for row in rows if row.result.baseline}
    baseline = f", baseline {'/'.join(sorted(baselines))}" if baselines else ""
    return f"{escaped(where)}{baseline}"


def problem(result: EvalResult) -> str:
    known = result.problem_name and result.problem_name not in result.problem
    return f"{result.problem} {result.problem_name}" if known else result.problem


def runtime(measured: Runtime) -> str:
    half = max(measured.high - measured.median, measured.median - measured.low)
    share = half / measured.median * 100 if measured.median > 0 else 0.0
    return f"{duration(measured.median)} ±{share:.{0 if share >= 10 else 1}f}%"


def duration(seconds: float) -> str:
    if seconds >= _MANY_SECONDS:
        return f"{seconds:.0f} s"
    fitting = (one for one in _UNITS if seconds >= one[0] * _ALMOST)
    unit, name = next(fitting, _UNITS[-1])
    return f"{seconds / unit:#.3g} {name}".replace(". ", " ")


def speedup(ratio: Interval) -> str:
    return f"{ratio.value:.2f}x [{ratio.low:.2f},{ratio.high:.2f}]"


def change(seen: Change) -> str:
    """``SLOWER 0.95x [0.94,0.96]``: a word first, as slower is not 0.95x faster."""
    return f"{seen.verdict} {speedup(seen.speedup)}"


def changes(results: Sequence[EvalResult]) -> list[str]:
    """``against main (2 days old): 3 SAME, 1 SLOWER``, one line for each other side."""
    counts: dict[str, dict[str, int]] = {}
    for result in results:
        if result.change is not None:
            words = counts.setdefault(result.change.against, {})
            words[result.change.verdict] = words.get(result.change.verdict, 0) + 1
    return [
        f"against {escaped(against)}: "
        + ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
        for against, words in counts.items()
    ]


def gain(result: EvalResult) -> str:
    """The speedup, or what stands in its place."""
    if result.speedup is not None:
        return speedup(result.speedup)
    return "unscorable" if result.unscorable else ABSENT


def short_names(rows: Sequence[Evaluated]) -> list[str]:
    """Kernels without the directory that all share, nor what all kernels end in."""
    paths = [PurePath(row.result.kernel) for row in rows]
    mixed = len({path.is_absolute() for path in paths}) > 1
    shared = "" if mixed else os.path.commonpath([str(path.parent) for path in paths])
    return [
        escaped(path.relative_to(shared).as_posix()).removesuffix("_kernel.py")
        for path in paths
    ]


def trial(number: int, seen: Trial) -> str:
    word = "ok" if seen.passed else "failed"
    said = escaped(seen.message)
    if not said and seen.max_abs_error is not None:
        said = f"max error {seen.max_abs_error:.3g}"
        if seen.allowed_error is not None:
            said += f", allowed {seen.allowed_error:.3g}"
    return f"trial {number}: {word} {said}".rstrip()


def resources(given: Resources) -> str:
    spilled = f"{given.spilled_bytes} bytes spilled" if given.spilled_bytes else ""
    shared = f"{given.shared_bytes} bytes shared" if given.shared_bytes else ""
    filled = "" if given.occupancy is None else f"occupancy {given.occupancy:.0%}"
    parts = [counted(given.registers, "register"), spilled, shared, filled]
    return f"{escaped(given.function)}: {', '.join(filter(None, parts))}"


def replay(run: Run, one: Evaluated) -> str:
    """The command that evaluates this again; the words of a file may be anything."""
    saved = run.settings.get("replay")
    words = saved if isinstance(saved, list) else []
    return replay_command(one.nodeid, one.result.seed, [str(word) for word in words])


def scores(results: Sequence[EvalResult]) -> str:
    found = tally(results)
    kernels, skipped = found.pop("kernels"), found.pop("skipped")
    if kernels == 0:
        return f"{counted(int(skipped), 'kernel')} skipped"
    parts = [counted(int(kernels), "kernel")]
    parts += [f"{name} {value}" for name, value in found.items()]
    if skipped:
        parts.append(f"{skipped} skipped")
    return " · ".join(parts)


def tally(results: Sequence[EvalResult]) -> dict[str, str | int]:
    """Counts and scores by their names; kernels are those that were not skipped."""
    skipped = sum(result.verdict is Verdict.NO_DEVICE for result in results)
    total = len(results) - skipped
    found: dict[str, str | int] = {"kernels": total, "skipped": skipped}
    found["built"] = f"{sum(result.built is True for result in results)}/{total}"
    found["correct"] = f"{sum(result.correct is True for result in results)}/{total}"
    speedups = _speedups(results)
    mean = geomean(results)
    if mean is not None:
        found["geomean"] = f"{mean:.2f}x"
        found["max"] = f"{max(speedups):.2f}x"
        found["fast_1"] = f"{sum(speedup > 1 for speedup in speedups)}/{total}"
    return found


def geomean(results: Sequence[EvalResult]) -> float | None:
    """Of the speedups of correct kernels, if there are any."""
    speedups = _speedups(results)
    if not speedups:
        return None
    return math.exp(math.fsum(map(math.log, speedups)) / len(speedups))


def _speedups(results: Sequence[EvalResult]) -> list[float]:
    timed = [r.speedup.value for r in results if r.correct and r.speedup is not None]
    return [speedup for speedup in timed if speedup > 0]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
