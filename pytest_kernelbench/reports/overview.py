"""A run as one page of Markdown that a reviewer reads in ten seconds.

One headline, the scores, a table of what needs attention; the rest is folded. A page
has a limit of its own: what is least urgent is left out, and that is said.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_kernelbench.model import EvalResult, Verdict
from pytest_kernelbench.reports import markdown, wording
from pytest_kernelbench.reports.findings import Level, device, ranked
from pytest_kernelbench.runs import Evaluated, Run

_MARKS = {Level.ERROR: "❌", Level.WARNING: "⚠️", Level.NOTICE: "🚀", Level.NONE: "✅"}
_FEW = 10
"""That many rows are a small table still."""
_LAST_LINE = 400
"""Bytes kept for the line that says what was left out."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Section:
    """Entries that are of one kind; ``title`` is None where they are not folded."""

    noun: str
    entries: list[str]
    head: str = ""
    title: str | None = None
    between: str = "\n"

    def shown(self, entries: Sequence[str]) -> str:
        content = "\n".join(filter(None, [self.head, self.between.join(entries)]))
        return content if self.title is None else markdown.folded(self.title, content)


def overview(run: Run, *, limit: int) -> str:
    """The page, in at most ``limit`` bytes of UTF-8."""
    parts = ["\n\n".join([f"### {headline(run)}", *_introduction(run)])]
    room = limit - _LAST_LINE - len(parts[0].encode())
    left_out: Counter[str] = Counter()
    for section in _sections(run):
        fitting = _fitting(section, room)
        left_out[section.noun] += len(section.entries) - len(fitting)
        if fitting:
            parts.append(section.shown(fitting))
            room -= len(parts[-1].encode()) + 2
    missing = [
        wording.counted(count, noun) for noun, count in left_out.items() if count
    ]
    if missing:
        parts.append(f"Left out for want of space: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def _fitting(section: _Section, room: int) -> list[str]:
    room -= len(section.shown([]).encode()) + 2
    fitting = []
    for entry in section.entries:
        room -= len((entry + section.between).encode())
        if room < 0:
            break
        fitting.append(entry)
    return fitting


def headline(run: Run) -> str:
    """The outcome in one line, without anything that a kernel has written."""
    levels = ranked(run)
    failed = [one.result.verdict for level, one in levels if level is Level.ERROR]
    bad = len(failed) + len(run.unevaluated)
    total = sum(one.outcome != "skipped" for one in run.evaluated)
    total += len(run.unevaluated)
    if bad:
        counts = Counter(verdict.value for verdict in failed)
        words = [f"{count} {word}" for word, count in counts.items()]
        words += [f"{len(run.unevaluated)} not evaluated"] if run.unevaluated else []
        words += ["stopped early"] if run.interrupted else []
        return (
            f"{_MARKS[Level.ERROR]} {bad} of {wording.counted(total, 'kernel')} "
            f"failed: {', '.join(words)}"
        )
    if run.interrupted:
        return f"{_MARKS[Level.WARNING]} Stopped early: {total} evaluated, none failed"
    if total == 0 and run.set_aside and not run.evaluated:
        return f"{_MARKS[Level.NONE]} Nothing to evaluate"
    if total == 0:
        return f"{_MARKS[Level.WARNING]} No kernel was evaluated"
    doubtful = sum(level is Level.WARNING for level, _ in levels)
    passed = f"{wording.counted(total, 'kernel')} passed"
    if doubtful:
        return f"{_MARKS[Level.WARNING]} {passed}, {doubtful} with a warning"
    return f"{_MARKS[Level.NONE]} {passed}"


def _introduction(run: Run) -> list[str]:
    results = [one.result for one in run.evaluated]
    gate = [markdown.literal(line) for line in run.gate[:1]]
    if not results:
        return gate
    places = list(dict.fromkeys(wording.place(result) for result in results))
    baselines = sorted({r.baseline.kind for r in results if r.baseline is not None})
    where = ", ".join(markdown.literal(place) for place in places)
    against = f", baseline {'/'.join(baselines)}" if baselines else ""
    scores = f"{where}{against} · {wording.scores(results)} · {run.seconds:.0f} s"
    # Its words are ours, but what it is against may be named by anybody.
    changes = [markdown.literal(line) for line in wording.changes(results)]
    return [scores, *changes, *gate]


def _sections(run: Run) -> Iterator[_Section]:
    levels = ranked(run)
    urgent = [pair for pair in levels if pair[0] is not Level.NONE]
    plain = [pair for pair in levels if pair[0] is Level.NONE]
    small = not urgent and len(plain) <= _FEW
    columns = _Columns(run)
    if urgent:
        yield _Section("kernel", columns.rows(urgent), columns.head)
    if run.unevaluated:
        yield _Section("reason", _reasons(run), title="Why not evaluated")
    logs = [_why(run, one) for level, one in levels if level is Level.ERROR]
    if logs:
        yield _Section("reason", logs, title="Why and how to replay", between="\n\n")
    if plain:
        title = f"{wording.counted(len(plain), 'kernel')} as expected"
        rows = columns.rows(plain)
        yield _Section("kernel", rows, columns.head, None if small else title)
    if run.gate[1:]:
        rest = [f"- {markdown.literal(line)}" for line in run.gate[1:]]
        yield _Section("remark", rest, title="Not gated or not run")
    remarks = _remarks([one.result for one in run.evaluated])
    if remarks:
        yield _Section("remark", remarks, title="Limits and notes")
    yield _Section("setting", _environment(run), title="Environment")


class _Columns:
    """The table's columns: those for which there is something to show."""

    def __init__(self, run: Run) -> None:
        results = [one.result for one in run.evaluated]
        self._several = len({wording.place(result) for result in results}) > 1
        before = sorted({result.change.against for result in results if result.change})
        self._changes = bool(before)
        titles = ["", "kernel", "problem", "verdict", "runtime", "speedup"]
        if before:
            titles.append(f"against {', '.join(map(markdown.literal, before))}")
        if self._several:
            titles.append("device")
        self.head = markdown.head(titles)

    def rows(self, pairs: Sequence[tuple[Level, Evaluated]]) -> list[str]:
        return [markdown.row(self._cells(*pair)) for pair in pairs]

    def _cells(self, level: Level, one: Evaluated) -> list[str]:
        result = one.result
        skipped = level is Level.NONE and one.outcome == "skipped"
        cells = [
            "⏭️" if skipped else _MARKS[level],
            markdown.literal(result.kernel),
            markdown.literal(wording.problem(result)),
            f"**{result.verdict}**" if level is Level.ERROR else result.verdict.value,
            wording.runtime(result.runtime) if result.runtime else wording.ABSENT,
            wording.gain(result),
        ]
        if self._changes:
            change = result.change
            cells.append(wording.change(change) if change else wording.ABSENT)
        if self._several:
            cells.append(markdown.literal(device(result)))
        return cells


def _why(run: Run, one: Evaluated) -> str:
    result = one.result
    parts = [f"**{result.verdict}** {markdown.literal(one.nodeid)}"]
    if result.reason:
        parts.append(markdown.literal(result.reason))
    if result.log:
        parts.append(markdown.block(result.log))
    parts.append(f"replay: {markdown.literal(wording.replay(run, one))}")
    return "\n\n".join(parts)


def _reasons(run: Run) -> list[str]:
    return [
        f"- {markdown.literal(nodeid)}: {markdown.literal(why)}"
        for nodeid, why in run.unevaluated.items()
    ]


def _remarks(results: Sequence[EvalResult]) -> list[str]:
    counts = Counter(text for one in results for text in (*one.limits, *one.notes))
    counts.update(
        f"skipped: {one.reason}" for one in results if one.verdict is Verdict.NO_DEVICE
    )
    return [
        f"- {markdown.literal(text)}" + (f" ({count} kernels)" if count > 1 else "")
        for text, count in counts.items()
    ]


def _environment(run: Run) -> list[str]:
    known = {name: ", ".join(seen) for name, seen in run.environment.items()}
    known["pytest-kernelbench"] = run.version
    known["commit"] = str(run.commit.get("id", "unknown"))
    known["seed"] = str(run.settings.get("seed", "unknown"))
    return [
        f"- {markdown.literal(name)} {markdown.literal(text)}"
        for name, text in known.items()
    ]
