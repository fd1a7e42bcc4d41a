from __future__ import annotations

import collections
import contextlib
import os
import sys
from pathlib import Path

import pytest

# Here and not in the runs of pytester in this process: what is first imported there is
# forgotten after it, and a package then still holds the module that came before.
from pytest_kernelbench import calls, evaluator, xdist  # noqa: F401
from pytest_kernelbench.executors import fake  # noqa: F401
from pytest_kernelbench.reports import github, html, keeping, terminal  # noqa: F401

with contextlib.suppress(ImportError):
    import vl_convert  # noqa: F401  can be loaded once in a process, and no more

pytest_plugins = ["pytester"]

KERNEL = """\
# kernelbench: problem={problem} {directive}
# fake: {script}
import a_module_that_does_not_exist


class ModelNew:
    pass
"""

NO_GPU = "needs an NVIDIA GPU: there is no /dev/nvidiactl"


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="also minutes-long tests")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "gpu" in item.keywords and not Path("/dev/nvidiactl").exists():
            item.add_marker(pytest.mark.skip(reason=NO_GPU))
        if "slow" in item.keywords and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="minutes long: --run-slow"))


class Kernels:
    """Writes kernel files whose fate is scripted, and runs pytest on them."""

    def __init__(self, pytester: pytest.Pytester, mode: str) -> None:
        self.pytester = pytester
        self.mode = mode
        self.log = pytester.path / "events.log"
        self.always: tuple[str, ...] = ()
        """Words of every run."""

    def add(
        self,
        name: str,
        script: str = "",
        *,
        directive: str = "",
        problem: str = "builtin/softmax",
    ) -> Path:
        path = self.pytester.path / f"{name}_kernel.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            KERNEL.format(script=script, directive=directive, problem=problem)
        )
        return path

    def run(self, *words: str) -> pytest.RunResult:
        words = ("--kb-executor=fake", "-p", "no:anyio", *self.always, *words)
        if self.mode == "inprocess":
            return self.pytester.runpytest_inprocess(*words)
        return self.pytester.runpytest_subprocess("-n2", *words)

    def events(self) -> collections.Counter[str]:
        if not self.log.exists():
            return collections.Counter()
        lines = self.log.read_text().splitlines()
        return collections.Counter(line.split()[0] for line in lines)

    def journal(self) -> list[str]:
        runs = sorted((self.pytester.path / ".kernelbench" / "runs").glob("*.jsonl"))
        return runs[-1].read_text().splitlines() if runs else []

    def command(self, *words: str) -> list[str]:
        workers = [] if self.mode == "inprocess" else ["-n2"]
        return [
            *(sys.executable, "-m", "pytest", "-p", "no:anyio"),
            *("--kb-executor=fake", *workers, *self.always, *words),
        ]


@pytest.fixture
def mode():
    return "inprocess"


@pytest.fixture
def kernels(pytester, monkeypatch, mode):
    made = Kernels(pytester, mode)
    monkeypatch.setenv("KB_FAKE_LOG", str(made.log))
    ambient = ("PYTEST_XDIST", "GITHUB_")
    for name in [name for name in os.environ if name.startswith(ambient)]:
        monkeypatch.delenv(name)
    return made
