"""The corpus: kernels that cheat, honest twins of each trick, and what came of them.

Each file states its own case in its docstring: an id of the catalogue and the
mechanism on the first line, then ``key: value`` lines.

    needs    cpu (also runs on a GPU) | cuda
    expect   verdicts that mean it was caught
    neutral  yes: a PASS is fine as long as no gain is claimed for it
    problem  a file of ``problems/``
    timing   no: the verdict falls before anything is timed
    for      ours: attacks our own processes and means nothing to other evaluators
    again    yes: is evaluated twice, and judged the second time
    own      executor | process: would harm its neighbours, so it has none
    open     why it is not stopped today; such a case may get through
    seed     fixed seed for cases that depend on one; else drawn afresh
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_kernelbench.model import (
    EvalRequest,
    EvalResult,
    Kernel,
    Options,
    Problem,
    Verdict,
)

ROOT = Path(__file__).parent
FAMILIES = ("timing", "correctness", "fallback", "evaluator", "resources", "leftovers")
GAIN = 1.25
"""A speedup whose whole interval lies above this is a gain that a cheat has made:
every case here does the same work as its reference, so the truth is about one."""
_CUDA_SIZES = "ROWS, WIDTH = 2048, 2048"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kernel of the corpus, and what should become of it."""

    id: str
    mechanism: str
    family: str
    source: str
    needs: str = "cpu"
    expect: frozenset[Verdict] = frozenset()
    neutral: bool = False
    problem: str = "linear"
    timing: bool = True
    ours_only: bool = False
    own: str = ""
    again: bool = False
    open: str = ""
    seed: int | None = None
    timeout: float = 30.0

    @property
    def is_twin(self) -> bool:
        return self.family == "twins"

    def request(self, device: str) -> EvalRequest:
        name = "cpu" if device == "cpu" else "cuda"
        seed = int.from_bytes(os.urandom(7), "big") if self.seed is None else self.seed
        return EvalRequest(
            kernel=Kernel(path=f"{self.id}.py", source=self.source),
            problem=problem(self.problem, name),
            device=device,
            options=Options(
                seed=seed,
                trials=3,
                max_time=0.3,
                precision_target=0.02,
                timeout=self.timeout,
                build_timeout=max(self.timeout, 60.0),
                timing=self.timing,
            ),
        )

    def outcome(self, result: EvalResult) -> str:
        """``caught``, ``neutral``, ``through``; for a twin ``passed`` or ``blamed``."""
        if self.is_twin:
            return "passed" if result.verdict is Verdict.PASS else "blamed"
        if result.verdict in self.expect:
            return "caught"
        if self.neutral and not result.verdict.is_failure and not claims_gain(result):
            return "neutral"
        return "through"


def claims_gain(result: EvalResult) -> bool:
    return result.speedup is not None and result.speedup.low > GAIN


def problem(name: str, device: str) -> Problem:
    """One of the small references; larger where a GPU would not notice them."""
    path = ROOT / "problems" / f"{name}.py"
    source = path.read_text(encoding="utf-8")
    if device != "cpu" and name not in ("tiny", "stream"):
        source = re.sub(r"^ROWS, WIDTH = .*$", _CUDA_SIZES, source, flags=re.MULTILINE)
    return Problem(id=f"adversarial/{name}", name=name, source=source, origin=path.name)


def cases(family: str) -> Iterator[Case]:
    folder = ROOT / "twins" if family == "twins" else ROOT / "kernels" / family
    for path in sorted(folder.glob("*.py")):
        yield read_case(path, family)


def exploits() -> list[Case]:
    return [case for family in FAMILIES for case in cases(family)]


def twins() -> list[Case]:
    return list(cases("twins"))


def find(case_id: str) -> Case:
    return next(case for case in exploits() + twins() if case.id == case_id)


def read_case(path: Path, family: str) -> Case:
    source = path.read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    first, _, rest = text.partition("\n")
    case_id, _, mechanism = first.partition(": ")
    keys = dict(re.findall(r"^(\w+): +(.*)$", rest, flags=re.MULTILINE))
    return Case(
        id=case_id,
        mechanism=mechanism.rstrip("."),
        family=family,
        source=source,
        needs=keys.get("needs", "cpu"),
        expect=frozenset(Verdict(word) for word in keys.get("expect", "").split()),
        neutral=keys.get("neutral") == "yes",
        problem=keys.get("problem", "linear"),
        timing=keys.get("timing") != "no",
        ours_only=keys.get("for") == "ours",
        own=keys.get("own", ""),
        again=keys.get("again") == "yes",
        open=keys.get("open", ""),
        seed=int(keys["seed"]) if "seed" in keys else None,
        timeout=float(keys.get("timeout", 30)),
    )
