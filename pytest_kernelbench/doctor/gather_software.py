"""Look at what is installed: packages by their metadata, programs by their versions.

Nothing is imported here, and torch only in a process of its own: it takes seconds, and
may fail.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

from pytest_kernelbench.doctor.facts import Packages, Toolkit, Version
from pytest_kernelbench.doctor.programs import ran, tried
from pytest_kernelbench.engine.building.resources import cuobjdump
from pytest_kernelbench.engine.isolation.sandbox import base_environment

_PACKAGES = (
    *("pytest-kernelbench", "pytest", "pytest-xdist", "modal"),
    *("torch", "triton", "numpy", "scipy", "ninja", "nvidia-ml-py"),
)
_ASK_TORCH = (
    "import torch; print(torch.cuda.is_available(), *torch.cuda.get_arch_list())"
)
_SECONDS, _TORCH_SECONDS = 10, 60
"""For a compiler to tell its version, and for torch to be imported from a slow disk."""


def packages() -> Packages:
    """What is installed; torch is imported for it, in a process of its own."""
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    torch = _torch_at_work() if "torch" in found else {}
    return Packages(versions=found, torch_cuda=_torch_cuda(), **torch)


def _torch_at_work() -> dict[str, Any]:
    """Whether it can be imported, sees a GPU, and for which it has device code."""
    said, trouble = tried(
        *("-c", _ASK_TORCH),
        seconds=_TORCH_SECONDS,
        PYTORCH_NVML_BASED_CUDA_CHECK="0",  # ask CUDA itself
    )
    if trouble is not None:
        return {"torch_trouble": trouble}
    sees_gpu, *architectures = said.split() or [""]
    return {
        "torch_sees_gpu": sees_gpu == "True",
        "torch_architectures": tuple(architectures),
    }


def _torch_cuda() -> Version | None:
    """From torch's own ``version.py``, which is text as well."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        torch = importlib.util.find_spec("torch")
        if torch is not None and torch.origin is not None:
            text = Path(torch.origin).with_name("version.py").read_text("utf-8")
            return _version(r"^cuda\b[^=]*=\s*'(\d+)\.(\d+)", text)
    return None


def toolkit() -> Toolkit:
    path = base_environment()["PATH"]  # what a kernel's process would see
    nvcc = _nvcc(path)
    compiler = shutil.which(os.environ.get("CXX", "c++"), path=path)
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return Toolkit(
        nvcc=nvcc,
        nvcc_version=_version(r"release (\d+)\.(\d+)", _said(nvcc)) if nvcc else None,
        compiler=compiler or shutil.which("g++", path=path),
        has_python_headers=headers.exists(),
        ninja=shutil.which("ninja", path=path),
        cuobjdump=cuobjdump(),
    )


def _nvcc(path: str) -> str | None:
    """Where torch looks for it, in that order."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if home is not None:
        return shutil.which("nvcc", path=str(Path(home, "bin")))
    return shutil.which("nvcc", path=path) or shutil.which(
        "nvcc", path="/usr/local/cuda/bin"
    )


def _said(program: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return ran(program, "--version", seconds=_SECONDS).stdout
    return ""


def _version(pattern: str, text: str) -> Version | None:
    found = re.search(pattern, text, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else None


def modal_credentials() -> str | None:
    """Where Modal's client would find some; their content is not looked at."""
    if os.environ.get("MODAL_TOKEN_ID") and os.environ.get("MODAL_TOKEN_SECRET"):
        return "the environment"
    path = Path(os.environ.get("MODAL_CONFIG_PATH") or "~/.modal.toml").expanduser()
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    chosen = os.environ.get("MODAL_PROFILE") or next(
        (name for name, profile in profiles.items() if profile.get("active")), "default"
    )
    has_token = "token_id" in profiles.get(chosen, {})
    return f"{path}, profile '{chosen}'" if has_token else None
