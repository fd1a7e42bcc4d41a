"""A step that runs pytest while the runner is deaf, and reports when it hears again.

Between ``::stop-commands::WORD`` and ``::WORD::`` the runner obeys nothing, so that
neither the name of a file nor a test's output can forge an annotation. The word is known
to this process alone, and pytest gets none of the files that the runner reads.
"""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_kernelbench.reports.github import (
    Actions,
    annotated,
    write,
    write_comment,
)
from pytest_kernelbench.runs import Run, read_run

_NOT_FOR_PYTEST = (
    "ACTIONS_",
    "GITHUB_ENV",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_TOKEN",
)
# What it prints would not be heard, and is told by the report.
_WITHOUT_ITS_COMMANDS = ("-p", "no:pytest_github_actions_annotate_failures")


def evaluate(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], key: str
) -> int:
    """Run pytest and report; returns pytest's exit status.

    Args:
        words: pytest's command line.
        folder: Where ``run.json`` and ``comment.md`` are written.
        environment: As the runner gave it.
        key: Tells comments from one another; empty for workflow and job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / "run.json"
    saved.unlink(missing_ok=True)  # or an old one would be taken for this run
    ours = ("--kb-github=off", f"--kb-json={saved.resolve()}", *_WITHOUT_ITS_COMMANDS)
    with _deaf_runner():
        status = _pytest([*words, *ours], environment)
    if saved.exists():
        files = {"json": saved, "comment": folder / "comment.md"}
        report(read_run(saved), environment, files=files, key=key)
    return status


def report(
    run: Run,
    environment: Mapping[str, str],
    *,
    files: Mapping[str, Path],
    key: str,
) -> None:
    """Print annotations, and write the summary, the outputs and the comment's body.

    Args:
        run: What happened.
        environment: As the runner gave it.
        files: What the outputs name; ``comment`` is written if it is among them.
        key: Tells comments from one another; empty for workflow and job.
    """
    actions = Actions.of(environment)
    for line in annotated(run, actions, root=_root(run)):
        print(line)  # noqa: T201
    if "comment" in files:
        write_comment(files["comment"], run, actions, key)
    for trouble in write(run, actions, files):
        print(f"kernelbench: {trouble}")  # noqa: T201


def _root(run: Run) -> Path:
    """pytest's rootdir: here, or the nearest folder above with the files of the run."""
    here = Path.cwd()
    files = {one.nodeid.partition("::")[0] for one in run.evaluated}
    above = (
        folder
        for folder in (here, *here.parents)
        if any((folder / file).exists() for file in files)
    )
    return next(above, here)


@contextmanager
def _deaf_runner() -> Iterator[None]:
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", flush=True)  # noqa: T201
    try:
        yield
    finally:
        # On a line of its own, whatever was left unfinished on the last one.
        print(f"\n::{word}::", flush=True)  # noqa: T201


def _pytest(words: Sequence[str], environment: Mapping[str, str]) -> int:
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith(_NOT_FOR_PYTEST)
    }
    # -P: a kernel of a fork that is called modal.py must not be imported for Modal.
    command = [sys.executable, "-P", "-m", "pytest", *words]
    # One pipe for both: the runner reads two in no order, and might hear the word first.
    process = subprocess.Popen(command, env=kept, stderr=subprocess.STDOUT)
    # The runner tells only this process that a job is cancelled.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
