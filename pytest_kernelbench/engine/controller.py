"""One evaluation, from request to result: limits, the order of stages, the verdict.

The controller imports neither torch nor a kernel. It tells the candidate only what to
build and which slots to call, asks the oracle for everything that must be true, holds
the clock around both, and kills the candidate before it says the verdict.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from pytest_kernelbench.engine.builds import BuildCache, BuildDirectory
from pytest_kernelbench.engine.clients import (
    CandidateClient,
    KernelFault,
    OracleClient,
    OracleKilledError,
    TimeBudget,
)
from pytest_kernelbench.engine.inspection import inspected
from pytest_kernelbench.engine.launcher import CandidateLauncher
from pytest_kernelbench.engine.pairing import Findings, Pairing, Seeds
from pytest_kernelbench.engine.protocol import DeviceProtocol
from pytest_kernelbench.engine.sandbox import Sandboxed, private_directory
from pytest_kernelbench.engine.setup import load_problem
from pytest_kernelbench.model import EvalRequest, EvalResult, Options, Verdict
from pytest_kernelbench.text import printable

_MAX_LOG = 16_000


class Bench(Protocol):
    """What the place where an evaluation runs provides."""

    launcher: CandidateLauncher
    builds: BuildCache
    device_kind: str
    """``cpu`` or ``cuda``."""

    def building(self) -> contextlib.AbstractContextManager[None]:
        """Wait for, and hold, room for one build."""

    def leased(self) -> contextlib.AbstractContextManager[OracleClient]:
        """Wait for, and hold, the device; nothing else is timed on it meanwhile."""


def evaluate(request: EvalRequest, bench: Bench) -> EvalResult:
    """Judge one kernel.

    Raises:
        ProblemError: the problem is at fault.
        ExecutorError: nobody can tell, because the place where it ran failed.
    """
    return _Evaluation(request, bench).run()


class _Evaluation:
    def __init__(self, request: EvalRequest, bench: Bench) -> None:
        self._request = request
        self._options: Options = request.options
        self._bench = bench
        self._seeds = Seeds(request)
        self._findings = Findings()
        self._assurance: Literal["L1", "L2"] | None = None

    def run(self) -> EvalResult:
        started = time.monotonic()
        verdict, reason, log = Verdict.PASS, "", ""
        with private_directory() as private:
            process = None
            with self._bench.builds.directory(self._request) as build:
                try:
                    process = self._launch(private, build)
                    self._assurance = process.assurance
                    self._carry_out(process, build)
                except KernelFault as fault:
                    verdict, reason, log = fault.verdict, fault.reason, fault.log
                finally:
                    # Before its build directory is ours again.
                    if process is not None:
                        process.kill()
                self._inspect(build)
            output = process.output.text() if process is not None else ""
        # The copy that was built is ours; users know the file by its own path.
        log = (output + log).replace(str(build.source), self._request.kernel.path)
        return self._result(verdict, reason, log, time.monotonic() - started)

    def _carry_out(self, process: Sandboxed, build: BuildDirectory) -> None:
        candidate = CandidateClient(process)
        self._build(candidate, build)
        with self._bench.leased() as oracle, _killed_at_exit(process):
            try:
                self._judge(candidate, oracle, build)
            except OracleKilledError:
                reason = "the process that judges it was killed while it ran"
                raise KernelFault(Verdict.CRASH, reason) from None

    def _launch(self, private: Path, build: BuildDirectory) -> Sandboxed:
        with self._findings.stage("start"):
            return self._bench.launcher.launch(
                private, [build.path], build.environment()
            )

    def _build(self, candidate: CandidateClient, build: BuildDirectory) -> None:
        entry = "ModelNew" if self._request.kernel.language == "python" else "forward"
        with self._bench.building(), self._findings.stage("build"):
            self._findings.built = False
            candidate.ask(
                "build",
                TimeBudget(self._options.build_timeout),
                do="build",
                path=str(build.source),
                language=self._request.kernel.language,
                entry=entry,
            )
            self._findings.built = True

    def _judge(
        self, candidate: CandidateClient, oracle: OracleClient, build: BuildDirectory
    ) -> None:
        """Everything that needs the device, in the order that keeps secrets secret."""
        findings = self._findings
        pairing = Pairing(
            request=self._request,
            candidate=candidate,
            oracle=oracle,
            device_kind=self._bench.device_kind,
            seeds=self._seeds,
            findings=findings,
            budget=TimeBudget(self._options.timeout),
        )
        with findings.stage("prepare"):
            protocol = DeviceProtocol(pairing, load_problem(pairing))
            protocol.warm_up()
            build.mark_built()
        # Only from here on does anything depend on the seeds of the inputs.
        with findings.stage("check"):
            findings.correct = False
            protocol.check()
            findings.correct = True
        if self._options.timing and not self._is_interpreted():
            with findings.stage("timing"):
                protocol.time()

    def _inspect(self, build: BuildDirectory) -> None:
        findings = self._findings
        if findings.built and self._bench.device_kind == "cuda":
            with findings.stage("inspect"):
                findings.resources = inspected(
                    build.path,
                    self._bench.launcher,
                    findings.environment.get("capability", ""),
                )

    def _is_interpreted(self) -> bool:
        interpreted = (
            self._bench.device_kind == "cpu"
            and self._request.kernel.backend == "triton"
        )
        if interpreted:
            self._findings.limit(
                "Triton ran in its interpreter: correctness only, no runtime"
            )
        return interpreted

    def _result(
        self, verdict: Verdict, reason: str, log: str, elapsed: float
    ) -> EvalResult:
        request, findings = self._request, self._findings
        timing = findings.timing if verdict is Verdict.PASS else {}
        return EvalResult(
            verdict=verdict,
            reason=reason,
            kernel=request.kernel.path,
            problem=request.problem.id,
            problem_name=request.problem.name,
            device=request.device,
            device_name=findings.device_name,
            backend=request.kernel.backend,
            precision=request.options.precision,
            assurance=self._assurance,
            seed=request.options.seed,
            built=False if verdict is Verdict.BUILD else findings.built,
            correct=findings.correct if verdict in _AFTER_CHECK else False,
            trials=tuple(findings.trials),
            resources=findings.resources,
            build_seconds=findings.stages.get("build"),
            elapsed_seconds=elapsed,
            stages=findings.stages,
            limits=tuple(findings.limits),
            notes=tuple(findings.notes),
            # Cut first: a cut may undo an escape.
            log=printable(log[-_MAX_LOG:]),
            environment=findings.environment,
            **timing,
        )


_AFTER_CHECK = (Verdict.PASS, Verdict.INTEGRITY)


@contextlib.contextmanager
def _killed_at_exit(process: Sandboxed) -> Iterator[None]:
    """Give the device back only once nothing of the kernel runs on it any more."""
    try:
        yield
    finally:
        process.kill()
