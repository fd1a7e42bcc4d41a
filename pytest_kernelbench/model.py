"""The words of the project as plain data: what is asked, and what came of it.

Everything here crosses process and machine boundaries as JSON, so it holds only
JSON's types, is validated once where it is decoded, and is versioned where it is
stored. Times are seconds; absent numbers are ``None``, never NaN.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Annotated, Any, Literal, Self

import msgspec

from pytest_kernelbench.text import printable

SCHEMA = 1
"""Version of the stored and transported form of the structs below."""

Precision = Literal["fp32", "fp16", "bf16"]
Language = Literal["python", "cuda", "cpp", "hip"]


class Verdict(enum.StrEnum):
    """The one word for the outcome of an evaluation."""

    PASS = "PASS"  # noqa: S105 - not a password
    BUILD = "BUILD"
    CRASH = "CRASH"
    TIMEOUT = "TIMEOUT"
    OOM = "OOM"
    WRONG = "WRONG"
    SHAPE = "SHAPE"
    DTYPE = "DTYPE"
    NONFINITE = "NONFINITE"
    INTEGRITY = "INTEGRITY"
    SLOW = "SLOW"
    REGRESSED = "REGRESSED"
    AMBIGUOUS = "AMBIGUOUS"
    NO_DEVICE = "NO-DEVICE"
    ERROR = "ERROR"
    """Only in streams of results: not evaluated, and not through the kernel's fault."""

    @property
    def is_failure(self) -> bool:
        return self not in _NOT_FAILURES


_NOT_FAILURES = (
    Verdict.PASS,
    Verdict.AMBIGUOUS,
    Verdict.NO_DEVICE,
    Verdict.ERROR,
)


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable, keyword-only, and JSON in both directions."""

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    def to_builtins(self) -> dict[str, Any]:
        """The same as builtin types only, as report attributes and JUnit need."""
        builtins: dict[str, Any] = msgspec.to_builtins(self)
        return builtins

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Decode and validate.

        Raises:
            msgspec.ValidationError: names the path of the field that is wrong.
        """
        return msgspec.json.decode(data, type=cls)

    @classmethod
    def from_builtins(cls, data: Any) -> Self:
        return msgspec.convert(data, type=cls)


class Problem(_Data, frozen=True, kw_only=True):
    """A reference: source text that defines ``Model`` and ``get_inputs``."""

    id: str
    """Such as ``level1/23``; a folder or neighbour problem has its path."""
    name: str
    source: str
    origin: str
    """Where it was found, for messages: a path, or ``dataset@revision``."""


class Kernel(_Data, frozen=True, kw_only=True):
    """A source under test."""

    path: str
    """As pytest shows it; nothing is ever read from here again."""
    source: str
    language: Language = "python"
    backend: str = "pytorch"


class Options(_Data, frozen=True, kw_only=True):
    """How one evaluation is carried out and what is required of it."""

    precision: Precision = "fp32"
    trials: int = 5
    tolerance: str = "default"
    """``default``, ``kernelbench`` or ``ATOL[,RTOL]``."""
    timing: bool = True
    baseline: Literal["eager", "compile", "best"] = "eager"
    max_time: float = 2.0
    """Seconds of measuring."""
    precision_target: float = 0.01
    """Half-width of the speedup's interval at which sampling stops, relative."""
    timeout: float = 180.0
    build_timeout: float = 600.0
    seed: int = 0
    cache: Literal["cold", "warm"] = "cold"
    """State of the L2 cache while timing."""
    graph: bool = False
    """Time both sides once more, replayed from CUDA graphs."""
    fast_build: bool = True
    """Build C++ and CUDA with lean headers where these will do."""
    reuse: bool = True
    """Reuse builds and baselines of earlier evaluations."""
    min_speedup: float | None = None
    max_runtime: float | None = None
    """Seconds."""
    max_regression: float | None = None
    """By how much longer than its base the kernel may take, relative."""
    require_kernel: bool = False
    """Whether what only calls PyTorch fails."""
    alpha: float = 0.01
    """Probability that a kernel which keeps its limits fails one by chance."""


