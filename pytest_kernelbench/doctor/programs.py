"""Run a program for what it says: a compiler, torch, or a trial of ours.

What forks, imports torch or starts CUDA is tried in a process of its own, which has one
thread and may fail.
"""

from __future__ import annotations

import subprocess
import sys

from pytest_kernelbench.engine.isolation.sandbox import base_environment
from pytest_kernelbench.text import first_line


def ran(
    *words: str, seconds: float, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run it with what a worker may see of the environment, and these variables.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be run, or takes longer.
    """
    return subprocess.run(
        words,
        env=base_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


def tried(*words: str, seconds: float, **variables: str) -> tuple[str, str | None]:
    """What a trial in Python prints, and why it has failed, if so."""
    python = (sys.executable, "-P", *words)
    try:
        done = ran(*python, seconds=seconds, **variables)
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"could not be tried ({first_line(str(error))})"
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        return "", first_line(lines[-1])
    return done.stdout.strip(), None
