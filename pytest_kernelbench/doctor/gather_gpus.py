"""Ask NVML about the driver and its GPUs; a question it cannot answer is ``None``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_kernelbench.doctor.facts import Driver, Gpu, Process
from pytest_kernelbench.doctor.programs import tried
from pytest_kernelbench.executors.gpus import visible_gpus
from pytest_kernelbench.text import first_line

_IPC_SECONDS = 30


def driver_and_gpus() -> tuple[Driver, tuple[Gpu, ...]]:
    present = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
    try:
        import pynvml  # noqa: PLC0415 - optional
    except ImportError:
        return Driver(present=present), ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Driver(present=present, trouble=first_line(str(error))), ()
    try:
        return _Nvml(pynvml).look()
    except pynvml.NVMLError as error:  # such as a GPU that fell off its bus
        return Driver(present=present, trouble=first_line(str(error))), ()
    finally:
        pynvml.nvmlShutdown()


class _Nvml:
    """An initialised NVML, asked one question at a time."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml

    def look(self) -> tuple[Driver, tuple[Gpu, ...]]:
        ask = self._ask
        cuda = ask("SystemGetCudaDriverVersion")
        driver = Driver(
            present=True,
            version=ask("SystemGetDriverVersion"),
            cuda=None if cuda is None else (cuda // 1000, cuda % 1000 // 10),
        )
        visible = {gpu.uuid for gpu in visible_gpus()}
        count = ask("DeviceGetCount") or 0
        return driver, tuple(self._gpu(index, visible) for index in range(count))

    def _ask(self, question: str, *arguments: Any) -> Any:
        """Every GPU and every version of the driver knows a part of it all."""
        with contextlib.suppress(self._nvml.NVMLError, AttributeError):
            return getattr(self._nvml, f"nvml{question}")(*arguments)
        return None

    def _gpu(self, index: int, visible: set[str]) -> Gpu:
        handle = self._nvml.nvmlDeviceGetHandleByIndex(index)

        def of_it(question: str, *arguments: Any) -> Any:
            return self._ask(f"DeviceGet{question}", handle, *arguments)

        multiprocessors = self._nvml.NVML_CLOCK_SM
        mig, ecc = of_it("MigMode"), of_it("EccMode")
        memory, utilization = of_it("MemoryInfo"), of_it("UtilizationRates")
        return Gpu(
            index=index,
            name=first_line(str(of_it("Name"))),
            capability=tuple(of_it("CudaComputeCapability") or (0, 0)),
            visible=of_it("UUID") in visible,
            mig=None if mig is None else bool(mig[0]),
            ecc=None if ecc is None else bool(ecc[0]),
            ecc_after_reboot=None if ecc is None else bool(ecc[1]),
            uncorrected_errors=of_it(
                "TotalEccErrors",
                self._nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
                self._nvml.NVML_VOLATILE_ECC,
            ),
            persistence=_truth(of_it("PersistenceMode")),
            compute_mode=of_it("ComputeMode"),
            processes=tuple(self._processes(of_it)),
            memory_used=memory and int(memory.used),
            utilization=utilization and int(utilization.gpu),
            clock=of_it("ClockInfo", multiprocessors),
            clock_limit=of_it("ApplicationsClock", multiprocessors),
            clock_most=of_it("MaxClockInfo", multiprocessors),
            reasons=of_it("CurrentClocksEventReasons"),
            power_limit=_watts(of_it("EnforcedPowerLimit")),
            power_default=_watts(of_it("PowerManagementDefaultLimit")),
        )

    def _processes(self, of_it: Callable[..., Any]) -> Iterator[Process]:
        found = {
            process.pid: process.usedGpuMemory
            for kind in ("Compute", "Graphics")
            for process in of_it(f"{kind}RunningProcesses") or ()
        }
        for pid, memory in found.items():
            if pid != os.getpid():
                yield Process(pid=pid, name=_name(pid), memory=memory)


def _truth(number: Any) -> bool | None:
    return None if number is None else bool(number)


def _watts(milliwatts: Any) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _name(pid: int) -> str:
    """Anybody may call a process anything."""
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text("utf-8", errors="replace")
        return first_line(name)
    return "a process that cannot be seen from here"


def ipc_trouble() -> str:
    """Why two processes cannot share GPU memory; tried for real, without torch."""
    _, trouble = tried("-m", "pytest_kernelbench.doctor.ipc", seconds=_IPC_SECONDS)
    return trouble or ""
