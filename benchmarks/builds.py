"""How long kernels take to build with each kind of headers, and whether it matters to them.

    python benchmarks/builds.py KERNEL.py ... [--tiers mini slim stock] [--json PATH]

Builds every kernel from nothing with each tier, one process at a time (``--jobs`` for
more), says what that took, and compares the machine code (``cuobjdump -sass``) with the
one that torch's own headers give.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pytest_kernelbench.engine.building.bridge import Bridge
from pytest_kernelbench.engine.building.resources import cuobjdump

BUILD = """\
import importlib.util, json, resource, sys, time
from pathlib import Path
from pytest_kernelbench.engine.building.extensions import extensions_for
import torch, torch.utils.cpp_extension
kernel, headers = Path(sys.argv[1]), json.loads(sys.argv[2])
extensions = extensions_for(kernel, headers)
started = time.monotonic()
spec = importlib.util.spec_from_file_location("kernel_to_build", kernel)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
seconds = time.monotonic() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "headers": extensions.headers,
    "seconds": seconds,
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "megabytes": used.ru_maxrss / 1024,
}))
"""


def built(kernel: Path, tier: str, bridge: Bridge, place: Path) -> dict[str, Any]:
    """One build from nothing, and a digest of the machine code."""
    place.mkdir(parents=True)
    found = bridge.headers() if tier == "mini" else None
    headers = {
        "lean": [] if tier == "stock" else [tier],
        "mini": str(found.include) if found else None,
        "library": str(found.library) if found else None,
    }
    environment = {**os.environ, "TORCH_EXTENSIONS_DIR": str(place)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(kernel), json.dumps(headers)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return {"failed": lines[-1] if lines else "it printed nothing"}
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    row["sass"] = machine_code(place)
    return row


def machine_code(place: Path) -> str | None:
    """A digest of all device code of the libraries below a directory."""
    tool = cuobjdump()
    if tool is None:
        return None
    text = ""
    for library in sorted(place.glob("*/*.so")):
        said = subprocess.run(
            [tool, "-sass", str(library)], capture_output=True, text=True, check=False
        )
        text += re.sub(
            r"^(host|compile_size|identifier) .*$", "", said.stdout, flags=re.MULTILINE
        )
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="+", type=Path)
    parser.add_argument("--tiers", nargs="+", default=["mini", "slim", "stock"])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="kernelbench-builds-"))
    bridge = Bridge(scratch / "headers")
    started = time.monotonic()
    print("mini headers:", "made" if bridge.headers() else bridge.failure, end="")
    print(f" in {time.monotonic() - started:.1f} s")
    rows: dict[str, dict[str, Any]] = {}
    try:
        for tier in asked.tiers:
            started = time.monotonic()
            with ThreadPoolExecutor(asked.jobs) as pool:
                made = pool.map(
                    lambda number, tier=tier: built(
                        asked.kernels[number],
                        tier,
                        bridge,
                        scratch / tier / f"{number}",
                    ),
                    range(len(asked.kernels)),
                )
                for kernel, row in zip(asked.kernels, made, strict=True):
                    rows.setdefault(kernel.stem, {})[tier] = row
                    print(f"{tier:6}{kernel.stem:40}{told(row)}", flush=True)
            print(f"{tier:6}all: {time.monotonic() - started:.1f} s")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for name, tiers in rows.items():
        codes = {row["sass"] for row in tiers.values() if row.get("sass")}
        if codes:
            print(f"{name:46}{'same' if len(codes) == 1 else 'DIFFERENT'} machine code")
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


def told(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"failed: {row['failed'][:80]}"
    return (
        f"{row['headers']:6}{row['seconds']:7.1f} s {row['cpu_seconds']:7.1f} CPU s "
        f"{row['megabytes']:6.0f} MB"
    )


if __name__ == "__main__":
    main()
