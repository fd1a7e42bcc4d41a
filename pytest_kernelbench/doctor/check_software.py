"""Are torch, the driver, the compilers and the rest there, and do they fit together?"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_kernelbench.doctor.facts import Facts, Version
from pytest_kernelbench.doctor.findings import Finding, doubtful, fine, preventing

_INSTALL = "pip install 'pytest-kernelbench[local]'"
_OLDEST_TORCH, _OLDEST_XDIST = (2, 6), (3, 6)
_OLDEST_NVCC: dict[Version, Version] = {
    (8, 0): (11, 0),
    (8, 6): (11, 1),
    (8, 9): (11, 8),
    (9, 0): (11, 8),
    (10, 0): (12, 8),
    (10, 3): (12, 9),
    (12, 0): (12, 8),
    (12, 1): (12, 9),
}
"""The first that compiles for a GPU, from the release notes of CUDA."""


def system(facts: Facts) -> Iterator[Finding]:
    host = facts.host
    what = f"{host.system}, Python {host.python}"
    if host.is_linux:
        yield fine("system", what)
    else:
        mend = "use Linux (WSL2 and containers are), or --kb-gpu=NAME for Modal"
        what += ": kernels are evaluated on Linux only"
        yield preventing("system", what, mend, "cpu", "cuda")


def torch(facts: Facts) -> Iterator[Finding]:
    version = facts.packages.versions.get("torch")
    if version is None:
        what = "not installed: nothing can be evaluated on this machine"
        yield preventing("torch", what, _INSTALL, "cpu", "cuda")
        return
    if facts.packages.torch_trouble is not None:
        what = f"{version} cannot be imported: {facts.packages.torch_trouble}"
        mend = f"install it anew: pip install --force-reinstall torch=={version}"
        yield preventing("torch", what, mend, "cpu", "cuda")
        return
    built = facts.packages.torch_cuda
    what = f"{version}, for CUDA {dotted(built)}" if built else f"{version}, CPU build"
    if leading(version) < _OLDEST_TORCH:
        mend = f"pip install -U 'torch>={dotted(_OLDEST_TORCH)}'"
        yield doubtful("torch", f"{what}: older than what this is tested with", mend)
    elif facts.visible_gpus and built is None:
        what += ": it cannot use the GPU that is here"
        mend = "install a build for CUDA: https://pytorch.org/get-started/locally"
        yield preventing("torch", what, mend, "cuda")
    else:
        yield fine("torch", what)
        yield from _torch_and_gpus(facts)


def _torch_and_gpus(facts: Facts) -> Iterator[Finding]:
    known = facts.packages.torch_architectures
    if facts.visible_gpus and facts.packages.torch_sees_gpu is False:
        what = "does not get CUDA to work, though the driver tells of a GPU"
        mend = "see what `python -c 'import torch; torch.cuda.init()'` says"
        yield preventing("torch", what, mend, "cuda")
        return
    for gpu in facts.visible_gpus:
        if known and not any(_runs_on(gpu.capability, name) for name in known):
            what = f"has no device code for {gpu.name}, only for {' '.join(known)}"
            mend = "install a build that has: https://pytorch.org/get-started/locally"
            yield preventing("torch", what, mend, "cuda")


def _runs_on(capability: Version, name: str) -> bool:
    """Binaries run on later minors of their major, PTX on whatever comes later."""
    kind, _, number = name.partition("_")
    digits = number.rstrip("af")
    if not digits.isdecimal():
        return True
    built = divmod(int(digits), 10)
    if kind == "compute":
        return built <= capability
    return built[0] == capability[0] and built[1] <= capability[1]


def driver(facts: Facts) -> Iterator[Finding]:
    driver, built = facts.driver, facts.packages.torch_cuda
    if not driver.present:
        return
    if "nvidia-ml-py" not in facts.packages.versions:
        what = "cannot be asked without nvidia-ml-py: no GPU is found"
        mend = "pip install nvidia-ml-py"
        yield preventing("driver", what, mend, "cuda")
    elif driver.trouble is not None:
        mend = "reload the driver (a reboot does), or look at `nvidia-smi`"
        what = f"does not answer: {driver.trouble}"
        yield preventing("driver", what, mend, "cuda")
    elif driver.cuda is not None and built is not None and driver.cuda[0] < built[0]:
        what = (
            f"{driver.version} runs CUDA {dotted(driver.cuda)} at most, "
            f"torch is built for {dotted(built)}"
        )
        mend = f"update the driver, or install torch for CUDA {driver.cuda[0]}"
        yield preventing("driver", what, mend, "cuda")
    else:
        newest = f", up to CUDA {dotted(driver.cuda)}" if driver.cuda else ""
        yield fine("driver", f"{driver.version}{newest}")


def nvcc(facts: Facts) -> Iterator[Finding]:
    tools, built = facts.toolkit, facts.packages.torch_cuda
    if not facts.visible_gpus:
        return
    if tools.nvcc is None:
        what = "not found: kernels in CUDA C++ cannot be built"
        which = f" {dotted(built)}" if built else ""
        mend = f"install the CUDA toolkit{which}, or set CUDA_HOME to where it is"
        yield doubtful("nvcc", what, mend)
        return
    version = tools.nvcc_version
    if version is None:
        what = f"{tools.nvcc} does not tell its version"
        yield doubtful("nvcc", what, f"see what `{tools.nvcc} --version` says")
        return
    misfit = _misfit(version, facts)
    if misfit is not None:
        mend = f"set CUDA_HOME to a toolkit {misfit[1]}"
        yield doubtful("nvcc", f"{dotted(version)} {misfit[0]}", mend)
    else:
        yield fine("nvcc", f"{dotted(version)} ({tools.nvcc})")


def _misfit(version: Version, facts: Facts) -> tuple[str, str] | None:
    """Why kernels cannot be built with this version, and which toolkit would do."""
    built = facts.packages.torch_cuda
    if built is not None and built[0] != version[0]:
        return (
            f"is not torch's CUDA {dotted(built)}: torch refuses to build with it",
            f"of version {dotted(built)}",
        )
    for gpu in facts.visible_gpus:
        oldest = _OLDEST_NVCC.get(gpu.capability)
        if oldest is not None and version < oldest:
            return f"cannot compile for {gpu.name}", f"of version {dotted(oldest)} on"
    return None


def compilers(facts: Facts) -> Iterator[Finding]:
    """For kernels in C++ and CUDA, and for the baseline of torch.compile."""
    tools = facts.toolkit
    if tools.compiler is None:
        what = "none: kernels in C++ and CUDA cannot be built"
        yield doubtful("C++ compiler", what, "install g++, or set CXX")
    elif not tools.has_python_headers:
        what = f"{tools.compiler}, but Python.h is missing"
        mend = "install Python's headers (python3-dev or python3-devel)"
        yield doubtful("C++ compiler", what, mend)
    else:
        yield fine("C++ compiler", tools.compiler)
    if tools.ninja is None:
        what = "none: torch needs it to build kernels in C++ and CUDA"
        yield doubtful("ninja", what, "pip install ninja")
    else:
        yield fine("ninja", tools.ninja)


def cuobjdump(facts: Facts) -> Iterator[Finding]:
    if facts.visible_gpus and facts.toolkit.cuobjdump is None:
        what = "not found: nothing is told of registers, spills and occupancy"
        mend = "install the whole CUDA toolkit, or Triton, which brings it"
        yield doubtful("cuobjdump", what, mend)


def triton(facts: Facts) -> Iterator[Finding]:
    version = facts.packages.versions.get("triton")
    if version is None:
        what = "not installed: kernels in Triton are skipped"
        if facts.visible_gpus:
            mend = "pip install 'pytest-kernelbench[triton]'"
            yield doubtful("triton", what, mend)
        else:
            yield fine("triton", what)
    elif facts.visible_gpus:
        yield fine("triton", version)
    else:
        yield fine("triton", f"{version}; its interpreter judges, but cannot be timed")


def pytest_plugins(facts: Facts) -> Iterator[Finding]:
    version = facts.packages.versions.get("pytest-xdist")
    if version is not None and leading(version) < _OLDEST_XDIST:
        mend = f"pip install -U 'pytest-xdist>={dotted(_OLDEST_XDIST)}'"
        yield doubtful("pytest-xdist", f"{version} is too old for -n", mend)
    elif version is not None:
        yield fine("pytest-xdist", version)


def modal(facts: Facts) -> Iterator[Finding]:
    version = facts.packages.versions.get("modal")
    if version is None:
        what = "its client is not installed: --kb-gpu does nothing"
        yield preventing("Modal", what, "pip install modal", "modal")
    elif facts.modal_credentials is None:
        what = "no credentials: kernels are skipped under --kb-gpu"
        mend = "run `modal setup`, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
        yield preventing("Modal", what, mend, "modal")
    else:
        what = f"{version}, credentials in {facts.modal_credentials} (not tried)"
        yield fine("Modal", what)


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


def leading(text: str) -> Version:
    """``2.13.0+cpu`` → ``(2, 13)``."""
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0]
    return _number(major), _number(minor)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


CHECKS = (
    system,
    torch,
    driver,
    nvcc,
    compilers,
    cuobjdump,
    triton,
    pytest_plugins,
    modal,
)
