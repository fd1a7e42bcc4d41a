"""What compilers gave the device functions that lie in a directory.

``cuobjdump`` reads it from the files that nvcc and Triton leave behind. A kernel may
have written those files, and a program that reads hostile files can be turned against
whoever runs it. So this is carried out where kernels are built, as a user that owns
nothing else, in a process of its own that is killed afterwards; see ``inspection``.

What comes back is as little believed as any other message.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import re
import resource
import shutil
import stat
import subprocess
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pytest_kernelbench.engine.isolation.trees import entries_below

_MOST_FILES, _MOST_FUNCTIONS = 32, 64
_MOST_BYTES, _MOST_OUTPUT = 128 << 20, 4 << 20
"""Of a file that is looked into, and of what is said about it."""
_SECONDS = 5
_FIRST_RESERVING = 90
_RESERVED = 1 << 10
"""Bytes of shared memory that compilers for 9.0 on add for the driver's own use."""

_ARCHITECTURE = re.compile(r"^arch = sm_(\d+)", re.MULTILINE)
_FUNCTION = re.compile(
    r"^ Function (\S+):\n\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)",
    re.MULTILINE,
)
_WARP = 32
_LEFT_OUT = ("__nv_", "__cuda", "$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Of one device function."""

    name: str
    architecture: int
    """Such as 90 for ``sm_90``."""
    registers: int
    spilled: int
    """Bytes per thread in local memory: spilled registers, and arrays that are indexed
    by what only a run knows. Compilers do not tell the two apart in their output."""
    shared: int
    threads: int | None = None
    """Per block, where the compiler decides that."""


def usages_below(directory: Path) -> list[dict[str, Any]]:
    """What was compiled, oldest first, each once."""
    tool = cuobjdump()
    if tool is None:
        return []
    _bound_tools()
    found: dict[Usage, None] = {}
    for path in compiled_below(directory):
        text = _said(tool, path)
        usages = _launched(text, path) if path.suffix == ".cubin" else parsed(text)
        found |= dict.fromkeys(usages)
    return [asdict(usage) for usage in found][:_MOST_FUNCTIONS]


def cuobjdump() -> str | None:
    """The toolkit's, or the one that comes with Triton."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    places = [str(Path(home, "bin"))] if home else []
    places += [os.environ.get("PATH", os.defpath), "/usr/local/cuda/bin"]
    with contextlib.suppress(ImportError, ValueError):
        triton = importlib.util.find_spec("triton")
        if triton is not None and triton.origin is not None:
            places.append(str(Path(triton.origin).parent / "backends/nvidia/bin"))
    return shutil.which("cuobjdump", path=os.pathsep.join(places))


def parsed(text: str, architecture: int = 0) -> list[Usage]:
    """What ``cuobjdump --dump-resource-usage`` says.

    Args:
        text: what it says.
        architecture: that of device code which is not told of.
    """
    found = []
    # The text before the first architecture, then architecture and text by turns.
    parts = [str(architecture), *_ARCHITECTURE.split(text)]
    for number, body in zip(map(int, parts[::2]), parts[1::2], strict=True):
        for name, registers, stack, shared, local in _FUNCTION.findall(body):
            if name.startswith(_LEFT_OUT):
                continue
            reserved = _RESERVED if number >= _FIRST_RESERVING else 0
            found.append(
                Usage(
                    name=demangled(name),
                    architecture=number,
                    registers=int(registers),
                    spilled=int(stack) + int(local),
                    shared=max(int(shared) - reserved, 0),
                )
            )
    return found


def _bound_tools() -> None:
    """So that no file can make a tool of ours work, write or dump for long."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_OUTPUT, _MOST_OUTPUT))


def _said(tool: str, path: Path) -> str:
    # Into a file, because a limit on the size of files holds there.
    with tempfile.TemporaryFile() as output:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [tool, "--dump-resource-usage", path],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
            )
        output.seek(0)
        return output.read().decode(errors="replace")


def compiled_below(directory: Path) -> list[Path]:
    """Libraries and device code, by their names, oldest first."""
    found = []
    for entry in entries_below(directory):
        if not entry.name.endswith((".so", ".cubin")):
            continue
        with contextlib.suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_size <= _MOST_BYTES:
                found.append((status.st_mtime, Path(entry.path)))
    return [path for _, path in sorted(found)][:_MOST_FILES]


def _launched(text: str, path: Path) -> list[Usage]:
    """With what Triton notes beside its device code: it decides how that is launched."""
    try:
        notes = json.loads(path.with_suffix(".json").read_bytes())
        name, architecture = str(notes["name"]), int(notes["target"]["arch"])
        threads, shared = int(notes["num_warps"]) * _WARP, int(notes["shared"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return []  # not Triton's
    return [
        replace(usage, shared=usage.shared + shared, threads=threads)
        for usage in parsed(text, architecture)
        if usage.name == name
    ]


def demangled(name: str) -> str:
    """``_Z5scaleIfEvPT_i`` → ``scale<float>``, by the library that torch brings along."""
    if not name.startswith("_Z"):  # it would take the function f for the type float
        return name
    try:
        demangle = ctypes.CDLL("libstdc++.so.6")["__cxa_demangle"]
    except (OSError, AttributeError):
        return name
    demangle.restype = ctypes.c_char_p
    whole: bytes | None = demangle(name.encode(), None, None, None)
    return without_signature(whole.decode(errors="replace")) if whole else name


def without_signature(name: str) -> str:
    """``void scale<float>(float*, int)`` → ``scale<float>``."""
    name = name.removeprefix("void ")
    depth = 0
    for position in range(len(name) - 1, 0, -1):
        depth += (name[position] == ")") - (name[position] == "(")
        if depth == 0:
            return name[:position] if name.endswith(")") else name
    return name
