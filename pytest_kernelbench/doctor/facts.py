"""What a machine is like, as far as it matters to measuring: plain data.

Gathering these is kept apart from judging them, so that every judgement can be tried
without the machine that deserves it. ``None`` means that nobody could tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Version = tuple[int, int]
"""Major and minor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The computer, without its GPUs."""

    system: str
    python: str
    is_linux: bool
    cores: int
    """That this process may use."""
    quota: float | None = None
    """Cores' worth of time that a container is given, where it is given less."""
    load: float | None = None
    """Processes that want to run, over the last minute."""
    governors: tuple[str, ...] = ()
    """How the system chooses the clock of the cores."""
    stolen: float | None = None
    """Share of time since boot that the hypervisor gave to other machines."""
    memory: int | None = None
    """Bytes that are available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The directory in which kernels are built."""

    path: str
    obstacle: str | None = None
    """Why it cannot be written."""
    free: int | None = None
    """Bytes."""
    runs_code: bool = True
    """Whether a library there may be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit:
    """What compiles kernels."""

    nvcc: str | None = None
    """Its path, where torch would look for it."""
    nvcc_version: Version | None = None
    compiler: str | None = None
    """Path of the C++ compiler."""
    has_python_headers: bool = True
    ninja: str | None = None
    cuobjdump: str | None = None
    """Paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """What is installed beside this package."""

    versions: Mapping[str, str] = field(default_factory=dict)
    torch_cuda: Version | None = None
    """Of CUDA that torch was built for; None for a CPU build."""
    torch_trouble: str | None = None
    """Why torch cannot be imported."""
    torch_sees_gpu: bool | None = None
    torch_architectures: tuple[str, ...] = ()
    """What it has device code for, such as ``sm_90`` and ``compute_120``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """NVIDIA's driver."""

    present: bool = False
    version: str | None = None
    cuda: Version | None = None
    """The newest CUDA that it can run."""
    trouble: str | None = None
    """Why it does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Somebody who uses a GPU; the name is made printable."""

    pid: int
    name: str
    memory: int | None = None
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as the driver describes it."""

    index: int
    name: str
    capability: Version
    visible: bool = True
    """Whether ``CUDA_VISIBLE_DEVICES`` leaves it."""
    mig: bool | None = None
    ecc: bool | None = None
    ecc_after_reboot: bool | None = None
    uncorrected_errors: int | None = None
    """Of memory, since the driver was loaded."""
    persistence: bool | None = None
    compute_mode: int | None = None
    """NVML's number: 0 default, 2 prohibited, 3 one process at a time."""
    processes: tuple[Process, ...] = ()
    memory_used: int | None = None
    utilization: int | None = None
    """Per cent of the last sample during which something ran."""
    clock: int | None = None
    """MHz of the multiprocessors, now."""
    clock_limit: int | None = None
    """MHz that was set for applications."""
    clock_most: int | None = None
    reasons: int | None = None
    """NVML's bits for what holds the clocks down."""
    power_limit: float | None = None
    """Watts."""
    power_default: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How far apart from what judges it a kernel would be kept here."""

    level: str
    why: str
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is looked at."""

    host: Host
    store: Store
    toolkit: Toolkit = Toolkit()
    packages: Packages = Packages()
    driver: Driver = Driver()
    gpus: tuple[Gpu, ...] = ()
    ipc_trouble: str | None = None
    """Why two processes cannot share GPU memory; empty if they can."""
    isolation: Isolation
    modal_credentials: str | None = None
    """Where they are."""

    @property
    def visible_gpus(self) -> tuple[Gpu, ...]:
        return tuple(gpu for gpu in self.gpus if gpu.visible)
