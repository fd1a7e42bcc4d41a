"""Has a kernel look around and touch what it can; prints what it found as JSON.

    python exploring.py DIRECTORY

The directory plays the project in which pytest runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

from conftest import Engine, kernel_source

from pytest_kernelbench.executors.local import LocalExecutor

TOP = """
import ctypes, json, os, resource, socket, subprocess, sys
import torch

def tried(action):
    try:
        return action()
    except Exception as error:
        return type(error).__name__

def written(path):
    with open(path, "a") as file:
        return file.write("x")

C = ctypes.CDLL(None)
FACTS = json.loads('''FACTS''')
FOUND = {
    "user": os.getuid(),
    "kill controller": tried(lambda: os.kill(FACTS["controller"], 0)),
    "slow controller": tried(lambda: os.setpriority(os.PRIO_PROCESS, FACTS["controller"], 19)),
    "trace parent": C.ptrace(16, os.getppid(), 0, 0),
    "see controller": os.path.exists(f"/proc/{FACTS['controller']}/environ"),
    "end the keeper": tried(lambda: os.kill(1, 9)),
    "read the keeper": tried(lambda: open("/proc/1/mem", "rb").read(0)),
    "project": tried(lambda: os.listdir(FACTS["project"])),
    "lease": tried(lambda: os.listdir(FACTS["lease"])),
    "builds": len(os.listdir(os.path.dirname(os.path.dirname(__file__)))),
    "write system": tried(lambda: written("/usr/kernelbench-was-here")),
    "write package": tried(lambda: written(torch.__file__)),
    "write own": tried(lambda: written(__file__ + ".mark")),
    "write home": tried(lambda: written(os.path.expanduser("~/mark"))),
    "write scratch": tried(lambda: written(FACTS["files"][0])),
    "write shared": tried(lambda: written(FACTS["files"][1])),
    "connect": tried(lambda: socket.create_connection(("127.0.0.1", FACTS["port"]), 5).close()),
    "capabilities": [
        int(line.split()[1], 16)
        for line in open("/proc/self/status")
        if line.startswith(("CapEff", "CapPrm", "CapInh", "CapAmb"))
    ],
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "shared memory": C.shmget(FACTS["port"], 4096, 0o1600) >= 0,
    "start programs": subprocess.run(["true"]).returncode,
}
print("FOUND" + json.dumps(FOUND))
"""


def taken_away(facts: dict[str, object]) -> list[str]:
    """What the kernel has left behind, which then is there no longer."""
    left = [path for path in facts["files"] if Path(path).exists()]
    for path in left:
        Path(path).unlink()
    library = ctypes.CDLL(None)
    segment = library.shmget(facts["port"], 0, 0)
    if segment >= 0:
        library.shmctl(segment, 0, None)
        left.append("shared memory")
    return left


def main(project: str) -> None:
    os.chdir(project)
    scratch = Path(tempfile.gettempdir())
    executor = LocalExecutor(cache_dir=scratch / "cache")
    engine = Engine(executor)
    with socket.create_server(("127.0.0.1", 0)) as service:
        facts = {
            "controller": os.getpid(),
            "project": project,
            "lease": str(scratch / f"pytest-kernelbench-{os.getuid()}"),
            "files": [f"/tmp/kernelbench-{os.getpid()}", f"/dev/shm/kb-{os.getpid()}"],
            "port": service.getsockname()[1],
        }
        engine.evaluate(kernel_source(top="NEIGHBOUR = 1"))
        top = TOP.replace("FACTS'''", f"{json.dumps(facts)}'''", 1)
        result = engine.evaluate(kernel_source(top=top))
    executor.close()
    left = taken_away(facts)
    told = [line for line in result.log.splitlines() if line.startswith("FOUND")]
    found = json.loads(told[0].removeprefix("FOUND")) if told else {}
    isolation = result.environment["isolation"]
    print(json.dumps(found | {"isolation": isolation, "left": left}))


if __name__ == "__main__":
    main(sys.argv[1])
