"""The mini headers and the library behind them: made once per torch, then read only.

Compiling a kernel against torch's own headers takes half a minute, of which the kernel
is a hundredth. The mini headers (``headers/mini``) declare what most kernels use of
torch over opaque handles; ``headers/bridge`` implements it against the real torch. This
is a trusted step: it runs before any kernel, in our process, into a directory that a
candidate of another user cannot write.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pytest_kernelbench.text import first_line

_HERE = Path(__file__).parent / "headers"
_OLDEST_TORCH = (2, 7)
"""From here on all builds of torch use the C++11 ABI."""
_REAL_HEADERS = ("c10/util/Half.h", "c10/util/BFloat16.h")
"""Headers of torch that are light, and used as they are."""
_LIBRARY = "libkernelbench_bridge.so"


class BridgeError(Exception):
    """It cannot be made here; kernels are built with torch's headers then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniHeaders:
    """Where a kernel's build finds them."""

    include: Path
    library: Path


class Bridge:
    """Makes the mini headers when first asked, or finds those of an earlier session."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._begun = False
        self._found: MiniHeaders | None = None
        self.failure: str | None = None
        """Why there are none, once that has been found out."""

    def begin(self) -> None:
        """Make them in a thread of their own, ahead of the first build."""
        if self._found is None and self.failure is None and not self._begun:
            self._begun = True
            threading.Thread(
                target=self.headers, name="kernelbench-headers", daemon=True
            ).start()

    def headers(self) -> MiniHeaders | None:
        """The headers; None where they cannot be made."""
        with self._lock:
            if self._found is None and self.failure is None:
                try:
                    self._found = _headers_below(self.root)
                except (BridgeError, OSError) as error:
                    self.failure = first_line(str(error))
            return self._found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Torch:
    """An installed torch, found without importing it."""

    version: str
    root: Path

    @property
    def has_cuda(self) -> bool:
        return (self.root / "lib" / "libc10_cuda.so").exists()

    @property
    def includes(self) -> list[Path]:
        include = self.root / "include"
        return [include, include / "torch" / "csrc" / "api" / "include"]


def _headers_below(root: Path) -> MiniHeaders:
    torch = _installed_torch()
    place = root / _key(torch)
    made = MiniHeaders(include=place / "include", library=place / _LIBRARY)
    if not made.library.exists():
        root.mkdir(parents=True, exist_ok=True)
        with (root / f"{place.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.library.exists():
                _make(torch, place)
    return made


def _installed_torch() -> _Torch:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise BridgeError("torch is not installed")
    version = importlib.metadata.version("torch")
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_TORCH:
        raise BridgeError(f"torch {version} is older than 2.7")
    return _Torch(version=version, root=Path(spec.origin).parent)


def _key(torch: _Torch) -> str:
    digest = hashlib.sha256()
    for path in sorted(_HERE.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(_HERE)).encode() + path.read_bytes())
    for word in (torch.version, torch.root, _python_include(), _compiler(), _cuda()):
        digest.update(f"\0{word}".encode())
    return digest.hexdigest()[:24]


def _make(torch: _Torch, place: Path) -> None:
    """Compile beside the place and move there in one step: no half-made one is seen."""
    shutil.rmtree(place, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="making-") as scratch:
        made = Path(scratch) / "made"
        shutil.copytree(_HERE / "mini", made / "include")
        with ThreadPoolExecutor() as pool:
            copied = pool.submit(_copy_real_headers, torch, made / "include")
            units = ["tensors", "python", *(["cuda"] if torch.has_cuda else [])]
            objects = pool.map(lambda unit: _compile(torch, unit, scratch), units)
            _link(torch, list(objects), made / _LIBRARY)
            copied.result()
        _make_read_only(made)
        made.rename(place)


def _compile(torch: _Torch, unit: str, scratch: str) -> str:
    result = f"{scratch}/{unit}.o"
    # What runs in it is a call's worth of conversions: more optimising costs a second.
    _run(*_cxx(torch), "-O1", "-c", str(_HERE / "bridge" / f"{unit}.cpp"), "-o", result)
    return result


def _link(torch: _Torch, objects: list[str], library: Path) -> None:
    libraries = ["-ltorch_python", "-ltorch_cpu", "-lc10"]
    if torch.has_cuda:
        libraries += ["-ltorch_cuda", "-lc10_cuda"]
    searched = ["-L", str(torch.root / "lib")]
    _run(_compiler(), "-shared", *objects, *searched, *libraries, "-o", str(library))


def _copy_real_headers(torch: _Torch, include: Path) -> None:
    """With all that they include, as only these may be found beside our own."""
    text = "".join(f"#include <{name}>\n" for name in _REAL_HEADERS)
    rule = _run(*_cxx(torch), "-M", "-x", "c++", "-", given=text)
    root = torch.includes[0]
    for word in rule.replace("\\\n", " ").split():
        path = Path(word)
        if path.is_relative_to(root):
            copy = include / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _cxx(torch: _Torch) -> list[str]:
    searched = [*torch.includes, Path(_python_include())]
    if torch.has_cuda:
        searched.append(Path(_cuda()) / "include")
    words = [_compiler(), "-std=c++20", "-fPIC", "-w"]
    return [*words, *(word for path in searched for word in ("-isystem", str(path)))]


def _run(*words: str, given: str = "") -> str:
    try:
        done = subprocess.run(
            words, input=given, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BridgeError(f"{words[0]}: {error.strerror}") from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        raise BridgeError((errors or [f"{words[0]} failed"])[0])
    return done.stdout


def _make_read_only(directory: Path) -> None:
    for path, names, files in os.walk(directory):
        for name in files:
            Path(path, name).chmod(0o444)
        for name in names:
            Path(path, name).chmod(0o555)
    # The directory itself can only be moved while it is ours to write.
    directory.chmod(0o755)


def _compiler() -> str:
    return os.environ.get("CXX") or "c++"


def _python_include() -> str:
    return sysconfig.get_path("include")


def _cuda() -> str:
    """Where CUDA is, looked for as torch does."""
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    compiler = shutil.which("nvcc")
    beside = str(Path(compiler).resolve().parents[1]) if compiler else "/usr/local/cuda"
    return named or beside
