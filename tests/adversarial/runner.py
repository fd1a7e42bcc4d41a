"""Runs cases of the corpus through a LocalExecutor, with or without company."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_kernelbench.engine.isolation.trees import remove
from pytest_kernelbench.executors.local import LocalExecutor
from pytest_kernelbench.model import EvalResult, Verdict

from .corpus import ROOT, Case, find

_HANGS_AFTER = 30.0
"""Seconds beyond its own limit until an evaluation is called hung."""
_LEAVES_TRACES = ("evaluator", "resources", "leftovers")
"""Families after which an honest kernel must find everything as it was."""
_HONEST = "N01"
SECRET = "KERNELBENCH_TEST_SECRET"
"""A variable of the controller's environment that no kernel should come to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one case."""

    word: str
    """As ``Case.outcome`` says; or ``error``: our own side failed; or ``spoiled``:
    it was caught, but the honest kernel after it was not passed."""
    verdict: str
    detail: str

    @property
    def is_bad(self) -> bool:
        return self.word in ("through", "blamed", "error", "spoiled")


class Arena:
    """An executor on one device, and the cases that are run through it."""

    def __init__(self, device: str, cache: Path) -> None:
        self.device = device
        self._cache = cache
        self._executor: LocalExecutor | None = None

    def run(self, case: Case) -> Outcome:
        if case.own == "process":
            return self._run_in_process(case)
        if case.own == "executor":
            with self.private() as executor:
                return self.evaluate(executor, case)
        return self.evaluate(self._shared(), case)

    def close(self) -> None:
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _shared(self) -> LocalExecutor:
        if self._executor is None:
            self._executor = LocalExecutor(cache_dir=self._cache)
        return self._executor

    @contextmanager
    def private(self) -> Iterator[LocalExecutor]:
        executor = LocalExecutor(cache_dir=self._cache / f"private-{os.getpid()}")
        try:
            yield executor
        finally:
            executor.close()

    def evaluate(self, executor: LocalExecutor, case: Case) -> Outcome:
        """One case, and where it may have left traces an honest kernel after it."""
        if case.again:
            self._evaluate(executor, case)
        outcome = self._evaluate(executor, case)
        if case.family not in _LEAVES_TRACES or outcome.is_bad:
            return outcome
        after = self._evaluate(executor, replace(find(_HONEST), timing=False))
        if not after.is_bad:
            return outcome
        detail = f"{outcome.verdict}, and then {after.verdict}: {after.detail}"
        return replace(outcome, word="spoiled", detail=detail)

    def _evaluate(self, executor: LocalExecutor, case: Case) -> Outcome:
        future = executor.submit(case.request(self.device))
        try:
            result = future.result(timeout=_HANGS_AFTER + case.timeout)
        except Exception as error:  # noqa: BLE001 - an error of ours is a finding
            detail = f"{type(error).__name__}: {error}"
            return Outcome(word="error", verdict="", detail=detail)
        return Outcome(
            word=case.outcome(result), verdict=result.verdict, detail=_detail(result)
        )

    def _run_in_process(self, case: Case) -> Outcome:
        """In a controller of its own, which the case may kill."""
        program = [sys.executable, "-m", __package__, "--alone", case.id]
        controller = subprocess.Popen(
            [*program, "--device", self.device, "--cache", str(self._cache)],
            cwd=ROOT.parents[len(__package__.split(".")) - 1],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            answer, complaints = controller.communicate(
                timeout=_HANGS_AFTER + case.timeout
            )
        except subprocess.TimeoutExpired:
            _kill_tree(controller.pid)
            controller.wait()
            return Outcome(word="error", verdict="", detail="the controller hung")
        if controller.returncode != 0:
            last = (complaints.strip().splitlines() or [""])[-1]
            detail = f"the controller ended with {controller.returncode}: {last}"
            return Outcome(word="error", verdict="", detail=detail)
        return Outcome(**json.loads(answer.strip().splitlines()[-1]))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A directory that is removed however deep kernels have made it.

    Neither pytest nor the standard library can walk the deepest of them.
    """
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        remove(folder)


@contextmanager
def open_arena(device: str) -> Iterator[Arena]:
    """An arena with a cache of its own, both gone afterwards."""
    with scratch_folder() as cache, closing(Arena(device, cache)) as arena:
        yield arena


def _kill_tree(root: int) -> None:
    """End a hung controller and all below it, stopped processes as well."""
    for children in Path(f"/proc/{root}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                _kill_tree(int(child))
    with suppress(ProcessLookupError):
        os.kill(root, signal.SIGKILL)


def run_alone(case_id: str, device: str, cache: Path) -> None:
    """The other half of ``_run_in_process``."""
    arena = Arena(device, cache)
    with arena.private() as executor:
        outcome = arena.evaluate(executor, find(case_id))
    print(json.dumps({name: getattr(outcome, name) for name in outcome.__slots__}))


def _detail(result: EvalResult) -> str:
    if result.verdict is Verdict.PASS and result.speedup is not None:
        speedup = result.speedup
        return f"{speedup.value:.2f}x [{speedup.low:.2f}, {speedup.high:.2f}]"
    return result.reason


def quiet_environment() -> dict[str, str]:
    """One thread a process: on a shared CPU more of them measure the neighbours."""
    return {"OMP_NUM_THREADS": "1", SECRET: "known"}