class EvalRequest(_Data, frozen=True, kw_only=True):
    """One kernel to be judged against one problem on one device."""

    kernel: Kernel
    problem: Problem
    device: str
    """``cpu``, ``cuda``, ``cuda:1``, or a GPU's name such as ``L40S``."""
    options: Options = Options()
    attempt: int = 0
    """Counts repeated runs of one item, so that a rerun is not the cached result."""
    base: Kernel | None = None
    """An earlier version to be timed beside it; its path is ``REF:path``."""

    @property
    def most_seconds(self) -> float:
        """What its limits allow: a suspect and its base are measured twice."""
        once = self.options.build_timeout + self.options.timeout
        return once if self.base is None else 4 * once

    @property
    def key(self) -> str:
        """Equal requests have equal keys, in every process."""
        return hashlib.sha256(self.to_json()).hexdigest()[:20]

    def identified(self, result: EvalResult) -> EvalResult:
        """The result with what tells, in another session, whether this was the same."""
        return msgspec.structs.replace(
            result,
            cache=self.options.cache,
            kernel_digest=_digest(self.kernel.source),
            problem_digest=_digest(self.problem.source),
        )


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]


Amount = Annotated[float, msgspec.Meta(ge=0, le=1e100)]
"""Seconds or a ratio. Files may come from elsewhere: what is larger no chart can hold."""


class Interval(_Data, frozen=True, kw_only=True):
    """An estimate with its 95 % confidence interval."""

    value: Amount
    low: Amount
    high: Amount


class Runtime(_Data, frozen=True, kw_only=True):
    """Seconds per call over all samples of one side."""

    median: Amount
    low: Amount
    high: Amount
    """``low`` and ``high`` bound the median with 95 % confidence."""
    mean: Amount
    stddev: Amount
    min: Amount
    max: Amount
    q1: Amount
    q3: Amount
    calls: int = 0
    """All that the numbers above are of."""
    samples: tuple[Amount, ...] = ()
    """Of some hundred of the calls, evenly chosen, in the order taken."""


class Baseline(_Data, frozen=True, kw_only=True):
    """PyTorch's own time for the problem."""

    kind: Literal["eager", "compile"]
    runtime: Runtime


class Replayed(_Data, frozen=True, kw_only=True):
    """Both sides replayed from CUDA graphs: without what it takes to launch them."""

    runtime: Runtime
    baseline: Runtime
    speedup: Interval


class Trial(_Data, frozen=True, kw_only=True):
    """One correctness run on one seed."""

    passed: bool
    max_abs_error: float | None = None
    allowed_error: float | None = None
    """Allowed at the element with the worst ratio of error to allowance."""
    mismatched: int = 0
    elements: int = 0
    message: str = ""


class Audit(_Data, frozen=True, kw_only=True):
    """Whether a problem tells kernels that work from kernels that do not."""

    accepted: tuple[str, ...] = ()
    """Null kernels, such as ``zeros``, that its own inputs and tolerance accept; and
    lower precisions, where that is cured."""
    redraw: str = ""
    """How half of its inputs are changed, so that no null kernel is accepted."""
    tolerance: str = ""
    """What is judged by instead of what was asked for, for the same end."""
    precisions: tuple[str, ...] = ()
    """Lower precisions of inputs and weights that would be accepted as well."""
    least_bytes: int = 0
    """That every right kernel reads or writes; 0 where caches could hold them."""
    skipped: str = ""
    """Why nothing is known."""

    @property
    def verdict(self) -> Literal["ok", "tightened", "unscorable", "unknown"]:
        if self.skipped:
            return "unknown"
        if not self.accepted:
            return "ok"
        return "tightened" if self.redraw or self.tolerance else "unscorable"


class Change(_Data, frozen=True, kw_only=True):
    """The kernel against what it was before, measured or recorded."""

    verdict: Literal["FASTER", "SAME", "SLOWER", "AMBIGUOUS"]
    against: str
    """Such as ``origin/main``, a saved run's name, or the record file."""
    speedup: Interval
    """Time before / time now: above 1 is faster. Measured against a base, with the
    interval that decides: at ``Options.alpha``."""
    before: Runtime | None = None
    """None where only a speedup was kept."""
    noise: float | None = None
    """Half-width of what equal kernels differ by, relative: in the same run, or in two
    sessions where the numbers are of two."""


