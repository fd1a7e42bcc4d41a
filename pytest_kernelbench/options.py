"""Every option and its ini twin, registered from one table.

``--kb-x-y`` has the ini key ``kb_x_y``. Text is kept as typed; ``settings`` checks it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from pytest_kernelbench import values
from pytest_kernelbench.limits import limit

ASSURANCE_LEVELS = ("L0", "L1", "L2", "L3")
KERNEL_FILES = ("*_kernel.py", "kernel_*.py", "level*_*.py")
"""Python files that may be kernels, unless ``kb_files`` says otherwise."""


class Option(NamedTuple):
    """One row: an option, its ini twin and the ``Settings`` field of that name."""

    name: str
    parse: Callable[[str], Any]
    help: str
    default: Any = None
    metavar: str = ""
    ini: str = "string"
    """Type of the ini twin; ``bool`` without a metavar is a flag."""
    bare: str | None = None
    """What the option says without a value, where it may come without one."""

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        return f"--kb-{self.name}"

    @property
    def key(self) -> str:
        return f"kb_{self.field}"


def _row(name: str, parse: Callable[[str], Any], help: str, **more: Any) -> Option:  # noqa: A002
    return Option(name=name, parse=parse, help=help, **more)


def _switch(name: str, help: str) -> Option:  # noqa: A002
    return _row(name, values.switch, help, default=False, ini="bool")


OPTIONS = (
    _row(
        "gpu",
        values.gpus,
        "run on these Modal GPUs, one test per kernel and GPU",
        metavar="NAME[,NAME]",
        default=(),
    ),
    _row(
        "executor",
        values.text,
        "where to run (default: modal with --kb-gpu, else local)",
        metavar="NAME",
    ),
    _row(
        "device",
        values.device,
        "local device (default: cuda if there is one, else cpu)",
        metavar="cpu|cuda|cuda:N",
    ),
    _row(
        "max-cost",
        values.positive,
        "refuse a run on Modal whose worst case may cost more",
        metavar="USD",
        ini="float",
    ),
    _row(
        "isolation",
        values.choice("process", "container"),
        "what a kernel on Modal has of its own",
        metavar="process|container",
        default="process",
    ),
    _row(
        "modal-app",
        values.text,
        "use this deployed app (default: one that ends with the run)",
        metavar="NAME",
    ),
    _row(
        "parallel",
        values.count,
        "containers at a time on Modal, per GPU name",
        metavar="N",
        default=8,
        ini="int",
    ),
    _row(
        "problems",
        values.text,
        "where problems come from; may repeat (default: the built-in set)",
        metavar="SOURCE",
        default=(),
        ini="linelist",
    ),
    _row(
        "precision",
        values.choice("fp32", "fp16", "bf16"),
        "dtype of floating inputs and weights",
        metavar="fp32|fp16|bf16",
        default="fp32",
    ),
    _row(
        "trials", values.count, "correctness trials", metavar="N", default=5, ini="int"
    ),
    _row(
        "tolerance",
        values.tolerance,
        "what counts as equal",
        metavar="default|kernelbench|ATOL[,RTOL]",
        default="default",
    ),
    _switch("no-timing", "correctness only"),
    _row(
        "baseline",
        values.choice("eager", "compile", "best"),
        "what speedup is against",
        metavar="eager|compile|best",
        default="eager",
    ),
    _row(
        "min-speedup",
        values.positive,
        "fail as SLOW when the speedup is below X with confidence",
        metavar="X",
        ini="float",
    ),
    _row(
        "alpha",
        values.fraction,
        "chance that a run fails a kernel that keeps its limits",
        metavar="SHARE",
        default=0.01,
    ),
    _row(
        "max-time",
        values.positive,
        "measuring budget of an evaluation",
        metavar="SECONDS",
        default=2.0,
        ini="float",
    ),
    _row(
        "precision-target",
        values.fraction,
        "stop measuring when the speedup is known this well",
        metavar="SHARE",
        default=0.01,
    ),
    _row(
        "timeout",
        values.positive,
        "hard limit of an evaluation",
        metavar="SECONDS",
        default=180.0,
        ini="float",
    ),
    _row(
        "build-timeout",
        values.positive,
        "hard limit of a build",
        metavar="SECONDS",
        default=600.0,
        ini="float",
    ),
    _row("seed", values.seed, "replay a run", metavar="N", ini="int"),
    _row(
        "storage",
        values.text,
        "where runs are kept",
        metavar="DIR",
        default=".kernelbench",
    ),
    _row("json", values.text, "write all results to this file", metavar="PATH"),
    _row(
        "github",
        values.choice("auto", "on", "off"),
        "job summary, annotations and outputs (auto: in GitHub Actions)",
        metavar="auto|on|off",
        default="auto",
        bare="on",
    ),
    _row(
        "github-comment",
        values.text,
        "write the body of a pull request's comment to this file",
        metavar="PATH",
    ),
    _row(
        "save",
        values.file_name,
        "keep this run as NUMBER_NAME.json, by device",
        metavar="NAME",
    ),
    _switch("autosave", "keep this run, named by commit and time"),
    _row(
        "compare",
        values.text,
        "compare with a saved run (default: the newest of the device)",
        metavar="RUN",
        bare="newest",
    ),
    _row(
        "compare-fail",
        limit,
        "fail as REGRESSED what got worse by more, with confidence; may repeat",
        metavar="FIELD:AMOUNT",
        default=(),
        ini="linelist",
    ),
    _switch("compare-across", "compare across devices and versions"),
    _row(
        "record-file",
        values.text,
        "speedups to defend, one a line, in a file that is committed",
        metavar="PATH",
    ),
    _switch("update-records", "raise the record of what got faster, and add new ones"),
    _row(
        "max-regression",
        values.fraction,
        "fail as REGRESSED what takes longer than its base or record by more, for certain",
        metavar="SHARE",
        default=0.03,
    ),
    _row(
        "compare-ref",
        values.text,
        "time each kernel that changed since this commit beside its version there",
        metavar="GITREF",
    ),
    _row(
        "gate",
        values.choice("fail", "warn"),
        "warn: what is SLOW or REGRESSED passes, with a warning",
        metavar="fail|warn",
        default="fail",
    ),
    _row(
        "session-noise",
        values.fraction,
        "standard deviation of speedups between sessions (default: 1%; on a CPU 20%)",
        metavar="SHARE",
    ),
    _row(
        "html",
        values.text,
        "write a report to read to this file",
        metavar="PATH",
    ),
    _switch("resume", "go on with the newest run: skip what it has already evaluated"),
    _row(
        "min-assurance",
        values.choice(*ASSURANCE_LEVELS[1:]),
        "fail what was kept apart less strongly",
        metavar="L1|L2|L3",
    ),
    _switch("require-device", "fail instead of skip where the device is missing"),
    _switch("strict", "fail what is AMBIGUOUS"),
    _switch("require-kernel", "fail kernels that only call PyTorch"),
    _row(
        "cache",
        values.choice("cold", "warm"),
        "state of the L2 cache while timing",
        metavar="cold|warm",
        default="cold",
    ),
    _switch("graph", "time both sides once more, replayed from CUDA graphs"),
    _row(
        "fast-build",
        values.switch,
        "off: build with torch's own headers only",
        metavar="on|off",
        default=True,
    ),
    _switch("no-cache", "do not reuse builds and baselines of earlier runs"),
)


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("kernelbench", "kernel files as tests")
    for option in OPTIONS:
        group.addoption(
            option.flag, dest=option.key, help=option.help, **_action(option)
        )
        parser.addini(option.key, option.help, type=_ini(option.ini), default=None)
    parser.addini(
        "kb_files",
        "glob patterns of files that may be kernels",
        type="args",
        default=list(KERNEL_FILES),
    )
    parser.addini(
        "kb_problem_map", "lines 'glob = problem'", type="linelist", default=[]
    )
    parser.addini(
        "kb_modal_prices",
        "lines 'GPU = USD per hour', where Modal's list prices do not hold",
        type="linelist",
        default=[],
    )
    parser.addini(
        "kb_directives",
        "off: a kernel file may not choose its problem, marks or limits",
        type="bool",
        default=True,
    )


def any_given(config: pytest.Config) -> bool:
    """Whether the command line or the ini file says anything to us."""
    if any(config.getoption(option.key) is not None for option in OPTIONS):
        return True
    try:
        given = [config.getini(option.key) is not None for option in OPTIONS]
        lines = config.getini("kb_problem_map") or config.getini("kb_modal_prices")
        return any(given) or bool(lines) or not config.getini("kb_directives")
    except (TypeError, ValueError, pytest.UsageError):
        return True  # and it is wrong


def _ini(kind: str) -> Any:
    # addini's own type is a Literal that differs between pytest versions.
    return kind


def _action(option: Option) -> dict[str, Any]:
    # Text is kept as typed: our own messages are one line, argparse's are a page.
    if not option.metavar:
        return {"action": "store_true", "default": None}
    action = "append" if option.ini == "linelist" else "store"
    taken = {} if option.bare is None else {"nargs": "?", "const": option.bare}
    return {"action": action, "default": None, "metavar": option.metavar, **taken}
