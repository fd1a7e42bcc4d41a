"""Steps of workflows and of the action, run in bash as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
EXAMPLES = sorted((ROOT / "examples" / "workflows").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    # "on" is true in YAML 1.1, which PyYAML reads; GitHub reads 1.2.
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def all_steps(path: Path) -> list[dict[str, Any]]:
    whole = read(path)
    jobs = whole.get("jobs", {"action": whole.get("runs")}).values()
    return [step for job in jobs for step in job["steps"]]


class Runner:
    """A machine with one checkout, on which steps are run one after the other."""

    def __init__(self, folder: Path, workspace: Path, programs: Path | None = None):
        self.folder = folder
        self.workspace = workspace
        for name in ("summary", "output"):
            (folder / name).touch()
        (folder / "temp").mkdir(exist_ok=True)
        self.environment = {
            "PATH": f"{programs or self._programs()}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_ENV": str(folder / "env"),
            "GITHUB_PATH": str(folder / "path"),
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_WORKFLOW": "kernels",
            "GITHUB_JOB": "evaluate",
            "GITHUB_RUN_ID": "7",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "RUNNER_TEMP": str(folder / "temp"),
        }

    def _programs(self) -> Path:
        """This Python and its command, under the names that a workflow uses."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        for name, words in (
            ("python", f'"{sys.executable}" "$@"'),
            ("pytest-kernelbench", f'"{sys.executable}" -m pytest_kernelbench "$@"'),
        ):
            (folder / name).write_text(f"#!/bin/sh\nexec {words}\n")
            (folder / name).chmod(0o755)
        return folder

    def run(
        self, step: Mapping[str, Any], values: Mapping[str, str], **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a step to its end; both of its streams are in ``stdout``."""
        started = self.start(step, values, **environment)
        output, _ = started.communicate()
        return subprocess.CompletedProcess(step["run"], started.returncode, output)

    def start(
        self, step: Mapping[str, Any], values: Mapping[str, str], **environment: str
    ) -> subprocess.Popen[str]:
        """Run a step.

        Args:
            step: As written.
            values: What each ``${{ expression }}`` in it stands for.
            environment: As of the job or the workflow.
        """
        script = self.folder / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        texts = step.get("env", {}).items()
        given = {name: _filled(str(text), values) for name, text in texts}
        return subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace / _filled(step.get("working-directory", "."), values),
            env={**self.environment, **environment, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _filled(text: str, values: Mapping[str, str]) -> str:
    """With what expressions stand for; one without a value is an error."""
    return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: values[found[1]], text)