class Resources(_Data, frozen=True, kw_only=True):
    """What the compiler gave one device function."""

    function: str
    registers: int
    """Per thread."""
    spilled_bytes: int
    """Per thread in local memory: spilled registers, and arrays that do not fit any."""
    shared_bytes: int
    """Per block, as known at compile time."""
    occupancy: float | None = None
    """Of the threads that a multiprocessor can hold, 0 to 1, where it can be told.

    Where the size of a block is only known at launch, the most that any size reaches.
    """


class EvalResult(_Data, frozen=True, kw_only=True):
    """What came of one evaluation."""

    verdict: Verdict
    reason: str = ""
    """One sentence; empty for a plain pass."""
    kernel: str
    problem: str
    problem_name: str = ""
    device: str
    """As asked for."""
    device_name: str = ""
    """As seen by the process that ran the evaluation."""
    executor: str = "local"
    backend: str = "pytorch"
    precision: Precision = "fp32"
    assurance: Literal["L0", "L1", "L2", "L3"] | None = None
    seed: int = 0
    built: bool | None = None
    correct: bool | None = None
    trials: tuple[Trial, ...] = ()
    runtime: Runtime | None = None
    baseline: Baseline | None = None
    speedup: Interval | None = None
    decisive_speedup: Interval | None = None
    """The same at the level at which thresholds are decided: ``Options.alpha``."""
    graph: Replayed | None = None
    """None where nobody asked, or where a side cannot be recorded, which is noted."""
    change: Change | None = None
    resources: tuple[Resources, ...] = ()
    unscorable: str = ""
    """Why no runtime counts: what the problem accepts without any work."""
    bytes_moved: int | None = None
    """Of all inputs, weights and outputs, each touched once."""
    peak_bandwidth: float | None = None
    """Bytes per second, the best that the device was seen to copy, read or fill with."""
    build_seconds: float | None = None
    elapsed_seconds: float | None = None
    stages: dict[str, float] = {}
    """Seconds per stage: start, build, check, timing …"""
    limits: tuple[str, ...] = ()
    """What this result cannot tell, such as a clock too coarse for the kernel."""
    notes: tuple[str, ...] = ()
    log: str = ""
    """The last lines of compiler and kernel output, escaped."""
    environment: dict[str, str] = {}
    """Versions that the numbers depend on: torch, CUDA, driver …"""
    telemetry: dict[str, float] = {}
    """What the GPU did while it was timed: medians, with the unit in the name."""
    headers: str = ""
    """What C++ and CUDA was built with: ``mini``, ``slim``, ``stock``, or several."""
    cache: Literal["cold", "warm"] = "cold"
    """State of the L2 cache while timing."""
    kernel_digest: str = ""
    """Equal for equal sources, as is that of the problem; empty where unknown."""
    problem_digest: str = ""

    @property
    def score(self) -> float:
        """1/median seconds if correct, else 0: what a search maximises."""
        if self.verdict.is_failure or self.runtime is None:
            return 0.0
        return 1.0 / self.runtime.median

    def feedback(self, lines: int = 20) -> str:
        """What a model needs to know to do better, and nothing it must not.

        The verdict and its reason, then the runtimes or the last lines of output.
        """
        head = f"{self.verdict}: {self.reason}" if self.reason else str(self.verdict)
        if self.runtime is not None and self.speedup is not None:
            microseconds = self.runtime.median * 1e6
            speedup = self.speedup
            head += (
                f"\nruntime {microseconds:.4g} us, speedup {speedup.value:.3g}x "
                f"[{speedup.low:.3g}, {speedup.high:.3g}] over PyTorch"
            )
        if not self.verdict.is_failure or not self.log:
            return printable(head)
        return printable("\n".join([head, *self.log.strip().splitlines()[-lines:]]))
