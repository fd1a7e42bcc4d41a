"""Does a long run cost more per kernel than a short one, in seconds or in memory?

    python benchmarks/growth.py [--sizes 10 100 1000] [--device cuda] [--seconds 600]

One pytest run per size over so many kernel files, of the problems of the A/A study: the
kernels are the problems' own code, held to a speedup of 1. Prints seconds per evaluation
and the pytest process's largest resident memory, and of the last run what the A/A study
prints: in how many the interval holds 1.0, and how many are called SLOW. A run that
takes longer than so many seconds is interrupted, and what it has found counts.
"""

from __future__ import annotations

import argparse
import collections
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.aa_study import print_equals  # noqa: E402
from benchmarks.equal_kernels import equal, numbered, problem  # noqa: E402
from pytest_kernelbench import EvalResult  # noqa: E402
from pytest_kernelbench.runs import Run, read_run  # noqa: E402

_RUN = """\
import resource, sys, pytest
code = pytest.main(sys.argv[1:])
print("RSS", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def _write(root: Path, size: int) -> None:
    for place, (name, number) in enumerate(numbered(size)):
        word = name.replace(" ", "_")
        text = problem(name).source
        (root / f"{word}.py").write_text(text, encoding="utf-8")
        text = f"# kernelbench: problem={word}.py\n{equal(name, number)}"
        (root / f"k{place:04}_kernel.py").write_text(text, encoding="utf-8")


def run(size: int, device: str, limit: float | None) -> tuple[Run, float]:
    """What the run found, and MiB."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root, size)
        words = ["-q", "-p", "no:cacheprovider", f"--kb-device={device}"]
        words += ["--kb-json=run.json", "-c", "/dev/null", "--rootdir=."]
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, *words, "--kb-min-speedup=1", "."],
            cwd=root,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate()
        if not (root / "run.json").exists():
            sys.exit(said[-3000:])
        found = read_run(root / "run.json")
    return found, float(said.rpartition("RSS ")[2]) / 1024


def by_name(found: Run) -> dict[str, list[EvalResult]]:
    made = collections.defaultdict[str, list[EvalResult]](list)
    for one in found.evaluated:
        made[one.result.problem_name.replace("_", " ")].append(one.result)
    return made


def main() -> None:
    words = argparse.ArgumentParser(description="What a long run costs per kernel.")
    words.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    words.add_argument("--device", default="cuda")
    words.add_argument("--seconds", type=float)
    chosen = words.parse_args()
    for size in chosen.sizes:
        found, memory = run(size, chosen.device, chosen.seconds)
        count = len(found.evaluated)
        seconds = found.seconds / count
        print(f"{count:5} kernels: {seconds:.3f} s each, {memory:.1f} MiB", flush=True)
    print_equals(by_name(found))


if __name__ == "__main__":
    main()
