"""Does a long run cost more per kernel than a short one, in seconds or in memory?

    python benchmarks/growth.py [--sizes 10 100 1000] [--device cuda]

One pytest run per size over so many kernel files, of the shortest problem of the A/A
study: seconds per evaluation, and the pytest process's largest resident memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.equal_kernels import equal, problem  # noqa: E402

NAME = "relu 16k"
_RUN = """\
import resource, sys, pytest
code = pytest.main(sys.argv[1:])
print("RSS", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def run(size: int, device: str) -> tuple[float, float]:
    """Seconds per evaluation, and MiB."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "reference.py").write_text(problem(NAME).source, encoding="utf-8")
        for number in range(size):
            text = equal(NAME, number)
            (root / f"k{number:04}_kernel.py").write_text(text, encoding="utf-8")
        words = ["-q", "-p", "no:cacheprovider", f"--kb-device={device}"]
        words += ["--kb-json=run.json", "-c", "/dev/null", "--rootdir=."]
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *words, "."],
            cwd=root,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(done.stdout[-3000:])
        told = json.loads((root / "run.json").read_text(encoding="utf-8"))
        seconds = told["kernelbench"]["summary"]["elapsed_seconds"]
    memory = float(done.stdout.rpartition("RSS ")[2])
    return seconds / size, memory / 1024


def main() -> None:
    words = argparse.ArgumentParser(description="What a long run costs per kernel.")
    words.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    words.add_argument("--device", default="cuda")
    chosen = words.parse_args()
    for size in chosen.sizes:
        seconds, memory = run(size, chosen.device)
        print(f"{size:5} kernels: {seconds:.3f} s each, {memory:.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
