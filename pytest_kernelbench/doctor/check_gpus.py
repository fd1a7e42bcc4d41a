"""Is there a GPU, can two processes use it, and does anything disturb its clock?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pytest_kernelbench.doctor.facts import Facts, Gpu, Process
from pytest_kernelbench.doctor.findings import Finding, doubtful, fine, preventing
from pytest_kernelbench.engine.telemetry import HELD_BACK

_GIB = 1 << 30
_MUCH_MEMORY = _GIB
"""Bytes beyond what driver and display take."""
_BUSY = 5
"""Per cent of time."""
_LIMITED_BY_SETTING = 0x2
_POWER_SLACK = 0.99
_MODES = {2: "allows no compute", 3: "allows one process at a time"}


def presence(facts: Facts) -> Iterator[Finding]:
    gpus = facts.visible_gpus
    if gpus:
        for gpu in gpus:
            major, minor = gpu.capability
            what = f"{gpu.name}, compute capability {major}.{minor}"
            yield fine(_topic(gpu), what)
    elif facts.gpus:
        what = f"CUDA_VISIBLE_DEVICES hides all {len(facts.gpus)} GPUs"
        mend = "unset it, or give it the numbers of those to use"
        yield preventing("GPU", what, mend, "cuda")
    elif not facts.driver.present:
        what = "none: kernels run on the CPU, and those that need CUDA are skipped"
        mend = "use --kb-gpu=NAME for a GPU on Modal"
        yield preventing("GPU", what, mend, "cuda")


def sameness(facts: Facts) -> Iterator[Finding]:
    names = dict.fromkeys(gpu.name for gpu in facts.visible_gpus)
    if len(names) > 1:
        what = f"{', '.join(names)}: kernels are spread over unlike GPUs"
        mend = "choose one with --kb-device=cuda:N or CUDA_VISIBLE_DEVICES"
        yield doubtful("GPUs", what, mend)


def sharing(facts: Facts) -> Iterator[Finding]:
    """Of memory between the kernel's process and the one that judges it."""
    if not facts.visible_gpus or facts.ipc_trouble is None:
        return
    if facts.ipc_trouble:
        what = f"{facts.ipc_trouble}: tensors go through the host, which takes longer"
        mend = "in a container, share the IPC namespace (docker run --ipc=host)"
        yield doubtful("CUDA IPC", what, mend)
    else:
        yield fine("CUDA IPC", "two processes can share GPU memory")


def _compute_mode(gpu: Gpu) -> Iterator[Finding]:
    if gpu.compute_mode in _MODES:
        what = f"its compute mode {_MODES[gpu.compute_mode]}, and two are needed"
        mend = f"sudo nvidia-smi -i {gpu.index} -c DEFAULT"
        yield preventing(_topic(gpu), what, mend, "cuda")


def _slices(gpu: Gpu) -> Iterator[Finding]:
    if gpu.mig:
        what = "MIG is on: a slice is measured, and the neighbours share its power"
        mend = f"sudo nvidia-smi -i {gpu.index} -mig 0"
        yield doubtful(_topic(gpu), what, mend)


def _neighbours(gpu: Gpu) -> Iterator[Finding]:
    if gpu.processes:
        what = f"also used by {', '.join(map(_user, gpu.processes))}"
        yield doubtful(_topic(gpu), what, "end them, or wait until they are done")
        return
    busy = gpu.utilization is not None and gpu.utilization > _BUSY
    if busy or (gpu.memory_used or 0) > _MUCH_MEMORY:
        used = (gpu.memory_used or 0) / _GIB
        what = (
            f"busy {gpu.utilization or 0} % of the time, {used:.1f} GiB in use, "
            "by processes that cannot be seen from here"
        )
        mend = "look at `nvidia-smi` on the host, outside of this container"
        yield doubtful(_topic(gpu), what, mend)


def _user(process: Process) -> str:
    memory = f", {process.memory / _GIB:.1f} GiB" if process.memory else ""
    return f"{process.name} ({process.pid}{memory})"


def _held_back(gpu: Gpu) -> Iterator[Finding]:
    bits = gpu.reasons or 0
    held = [name for bit, name in HELD_BACK.items() if bits & bit]
    if held:
        what = f"its clock is held down by {' and '.join(held)}"
        mend = "see to cooling and power, then `nvidia-smi -q -d PERFORMANCE`"
        yield doubtful(_topic(gpu), what, mend)


def _clocks(gpu: Gpu) -> Iterator[Finding]:
    most, limit = gpu.clock_most, gpu.clock_limit
    if most is None:
        return
    set_lower = limit is not None and limit < most
    if set_lower or (gpu.reasons or 0) & _LIMITED_BY_SETTING:
        to = f" to {limit} MHz" if set_lower else ""
        what = f"its clock was set{to}, {most} MHz is the most: runtimes repeat better, but are longer"
        mend = f"to undo it: sudo nvidia-smi -i {gpu.index} -rgc -rac"
    else:
        what = f"its clock is free, up to {most} MHz: speedups are paired, but runtimes drift"
        mend = f"to compare runtimes: sudo nvidia-smi -i {gpu.index} -lgc MHZ"
    yield fine(_topic(gpu), what, mend)


def _power(gpu: Gpu) -> Iterator[Finding]:
    limit, usual = gpu.power_limit, gpu.power_default
    if limit is not None and usual is not None and limit < usual * _POWER_SLACK:
        what = f"its power is limited to {limit:.0f} W of {usual:.0f} W"
        mend = f"sudo nvidia-smi -i {gpu.index} -pl {usual:.0f}"
        yield doubtful(_topic(gpu), what, mend)


def _persistence(gpu: Gpu) -> Iterator[Finding]:
    if gpu.persistence is False:
        what = "persistence mode is off: the driver starts anew for each run"
        mend = f"sudo nvidia-smi -i {gpu.index} -pm 1"
        yield doubtful(_topic(gpu), what, mend)


def _memory_errors(gpu: Gpu) -> Iterator[Finding]:
    if gpu.uncorrected_errors:
        what = f"{gpu.uncorrected_errors} memory errors that ECC could not correct"
        mend = f"sudo nvidia-smi -i {gpu.index} -r, and replace it if they come back"
        yield doubtful(_topic(gpu), what, mend)
    if gpu.ecc is None:
        return
    word = "on" if gpu.ecc else "off"
    if gpu.ecc_after_reboot not in (None, gpu.ecc):
        what = f"ECC is {word}, and will not be so after the next reboot"
        mend = "reboot before numbers are kept: bandwidth and memory change"
        yield doubtful(_topic(gpu), what, mend)
    else:
        yield fine(_topic(gpu), f"ECC is {word}")


def _topic(gpu: Gpu) -> str:
    return f"GPU {gpu.index}"


_OF_EACH: tuple[Callable[[Gpu], Iterator[Finding]], ...] = (
    _compute_mode,
    _slices,
    _neighbours,
    _held_back,
    _clocks,
    _power,
    _persistence,
    _memory_errors,
)


def each(facts: Facts) -> Iterator[Finding]:
    for gpu in facts.visible_gpus:
        for check in _OF_EACH:
            yield from check(gpu)


CHECKS = (presence, each, sameness, sharing)
