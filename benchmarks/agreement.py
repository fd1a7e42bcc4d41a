"""Are our medians those of Triton's do_bench and of nvbench's method?

    python benchmarks/agreement.py

Each kernel is timed here through a whole evaluation, and, in a process of its own, by
``triton.testing.do_bench`` and by nvbench's cold method: flush L2 by a write of its
size, hold the stream with a spinning kernel until the call is queued, two events
around it, until the relative standard deviation of at least half a second of samples
is below 0.5 % (its ``stdrel`` criterion) or 3 s have passed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.equal_kernels import ENTRIES, equal, problem
from pytest_kernelbench import Evaluator


def _theirs() -> dict[str, tuple[float, float]]:
    """Seconds by do_bench and by nvbench's method, by name."""
    import torch  # noqa: PLC0415
    from triton.testing import do_bench  # noqa: PLC0415

    found = {}
    with torch.no_grad(), torch.device("cuda"):
        for name, entry in ENTRIES.items():
            x = eval(f"[{entry.inputs}]")
            call = eval(f"lambda: {entry.body}", {"torch": torch, "x": x})
            found[name] = (do_bench(call, return_mode="median") * 1e-3, _cold(call))
    return found


def _cold(call) -> float:  # noqa: ANN001
    import torch  # noqa: PLC0415

    size = torch.cuda.get_device_properties(0).L2_cache_size
    flush = torch.empty(size, dtype=torch.int8, device="cuda")
    samples: list[float] = []
    call()
    while sum(samples) < 3.0:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        flush.zero_()
        torch.cuda._sleep(200_000)  # noqa: SLF001 - its only name
        begin.record()
        call()
        end.record()
        end.synchronize()
        samples.append(begin.elapsed_time(end) * 1e-3)
        enough = len(samples) >= 1000 or sum(samples) > 0.5
        if len(samples) >= 10 and enough and len(samples) % 10 == 0:
            spread = statistics.stdev(samples) / statistics.fmean(samples)
            if spread < 0.005 or len(samples) > 5000:
                break
    return statistics.median(samples)


def main() -> None:
    if sys.argv[1:] == ["--theirs"]:
        print("RESULT " + json.dumps(_theirs()))
        return
    with Evaluator(device="cuda") as evaluator:
        ours = {
            name: evaluator.evaluate(equal(name, 0), problem(name)) for name in ENTRIES
        }
    words = [sys.executable, __file__, "--theirs"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    theirs = json.loads(done.stdout.rpartition("RESULT ")[2])
    print(f"{'':14} {'kernel':>10} {'baseline':>10} {'do_bench':>18} {'nvbench':>18}")
    for name, result in ours.items():
        assert result.runtime is not None, result
        assert result.baseline is not None
        median = result.runtime.median
        baseline = result.baseline.runtime.median
        compared = " ".join(
            f"{seconds * 1e6:9.2f} {median / seconds - 1:+8.2%}"
            for seconds in theirs[name]
        )
        print(f"{name:14} {median * 1e6:10.2f} {baseline * 1e6:10.2f} {compared}  us")


if __name__ == "__main__":
    main()
