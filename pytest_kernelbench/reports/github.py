"""What a run leaves on GitHub: a job summary, outputs of the step, annotations.

``Actions`` is what the runner tells a step through its environment; everything else
here is a function of that and a ``Run``, so that a saved run can be reported as well.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from pytest_kernelbench.model import Verdict
from pytest_kernelbench.reports import wording
from pytest_kernelbench.reports.annotations import commands
from pytest_kernelbench.reports.findings import Level, findings, ranked
from pytest_kernelbench.reports.overview import overview
from pytest_kernelbench.runs import Run, write_whole

_SUMMARY_BYTES = 1024 * 1024  # of a step; a byte more and the runner shows nothing
_LEAST_BYTES = 4096
_COMMENT_BYTES = 60_000  # GitHub takes 65,536 characters


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What the runner tells a step."""

    summary: Path | None
    output: Path | None
    workspace: Path | None
    place: str
    """The workflow and job, which tell one comment from another."""
    run_link: str | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read what is there; outside of Actions there is nothing."""

        def path(name: str) -> Path | None:
            return Path(environment[name]) if environment.get(name) else None

        def word(name: str) -> str:
            return environment.get(name, "")

        run = f"{word('GITHUB_REPOSITORY')}/actions/runs/{word('GITHUB_RUN_ID')}"
        known = word("GITHUB_REPOSITORY") and word("GITHUB_RUN_ID")
        server = word("GITHUB_SERVER_URL") or "https://github.com"
        return cls(
            summary=path("GITHUB_STEP_SUMMARY"),
            output=path("GITHUB_OUTPUT"),
            workspace=path("GITHUB_WORKSPACE"),
            place=f"{word('GITHUB_WORKFLOW')}/{word('GITHUB_JOB')}",
            run_link=f"{server}/{run}" if known else None,
        )


def active(environment: Mapping[str, str]) -> bool:
    """Whether this is a step of GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def write(run: Run, actions: Actions, files: Mapping[str, Path]) -> list[str]:
    """Add to the step's summary and outputs what happened.

    Args:
        run: What happened.
        actions: Where to write; what is absent there is not written.
        files: Outputs that say where a file is.

    Returns:
        What went wrong, a line each.

    Raises:
        OSError: a file cannot be written.
    """
    if actions.output is not None:
        words = {**outputs(run), **{name: str(file) for name, file in files.items()}}
        with actions.output.open("a", encoding="utf-8") as file:
            file.writelines(_assignment(*pair) for pair in words.items())
    if actions.summary is not None and not _summarised(run, actions.summary):
        return ["the job's summary is full: nothing added"]
    return []


def _assignment(name: str, value: str) -> str:
    end = f"end-{secrets.token_hex(8)}"  # so that no value can end it
    return f"{name}<<{end}\n{value}\n{end}\n"


def _summarised(run: Run, path: Path) -> bool:
    taken = path.stat().st_size if path.exists() else 0
    room = _SUMMARY_BYTES - taken - 1
    if room < _LEAST_BYTES:
        return False
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if taken else "") + overview(run, limit=room))
    return True


def outputs(run: Run) -> dict[str, str]:
    """Counts and scores by name; a score that is not known is empty."""
    levels = [level for level, _ in ranked(run)]
    results = [one.result for one in run.evaluated]
    changes = [result.change.verdict for result in results if result.change]
    failed = levels.count(Level.ERROR)
    mean = wording.geomean(results)
    counts = {
        "kernels": sum(one.outcome != "skipped" for one in run.evaluated),
        "built": sum(result.built is True for result in results),
        "correct": sum(result.correct is True for result in results),
        "failed": failed,
        "not-evaluated": len(run.unevaluated),
        "skipped": sum(one.outcome == "skipped" for one in run.evaluated),
        "ambiguous": sum(r.verdict is Verdict.AMBIGUOUS for r in results),
        "faster": changes.count("FASTER"),
        "slower": changes.count("SLOWER"),
    }
    bad = failed or run.unevaluated
    return {
        "conclusion": "failure" if bad else "success",
        **{name: str(count) for name, count in counts.items()},
        "geomean": "" if mean is None else f"{mean:.4g}",
    }


def annotated(
    run: Run, actions: Actions, *, root: Path, failures: bool = True
) -> Iterator[str]:
    """Lines to print.

    Args:
        run: What happened.
        actions: Where.
        root: What the files in node ids are relative to.
        failures: Whether to tell failures of tests, which other plugins tell too.
    """
    found = [one for one in findings(run) if failures or not one.told_by_pytest]
    yield from commands(found, root=root, workspace=actions.workspace)


def marker(key: str) -> str:
    """The hidden first line of a comment, by which it is found and updated."""
    plain = re.sub(r"[^\w./ ]+", "-", key).strip("- ")
    return f"<!-- pytest-kernelbench {plain} -->"


def write_comment(path: Path, run: Run, actions: Actions, key: str = "") -> None:
    """Write the body of a pull request's comment.

    Raises:
        OSError: it cannot be written.
    """
    page = overview(run, limit=_COMMENT_BYTES)
    link = f"\n[This run]({actions.run_link})\n" if actions.run_link else ""
    head = marker(key or actions.place)
    write_whole(path, f"{head}\n{page}{link}".encode())
