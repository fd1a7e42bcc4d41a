"""One evaluation, from request to result: limits, the order of stages, the verdict.

The controller imports neither torch nor a kernel. It tells the candidate only what to
build and which slots to call, asks the oracle for everything that must be true, holds
the clock around both, and kills the candidate before it says the verdict.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pytest_kernelbench.engine import peer
from pytest_kernelbench.engine.auditing.cache import SpoiltAuditError
from pytest_kernelbench.engine.base import Base, request_of_base
from pytest_kernelbench.engine.bench import Bench, Place
from pytest_kernelbench.engine.building.cache import BuildDirectory
from pytest_kernelbench.engine.building.extensions import TIERS
from pytest_kernelbench.engine.building.inspection import inspected
from pytest_kernelbench.engine.channel import Message
from pytest_kernelbench.engine.clients import (
    CandidateClient,
    KernelFault,
    OracleKilledError,
    OracleMemoryError,
    TimeBudget,
)
from pytest_kernelbench.engine.isolation.sandbox import (
    Isolation,
    Sandboxed,
    private_directory,
)
from pytest_kernelbench.engine.pairing import Findings, Pairing, Seeds
from pytest_kernelbench.engine.protocol import DeviceProtocol
from pytest_kernelbench.engine.setup import audited, claims_memory, load_problem
from pytest_kernelbench.engine.suspects import beside_base, not_compared
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.model import EvalRequest, EvalResult, Kernel, Options, Verdict
from pytest_kernelbench.text import first_line, printable

_MAX_LOG = 16_000


class DisturbedError(Exception):
    """Others at the same device or machine may have decided what happened."""

    def __init__(self, error: Exception) -> None:
        super().__init__(first_line(str(error)))
        self.suspected = isinstance(error, KernelFault) and error.doubtful
        """Whether the clocks disagreed."""


def evaluate(request: EvalRequest, bench: Bench) -> EvalResult:
    """Judge one kernel.

    Raises:
        ProblemError: the problem is at fault.
        ExecutorError: nobody can tell, because the place where it ran failed.
    """

    # Each with seeds of its own: what a kernel has kept of one is no use in the next.
    times = itertools.count()

    def once(asked: EvalRequest) -> EvalResult:
        try:
            first = _Evaluation(
                asked, bench, next(times), alone=asked.base is not None, sure=False
            )
            return first.run()
        except (DisturbedError, SpoiltAuditError) as error:
            if isinstance(error, SpoiltAuditError):
                bench.audit(asked)  # and keeps what is found
            second = _Evaluation(asked, bench, next(times), alone=True, sure=True)
            return second.after(error).run()

    return beside_base(request, once)


def is_compiled(kernel: Kernel) -> bool:
    """Whether it is built from C++ or CUDA."""
    return bool({kernel.backend, kernel.language} & {"cuda", "cpp"})


class _Evaluation:
    def __init__(
        self, request: EvalRequest, bench: Bench, again: int, *, alone: bool, sure: bool
    ) -> None:
        self._sure = sure
        self._suspected = False
        self._request = request
        self._options: Options = request.options
        self._bench = bench
        self._alone = alone
        self._seeds = Seeds(request, again)
        self._findings = Findings()
        self._isolation: Isolation | None = None
        self._base: Base | None = None

    def after(self, error: Exception) -> Self:
        """Say why this is not the first time, and look more closely."""
        self._findings.note(f"evaluated twice, the second time alone: {error}")
        self._suspected = isinstance(error, DisturbedError) and error.suspected
        return self

    def run(self) -> EvalResult:
        started = time.monotonic()
        verdict, reason, log = Verdict.PASS, "", ""
        with private_directory() as private:
            process = None
            with self._bench.builds.directory(self._request, self._seeds.name) as build:
                try:
                    process = self._launch(private, build)
                    self._isolation = process.isolation
                    if process.isolation.level == "L1":
                        self._findings.note(f"kept apart as {process.isolation}")
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
        path = self._request.kernel.path
        log = (output + log).replace(str(build.source), path)
        reason = reason.replace(str(build.source), path)
        return self._result(verdict, reason, log, time.monotonic() - started)

    def _carry_out(self, process: Sandboxed, build: BuildDirectory) -> None:
        candidate = CandidateClient(process)
        self._findings.built = False
        headers = self._build(candidate, process, build, "build")
        self._findings.built_with(headers)
        self._findings.built = True
        if not self._alone and self._judged(candidate, process, build, alone=False):
            return
        with self._built_base() as self._base:
            self._judged(candidate, process, build, alone=True)

    def _judged(
        self,
        candidate: CandidateClient,
        process: Sandboxed,
        build: BuildDirectory,
        *,
        alone: bool,
    ) -> bool:
        """Judge it at a place at the device; False if it needs more room than that."""
        with self._bench.place(process, alone=alone) as place:
            if self._base is not None:
                place.candidates.append(self._base.process)
            try:
                pairing = self._pairing(candidate, place)
                with self._findings.stage("prepare"):
                    contract = load_problem(pairing)
                if not (place.alone or claims_memory(place, contract)):
                    return False
                with _killed_at_exit(process):
                    self._judge(pairing, contract, build)
            except (KernelFault, OracleMemoryError, ExecutorError) as error:
                if not place.alone and (place.disturbed or _may_be_others(error)):
                    raise DisturbedError(error) from None
                if not self._sure and isinstance(error, KernelFault) and error.doubtful:
                    raise DisturbedError(error) from None
                if isinstance(error, OracleKilledError):
                    reason = "the process that judges it was killed while it ran"
                    raise KernelFault(Verdict.CRASH, reason) from None
                raise
        return True

    def _launch(self, private: Path, build: BuildDirectory) -> Sandboxed:
        with self._findings.stage("start"):
            return self._bench.launcher.launch(
                private, [build.path], build.environment()
            )

    def _build(
        self,
        candidate: CandidateClient,
        process: Sandboxed,
        build: BuildDirectory,
        stage: str,
    ) -> str:
        """Have it built; what the candidate says of the headers that did."""
        headers = self._headers()
        with self._bench.building(process), self._findings.stage(stage):
            reply = candidate.ask(
                "build",
                TimeBudget(self._options.build_timeout),
                do="build",
                path=str(build.source),
                language=build.language,
                entry="ModelNew" if build.language == "python" else "forward",
                headers=headers,
            )
        return str(reply.get("headers", ""))

    @contextlib.contextmanager
    def _built_base(self) -> Iterator[Base | None]:
        """The base in a process of its own, built and paused, if it comes that far."""
        request = request_of_base(self._request)
        if request is None or not self._is_timed():
            yield None
            return
        # Not patient: the base of one evaluation may be the kernel of another.
        builds = self._bench.builds.directory(request, self._seeds.name, patient=False)
        with private_directory() as private, builds as build:
            process = self._launch(private, build)
            try:
                base = Base(process, build)
                yield base if self._builds_base(base) else None
            finally:
                process.kill()

    def _builds_base(self, base: Base) -> bool:
        try:
            self._build(base.candidate, base.process, base.build, "base build")
            base.candidate.pause()
        except KernelFault as fault:
            self._not_compared(f"{fault.verdict}: {first_line(fault.reason)}")
            return False
        return True

    def _headers(self) -> Message | None:
        """What a candidate is told of lean headers; made here, before it may run."""
        if not is_compiled(self._request.kernel):
            return None
        found = self._bench.bridge.headers() if self._options.fast_build else None
        return {
            "lean": TIERS[:-1] if self._options.fast_build else (),
            "mini": str(found.include) if found else None,
            "library": str(found.library) if found else None,
        }

    def _pairing(self, candidate: CandidateClient, place: Place) -> Pairing:
        return Pairing(
            request=self._request,
            candidate=candidate,
            place=place,
            device_kind=self._bench.device_kind,
            telemetry=self._bench.telemetry,
            seeds=self._seeds,
            findings=self._findings,
            budget=TimeBudget(self._options.timeout),
            audits=self._bench.audits,
            suspected=self._suspected,
        )

    def _judge(
        self, pairing: Pairing, contract: Message, build: BuildDirectory
    ) -> None:
        """Everything that needs the device, in the order that keeps secrets secret."""
        findings = self._findings
        contract = audited(pairing, contract)
        with findings.stage("prepare"):
            protocol = DeviceProtocol(pairing, contract)
            protocol.warm_up()
            build.mark_built()
        with pairing.place.foreground():
            # Only from here on does anything depend on the seeds of the inputs.
            with findings.stage("check"):
                findings.correct = False
                protocol.check()
                findings.correct = True
            if self._is_timed():
                self._time(protocol, pairing, contract)

    def _time(
        self, protocol: DeviceProtocol, pairing: Pairing, contract: Message
    ) -> None:
        findings, rival = self._findings, None
        if self._base is not None:
            # Only now, when the kernel is known to be right, does it use the device.
            with findings.stage("base"):
                rival = self._base.joined(pairing, contract)
        with (
            findings.stage("timing"),
            peer.beside(pairing, contract, self._bench.launcher) as baseline,
        ):
            protocol.time(baseline, rival)
        if rival is not None and rival.fault:
            self._not_compared(rival.fault)

    def _not_compared(self, why: str) -> None:
        assert self._request.base is not None
        self._findings.note(not_compared(self._request.base, f"the base is {why}"))

    def _inspect(self, build: BuildDirectory) -> None:
        findings = self._findings
        if findings.built and self._bench.device_kind == "cuda":
            with findings.stage("inspect"):
                findings.resources = inspected(
                    build.path,
                    self._bench.launcher,
                    findings.environment.get("capability", ""),
                )

    def _is_timed(self) -> bool:
        # Or a kernel that does nothing could collect a speedup.
        scorable = not self._findings.unscorable
        return self._options.timing and scorable and not self._is_interpreted()

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
        isolation = self._isolation
        apart = {"isolation": str(isolation)} if isolation else {}
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
            assurance=isolation.level if isolation else None,
            seed=request.options.seed,
            built=False if verdict is Verdict.BUILD else findings.built,
            correct=findings.correct if verdict in _AFTER_CHECK else False,
            trials=tuple(findings.trials),
            resources=findings.resources,
            unscorable=findings.unscorable,
            build_seconds=findings.stages.get("build"),
            elapsed_seconds=elapsed,
            stages=findings.stages,
            limits=tuple(findings.limits),
            notes=tuple(findings.notes),
            # Cut first: a cut may undo an escape.
            log=printable(log[-_MAX_LOG:]),
            environment=findings.environment | apart,
            telemetry=findings.telemetry,
            headers=findings.headers,
            **timing,
        )


_AFTER_CHECK = (Verdict.PASS, Verdict.INTEGRITY)


def _may_be_others(error: Exception) -> bool:
    """Whether others at the same device could have brought this about."""
    if isinstance(error, KernelFault):
        return error.verdict in (Verdict.OOM, Verdict.INTEGRITY)
    return True  # the oracle that all share was lost, or has no memory left


@contextlib.contextmanager
def _killed_at_exit(process: Sandboxed) -> Iterator[None]:
    """Give the place back only once nothing of the kernel runs at it any more."""
    try:
        yield
    finally:
        process.kill()
