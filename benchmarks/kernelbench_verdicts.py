"""Run the adversarial corpus through KernelBench's own evaluator, beside ours.

    python benchmarks/kernelbench_verdicts.py CHECKOUT [--only ID ...] [--at-once 16]

CHECKOUT is a clone of ScalingIntelligence/KernelBench. It needs a CUDA device. Each
kernel gets a process of its own with a time limit. First come all of theirs, several
at once, those that take a machine's resources last; then ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.their_evaluator import import_their_eval  # noqa: E402
from tests.adversarial import corpus  # noqa: E402
from tests.adversarial.runner import open_arena, scratch_folder  # noqa: E402

_LIMIT = 120.0


def _evaluate_one(checkout: Path, case: corpus.Case, answer: Path) -> None:
    """What KernelBench's evaluator says of a case, as JSON in a file."""
    import torch  # noqa: PLC0415

    their_eval = import_their_eval(checkout)
    reference = corpus.problem(case.problem, "cuda").source
    if "def get_init_inputs" not in reference:
        reference += "\n\ndef get_init_inputs():\n    return []\n"
    result = their_eval.eval_kernel_against_ref(
        reference,
        case.source,
        num_correct_trials=3,
        num_perf_trials=20,
        measure_performance=True,
        device=torch.device("cuda:0"),
        build_dir=tempfile.mkdtemp(),
        backend="triton" if "@triton.jit" in case.source else "cuda",
    )
    found = {"accepted": False, "speedup": None, "flagged": False}
    if result is not None:
        found["accepted"] = bool(result.compiled and result.correctness)
        found["flagged"] = "excessive_speedup" in (result.metadata or {})
        if found["accepted"] and (result.runtime or 0) > 0:
            found["speedup"] = float(result.ref_runtime) / float(result.runtime)
    answer.write_text(json.dumps(found), encoding="utf-8")


def _theirs(checkout: Path, case: corpus.Case) -> str:
    # A home of its own: the next would not start with what some of these leave there.
    with scratch_folder() as folder:
        answer = folder / "answer.json"
        paths = [str(path.resolve()) for path in (Path(__file__), checkout)]
        program = [sys.executable, *paths, "--one", case.id]
        process = subprocess.Popen(
            [*program, "--answer", str(answer)],
            cwd=folder,
            env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, complaints = process.communicate(timeout=_LIMIT)
        except subprocess.TimeoutExpired:
            return "hung"
        finally:
            _kill_group(process)
        if not answer.exists():
            last = (complaints.strip().splitlines() or [""])[-1]
            return f"process ended with {process.returncode} {last[:60]}".strip()
        return _said(json.loads(answer.read_text(encoding="utf-8")))


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _said(found: dict[str, Any]) -> str:
    if not found["accepted"]:
        return "rejected"
    speedup = f" {found['speedup']:.2f}x" if found["speedup"] else ""
    return f"accepted{speedup}{' (flagged)' if found['flagged'] else ''}"


def _chosen(only: list[str]) -> list[corpus.Case]:
    return [
        case
        for case in corpus.exploits() + corpus.twins()
        if not case.ours_only and (not only or case.id.startswith(tuple(only)))
    ]


def _all_theirs(
    checkout: Path, cases: list[corpus.Case], at_once: int
) -> dict[str, str]:
    hogs = [case for case in cases if case.family == "resources"]
    others = [case for case in cases if case.family != "resources"]
    found = {}
    with ThreadPoolExecutor(at_once) as pool:
        for group in (others, hogs):
            said = pool.map(lambda case: _theirs(checkout, case), group)
            found |= dict(zip((case.id for case in group), said, strict=True))
    return found


def _print_table(checkout: Path, only: list[str], at_once: int) -> None:
    cases = _chosen(only)
    started = time.monotonic()
    theirs = _all_theirs(checkout, cases, at_once)
    seconds = time.monotonic() - started
    exploits = [case for case in cases if not case.is_twin]
    accepted = sum(theirs[case.id].startswith("accepted") for case in exploits)
    print(f"KernelBench's evaluator: {accepted} accepted, {seconds:.0f} s", flush=True)
    through = 0
    with open_arena("cuda") as arena:
        print(f"{'id':6} {'KernelBench':32} {'here':26} mechanism")
        for case in cases:
            here = arena.run(case)
            word = f"{here.word} {here.verdict}"
            said = theirs[case.id]
            print(f"{case.id:6} {said:32} {word:26} {case.mechanism}", flush=True)
            if here.is_bad:
                print(f"{'':40}{here.detail}", flush=True)
            through += not case.is_twin and here.word == "through"
    count = len(exploits)
    print(
        f"{count} exploits: KernelBench accepts {accepted}, {through} get through here"
    )


def main() -> None:
    words = argparse.ArgumentParser(description="KernelBench's verdicts beside ours.")
    words.add_argument("checkout", type=Path)
    words.add_argument("--only", nargs="*", default=[])
    words.add_argument("--at-once", type=int, default=16)
    words.add_argument("--one", help=argparse.SUPPRESS)
    words.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = words.parse_args()
    if options.one:
        _evaluate_one(options.checkout, corpus.find(options.one), options.answer)
    else:
        _print_table(options.checkout, options.only, options.at_once)


if __name__ == "__main__":
    main()
