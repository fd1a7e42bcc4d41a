"""The summary table, the header line and the word in ``-v``.

Plain strings, coloured by pytest's own terminal writer: what is printed is the same
on a terminal, in a log and under xdist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_kernelbench.executors.base import Metered
from pytest_kernelbench.model import EvalResult, Verdict
from pytest_kernelbench.outcomes import escaped
from pytest_kernelbench.reports import wording
from pytest_kernelbench.reports.gate import gate_lines
from pytest_kernelbench.reports.run import RunReports
from pytest_kernelbench.runs import Evaluated
from pytest_kernelbench.settings import Settings, settings_of

if TYPE_CHECKING:
    from pytest_kernelbench.collection import KernelItem

Column = tuple[str, Callable[[Mapping[str, Any]], str]]

_NARROW, _NARROWEST, _HINT = 15, 9, 4
_FUNCTIONS = 8
"""Of the device that are told of; a kernel may have hundreds."""


def header(items: Sequence[KernelItem], settings: Settings) -> str:
    kernels = len({item.request.kernel.path for item in items})
    devices = ", ".join(dict.fromkeys(item.request.device for item in items))
    due = sum(item.will_run for item in items)
    asked = wording.counted(due, "evaluation")
    of = "" if kernels == due else f" of {wording.counted(kernels, 'kernel')}"
    return f"kernelbench: {asked}{of} on {devices} ({settings.executor}), seed {settings.seed}"


def status_word(told: Mapping[str, Any]) -> str | None:
    """``PASSED 1.28x``, for a test with one timed evaluation."""
    if len(told["evaluations"]) != 1:
        return None
    result = told["evaluations"][0]["result"]
    verdict = Verdict(result["verdict"])
    if verdict is Verdict.AMBIGUOUS or verdict.is_failure:  # forgiven
        return f"PASSED ({verdict})"
    speedup = result.get("speedup")
    return None if speedup is None else f"PASSED {speedup['value']:.2f}x"


def show(
    run: RunReports, terminal: pytest.TerminalReporter, config: pytest.Config
) -> None:
    verbosity = config.get_verbosity()
    if verbosity < 0:
        if verbosity == -1:
            results = [one.result for one in run.evaluated]
            terminal.write_line(f"kernelbench: {_closing(results, run)}")
        return
    found = config.hook.pytest_kernelbench_summary_columns(config=config)
    more: list[Column] = [column for columns in found for column in columns]
    groups = _groups(run.evaluated)
    for title, rows in groups.items():
        terminal.write_sep("=", title)
        _table(
            terminal,
            rows,
            more,
            width=config.get_terminal_writer().fullwidth,
            detailed=verbosity > 0,
        )
        if len(groups) > 1:
            terminal.write_line(f" {wording.scores([row.result for row in rows])}")
    if not groups:
        terminal.write_sep("=", "kernelbench")
    terminal.write_line(f" {_closing([one.result for one in run.evaluated], run)}")
    for line in wording.changes([one.result for one in run.evaluated]):
        terminal.write_line(f" {line}")
    for line in (*gate_lines(run, config), *_remarks(run)):
        terminal.write_line(f" {line}")
    _show_where(run, terminal, settings_of(config))


def _groups(evaluated: Sequence[Evaluated]) -> dict[str, list[Evaluated]]:
    groups: dict[str, list[Evaluated]] = {}
    for one in evaluated:
        groups.setdefault(wording.place(one.result), []).append(one)
    titles = {
        place: f"kernelbench: {wording.title(place, rows)}"
        for place, rows in groups.items()
    }
    return {titles[place]: rows for place, rows in groups.items()}


def _table(
    terminal: pytest.TerminalReporter,
    rows: Sequence[Evaluated],
    more: Sequence[Column],
    *,
    width: int,
    detailed: bool,
) -> None:
    titles = ["kernel", "problem", "verdict", "runtime", "speedup", "L"]
    if any(row.result.change for row in rows):
        more = [("change", _change), *more]
    if any(row.result.graph for row in rows):
        more = [("graph", _graph), *more]
    cells = [titles + [title for title, _ in more]]
    cells += [_cells(row) + [_cell(column, row) for column in more] for row in rows]
    if _excess(cells, width) > 0:
        for cell, name in zip(cells[1:], wording.short_names(rows), strict=True):
            cell[0] = name
    widths = _widths(cells, width)
    terminal.write_line(_line(cells[0], widths))
    for row, shown in zip(rows, cells[1:], strict=True):
        before, verdict, after = _parts(shown, widths)
        terminal.write(before)
        terminal.write(verdict, **_colour(row))
        terminal.write_line(after)
        if detailed:
            for line in _details(row.result):
                terminal.write_line(f"   {line}")


def _cells(row: Evaluated) -> list[str]:
    result = row.result
    name = result.kernel
    return [
        escaped(name),
        escaped(wording.problem(result)),
        result.verdict.value,
        wording.ABSENT if result.runtime is None else wording.runtime(result.runtime),
        wording.gain(result),
        result.assurance or wording.ABSENT,
    ]


def _cell(column: Column, row: Evaluated) -> str:
    return escaped(str(column[1]({"nodeid": row.nodeid, **row.result.to_builtins()})))


def _change(evaluation: Mapping[str, Any]) -> str:
    """``SLOWER -14.1%``: the word, and by how much the speed has changed."""
    seen = evaluation["change"]
    if seen is None:
        return wording.ABSENT
    return f"{seen['verdict']} {(seen['speedup']['value'] - 1) * 100:+.1f}%"


def _graph(evaluation: Mapping[str, Any]) -> str:
    """``4.31 us 1.72x``: the runtime and the speedup of replayed graphs."""
    seen = evaluation["graph"]
    if seen is None:
        return wording.ABSENT
    runtime, speedup = seen["runtime"]["median"], seen["speedup"]["value"]
    return f"{wording.duration(runtime)} {speedup:.2f}x"


def _colour(row: Evaluated) -> dict[str, bool]:
    if row.outcome == "failed":
        return {"red": True}
    if row.result.verdict is Verdict.PASS:
        return {"green": True}
    return {"yellow": True}


def _excess(cells: Sequence[Sequence[str]], available: int) -> int:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return sum(widths) + 2 * len(widths) - 1 - available


def _widths(cells: Sequence[Sequence[str]], available: int) -> list[int]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    excess = _excess(cells, available)
    # Names give way, the problem's first; numbers do not.
    steps = [(1, _NARROW), (0, _NARROW), (1, _NARROWEST), (0, _NARROWEST), (1, _HINT)]
    for column, least in steps:
        cut = min(max(excess, 0), max(widths[column] - least, 0))
        widths[column] -= cut
        excess -= cut
    return widths


def _padded(shown: Sequence[str], widths: Sequence[int]) -> list[str]:
    kernel, problem, *others = shown
    fitted = [_end_of(kernel, widths[0]), _start_of(problem, widths[1]), *others]
    return [cell.ljust(width) for cell, width in zip(fitted, widths, strict=True)]


def _line(shown: Sequence[str], widths: Sequence[int]) -> str:
    return f" {'  '.join(_padded(shown, widths))}".rstrip()


def _parts(shown: Sequence[str], widths: Sequence[int]) -> tuple[str, str, str]:
    """The line, cut around the verdict so that only this is coloured."""
    padded = _padded(shown, widths)
    before = f" {'  '.join(padded[:2])}  "
    return before, padded[2], f"  {'  '.join(padded[3:])}".rstrip()


def _end_of(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[len(text) - width + 1 :]}"


def _start_of(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _details(result: EvalResult) -> list[str]:
    lines = [
        wording.trial(number, trial) for number, trial in enumerate(result.trials, 1)
    ]
    stages = [
        f"{escaped(name)} {wording.duration(took)}"
        for name, took in result.stages.items()
    ]
    if stages:
        lines.append("stages: " + ", ".join(stages))
    lines += [wording.resources(given) for given in result.resources[:_FUNCTIONS]]
    left_out = len(result.resources) - _FUNCTIONS
    if left_out > 0:
        lines.append(f"and {wording.counted(left_out, 'other device function')}")
    return lines


def _closing(results: Sequence[EvalResult], run: RunReports) -> str:
    parts = [wording.scores(results)] if results else []
    if run.unevaluated:
        parts.append(f"{len(run.unevaluated)} not evaluated")
    return " · ".join([*parts, *_expenses(run)])


def _expenses(run: RunReports) -> list[str]:
    """``14 s, est. $0.02``, and what had to be done again."""
    took = f"{run.seconds:.{0 if run.seconds >= 10 else 1}f} s"
    if not isinstance(run.executor, Metered):
        return [took]
    cost, retries = run.executor.cost_estimate(), run.executor.infrastructure_retries
    parts = [f"{took}, {cost}" if cost.spent else took]
    if retries:
        word = "retry" if retries == 1 else "retries"
        parts.append(f"{retries} infrastructure {word}")
    return parts


def _remarks(run: RunReports) -> list[str]:
    """What is to be said of the results, each once however many it applies to."""
    told = {why for _, why in run.gates}  # with the kernels' names
    counts: dict[str, int] = {}
    for one in run.evaluated:
        result = one.result
        said = [f"limit: {text}" for text in result.limits]
        said += [f"note: {text}" for text in result.notes if text not in told]
        if one.outcome == "skipped" and result.reason:
            said.append(f"skipped: {result.reason}")
        forgiven = result.verdict.is_failure and one.outcome == "passed"
        if result.verdict is Verdict.AMBIGUOUS or forgiven:
            said.append(f"warning: {result.kernel}: {result.reason}")
        for text in said:
            counts[escaped(text)] = counts.get(escaped(text), 0) + 1
    return [
        text if count == 1 else f"{text} ({count} kernels)"
        for text, count in counts.items()
    ]


def _show_where(
    run: RunReports, terminal: pytest.TerminalReporter, settings: Settings
) -> None:
    journal = run.journal
    if journal is not None and journal.trouble is not None:
        terminal.write_line(f" warning: {journal.trouble}", yellow=True)
    elif settings.resume and journal is not None and not journal.done:
        terminal.write_line(" note: --kb-resume found no earlier run to go on with")
    kept = ""
    if journal is not None and journal.written:
        path, root = journal.path, settings.rootdir
        kept = f" · {path.relative_to(root) if path.is_relative_to(root) else path}"
    terminal.write_line(f" seed {settings.seed}{kept}")
