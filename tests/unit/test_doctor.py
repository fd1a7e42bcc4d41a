"""What is made of facts; no machine but this one is needed to have them."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from pytest_kernelbench.cli import main
from pytest_kernelbench.doctor import (
    gather_gpus,
    gather_host,
    gather_software,
    judge,
)
from pytest_kernelbench.doctor.facts import (
    Driver,
    Facts,
    Gpu,
    Host,
    Isolation,
    Packages,
    Process,
    Store,
    Toolkit,
)

VERSIONS = {
    "torch": "2.11.0+cu130",
    "triton": "3.6.0",
    "modal": "1.6.4",
    "nvidia-ml-py": "13.0",
    "pytest-xdist": "3.8.0",
}
GPU = Gpu(
    index=0,
    name="NVIDIA H200",
    capability=(9, 0),
    mig=False,
    ecc=True,
    ecc_after_reboot=True,
    uncorrected_errors=0,
    persistence=True,
    compute_mode=0,
    memory_used=600 << 20,
    utilization=0,
    clock=345,
    clock_limit=1980,
    clock_most=1980,
    reasons=0x1,
    power_limit=700.0,
    power_default=700.0,
)
SOUND = Facts(
    host=Host(
        system="Linux 6.8",
        python="3.12.3",
        is_linux=True,
        cores=16,
        load=0.4,
        governors=("performance",),
        stolen=0.0,
        memory=64 << 30,
    ),
    store=Store(path="/cache/builds", free=100 << 30),
    toolkit=Toolkit(
        nvcc="/usr/local/cuda/bin/nvcc",
        nvcc_version=(13, 0),
        compiler="/usr/bin/c++",
        ninja="/usr/bin/ninja",
        cuobjdump="/usr/local/cuda/bin/cuobjdump",
    ),
    packages=Packages(versions=VERSIONS, torch_cuda=(13, 0)),
    driver=Driver(present=True, version="580.65", cuda=(13, 0)),
    gpus=(GPU,),
    ipc_trouble="",
    isolation=Isolation(level="L2", why="each kernel runs as a user of its own"),
    modal_credentials="the environment",
)


def changed(part: str, **changes) -> Facts:
    """A sound machine with one part of it otherwise."""
    whole = dataclasses.replace(getattr(SOUND, part), **changes)
    return dataclasses.replace(SOUND, **{part: whole})


def with_gpu(**changes) -> Facts:
    return dataclasses.replace(SOUND, gpus=(dataclasses.replace(GPU, **changes),))


def without(*names: str) -> Facts:
    kept = {name: v for name, v in VERSIONS.items() if name not in names}
    return changed("packages", versions=kept)


def troubles(facts: Facts, wanted=None) -> list[str]:
    """Level, topic, what and mend of all that is not fine."""
    found = judge(facts, wanted)
    return [
        f"{found.level(f)} {f.topic}: {f.what} → {f.mend}"
        for f in found.findings
        if not f.is_fine
    ]


def the_one_trouble(facts: Facts, wanted=None) -> str:
    (trouble,) = troubles(facts, wanted)
    return trouble


def test_a_sound_machine_has_nothing_to_mend():
    found = judge(SOUND)
    assert troubles(SOUND) == []
    assert found.wanted == "cuda"
    assert found.works == ("cpu", "cuda", "modal")
    assert not found.is_prevented


DISTORTED = {
    "old torch": (
        changed("packages", versions={**VERSIONS, "torch": "2.4.1+cu130"}),
        ("torch: 2.4.1+cu130", "torch>=2.6"),
    ),
    "no nvcc": (changed("toolkit", nvcc=None), ("nvcc: not found", "CUDA_HOME")),
    "nvcc of another major version": (
        changed("toolkit", nvcc_version=(12, 8)),
        ("12.8 is not torch's CUDA 13.0", "toolkit of version 13.0"),
    ),
    "nvcc without a version": (
        changed("toolkit", nvcc_version=None),
        ("does not tell its version", "--version"),
    ),
    "no compiler": (changed("toolkit", compiler=None), ("C++ compiler: none", "g++")),
    "no headers": (
        changed("toolkit", has_python_headers=False),
        ("Python.h is missing", "python3-dev"),
    ),
    "no ninja": (changed("toolkit", ninja=None), ("ninja: none", "pip install ninja")),
    "no cuobjdump": (changed("toolkit", cuobjdump=None), ("registers", "toolkit")),
    "no triton": (without("triton"), ("triton: not installed", "[triton]")),
    "old xdist": (
        changed("packages", versions={**VERSIONS, "pytest-xdist": "3.5.0"}),
        ("3.5.0 is too old", "pytest-xdist>=3.6"),
    ),
    "MIG": (with_gpu(mig=True), ("GPU 0: MIG is on", "-mig 0")),
    "somebody else": (
        with_gpu(
            processes=(
                Process(pid=4711, name="python3", memory=3 << 30),
                Process(pid=12, name="Xorg"),
            )
        ),
        ("also used by python3 (4711, 3.0 GiB), Xorg (12)", "wait"),
    ),
    "somebody unseen": (
        with_gpu(utilization=90, memory_used=8 << 30),
        ("busy 90 % of the time, 8.0 GiB", "on the host"),
    ),
    "heat and power": (
        with_gpu(reasons=0x40 | 0x4),
        ("held down by the power limit and heat, as the hardware", "cooling"),
    ),
    "less power": (
        with_gpu(power_limit=450.0),
        ("limited to 450 W of 700 W", "-pl 700"),
    ),
    "no persistence": (with_gpu(persistence=False), ("persistence mode", "-pm 1")),
    "memory errors": (with_gpu(uncorrected_errors=2), ("2 memory errors", "-r")),
    "ECC to change": (
        with_gpu(ecc_after_reboot=False),
        ("ECC is on, and will not be so", "reboot"),
    ),
    "unlike GPUs": (
        dataclasses.replace(
            SOUND,
            gpus=(GPU, dataclasses.replace(GPU, index=1, name="NVIDIA L4")),
        ),
        ("NVIDIA H200, NVIDIA L4", "--kb-device=cuda:N"),
    ),
    "no IPC": (
        dataclasses.replace(SOUND, ipc_trouble="cuIpcOpenMemHandle_v2 answers"),
        ("CUDA IPC: cuIpcOpenMemHandle_v2", "--ipc=host"),
    ),
    "a quota": (changed("host", quota=2.5), ("a quota of 2.5", "--cpuset-cpus")),
    "one core": (changed("host", cores=1, load=0.1), ("cores: one", "two cores")),
    "load": (changed("host", load=9.5), ("load: 9.5", "top")),
    "stolen time": (changed("host", stolen=0.04), ("took 4.0%", "of its own")),
    "governor": (
        changed("host", governors=("performance", "powersave")),
        ("CPU governor: powersave", "cpupower"),
    ),
    "little memory": (changed("host", memory=1 << 30), ("1.0 GiB", "MAX_JOBS")),
    "little disk": (changed("store", free=1 << 30), ("1.0 GiB free", "delete")),
    "noexec": (changed("store", runs_code=False), ("noexec", "XDG_CACHE_HOME")),
}


@pytest.mark.parametrize("case", DISTORTED)
def test_what_distorts_is_a_warning_with_its_remedy(case):
    facts, (what, mend) = DISTORTED[case]
    told = the_one_trouble(facts)
    assert told.startswith("warn ")
    assert what in told
    assert mend in told.partition(" → ")[2]
    assert not judge(facts).is_prevented


PREVENTED = {
    "another system": (
        changed("host", is_linux=False, system="Darwin 24"),
        ("modal",),
        "Linux only",
    ),
    "torch for CPUs beside a GPU": (
        changed("packages", torch_cuda=None),
        ("cpu", "modal"),
        "cannot use the GPU",
    ),
    "a torch that cannot be imported": (
        changed("packages", torch_trouble="libcudnn.so.9: no such file"),
        ("modal",),
        "2.11.0+cu130 cannot be imported: libcudnn.so.9",
    ),
    "a torch that gets no CUDA": (
        changed("packages", torch_sees_gpu=False),
        ("cpu", "modal"),
        "does not get CUDA to work",
    ),
    "a torch without code for the GPU": (
        changed("packages", torch_architectures=("sm_75", "sm_80", "sm_100")),
        ("cpu", "modal"),
        "no device code for NVIDIA H200, only for sm_75 sm_80 sm_100",
    ),
    "no nvidia-ml-py": (without("nvidia-ml-py"), ("cpu", "modal"), "nvidia-ml-py"),
    "an NVML that does not answer": (
        changed("driver", trouble="Driver/library version mismatch"),
        ("cpu", "modal"),
        "Driver/library version mismatch",
    ),
    "a driver older than torch's CUDA": (
        changed("driver", version="535.54", cuda=(12, 2)),
        ("cpu", "modal"),
        "535.54 runs CUDA 12.2 at most, torch is built for 13.0",
    ),
    "one process at a time": (
        with_gpu(compute_mode=3),
        ("cpu", "modal"),
        "one process at a time, and two are needed",
    ),
    "no place for builds": (
        changed("store", obstacle="cannot write to /cache"),
        ("modal",),
        "cannot write to /cache",
    ),
}


@pytest.mark.parametrize("case", PREVENTED)
def test_what_prevents_is_a_failure_where_it_is_wanted_and_a_warning_elsewhere(case):
    facts, works, what = PREVENTED[case]
    found = judge(facts, "cuda")
    assert found.works == works
    assert found.is_prevented
    told = the_one_trouble(facts, "cuda")
    assert told.startswith("fail ")
    assert what in told
    assert the_one_trouble(facts, "modal").startswith("warn ")
    assert not judge(facts, "modal").is_prevented


def test_a_minor_version_of_cuda_ahead_of_the_driver_is_no_trouble():
    assert troubles(changed("driver", cuda=(13, 2))) == []
    assert troubles(changed("packages", torch_cuda=(12, 8)))[0].startswith("warn nvcc")


@pytest.mark.parametrize(
    "known", [("sm_90",), ("sm_90a",), ("sm_75", "compute_80"), ("odd",), ()]
)
def test_device_code_for_the_gpu_is_binary_or_older_ptx(known):
    assert troubles(changed("packages", torch_architectures=known)) == []


def test_an_nvcc_that_is_older_than_the_gpu_is_told_of_by_its_name():
    blackwell = dataclasses.replace(GPU, name="NVIDIA B200", capability=(10, 0))
    facts = dataclasses.replace(
        changed("packages", torch_cuda=(12, 6)), gpus=(blackwell,)
    )
    tools = dataclasses.replace(facts.toolkit, nvcc_version=(12, 6))
    told = the_one_trouble(dataclasses.replace(facts, toolkit=tools))
    assert "12.6 cannot compile for NVIDIA B200" in told
    assert "12.8 on" in told


def on_the_cpu(**changes) -> Facts:
    versions = {n: v for n, v in VERSIONS.items() if n != "nvidia-ml-py"}
    bare = dataclasses.replace(
        SOUND,
        gpus=(),
        driver=Driver(),
        ipc_trouble=None,
        packages=Packages(versions={**versions, "torch": "2.13.0+cpu"}),
    )
    return dataclasses.replace(bare, **changes)


def test_a_machine_without_a_gpu_measures_on_its_cpu():
    found = judge(on_the_cpu())
    assert (found.wanted, found.is_prevented) == ("cpu", False)
    assert found.works == ("cpu", "modal")
    assert the_one_trouble(on_the_cpu()).startswith("warn GPU: none")
    assert judge(on_the_cpu(), "cuda").is_prevented


def test_without_torch_modal_is_the_place_if_there_are_credentials():
    bare = on_the_cpu(packages=Packages(versions={"modal": "1.6.4"}))
    assert judge(bare).wanted == "modal"
    assert not judge(bare).is_prevented
    neither = dataclasses.replace(bare, modal_credentials=None)
    assert judge(neither).works == ()
    assert judge(neither).is_prevented


def test_gpus_that_are_hidden_are_not_used_and_not_judged():
    facts = with_gpu(visible=False, mig=True)
    assert judge(facts).wanted == "cpu"
    assert "CUDA_VISIBLE_DEVICES hides all 1" in the_one_trouble(facts)


@pytest.mark.parametrize("limit", [{"clock_limit": 1500}, {"reasons": 0x2}])
def test_clocks_that_are_set_are_told_and_are_no_trouble(limit):
    facts = with_gpu(**limit)
    assert troubles(facts) == []
    assert any("clock was set" in f.what for f in judge(facts).findings)
    assert any("clock is free" in f.what for f in judge(SOUND).findings)


def test_what_nobody_could_tell_is_not_judged():
    unknown = Gpu(index=0, name="NVIDIA T4", capability=(7, 5))
    facts = dataclasses.replace(SOUND, gpus=(unknown,), ipc_trouble=None)
    assert troubles(facts) == []


class TestThisMachine:
    def test_is_looked_at_without_importing_anything_heavy(self):
        probe = (
            "import sys; from pytest_kernelbench.doctor import gather, judge;"
            "judge(gather()); print(*{'torch', 'modal', 'triton'} & {*sys.modules})"
        )
        done = subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == ""

    def test_is_told_line_by_line(self, capsys):
        assert main(["doctor", "cpu"]) == 0  # or none of these tests could run
        lines = capsys.readouterr().out.splitlines()
        levels = [line[:4].strip() for line in lines[:-2] if "→" not in line]
        assert set(levels) <= {"ok", "warn", "fail"}
        assert any("system: " in line for line in lines)
        assert lines[-1].startswith("works: ")

    def test_is_told_as_json_with_the_facts(self, capsysbinary):
        main(["doctor", "--json"])
        whole = json.loads(capsysbinary.readouterr().out)
        assert whole["schema"] == 1
        assert whole["facts"]["host"]["python"] == sys.version.split()[0]
        topics = {finding["topic"] for finding in whole["findings"]}
        assert {"system", "torch", "cores", "build cache", "isolation"} <= topics

    def test_with_a_torch_that_cannot_be_imported_ends_with_1(
        self, monkeypatch, capsys, tmp_path
    ):
        (tmp_path / "torch").mkdir()
        broken = tmp_path / "torch" / "__init__.py"
        broken.write_text("raise ImportError('libcudnn.so.9: no such file')\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert main(["doctor", "cpu"]) == 1
        told = capsys.readouterr().out
        assert re.search(r"fail   torch: \S+ cannot be imported: .*libcudnn", told)

    def test_that_cannot_measure_ends_with_1(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setenv("MODAL_CONFIG_PATH", str(tmp_path / "none"))
        for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
            monkeypatch.delenv(name, raising=False)
        assert main(["doctor", "modal"]) == 1
        told = capsys.readouterr().out
        assert "fail   Modal: no credentials" in told
        assert told.endswith("nothing can be measured on modal\n")


class Nvml(types.ModuleType):
    """As much of NVML as one GPU answers; anything else it does not know."""

    NVML_CLOCK_SM = 1
    NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1
    NVML_VOLATILE_ECC = 0

    class NVMLError(Exception):
        pass

    def __init__(self, **answers) -> None:
        super().__init__("pynvml")
        self.answers = {
            "Init": None,
            "Shutdown": None,
            "SystemGetDriverVersion": "580.65",
            "SystemGetCudaDriverVersion": 12080,
            "DeviceGetCount": 1,
            "DeviceGetHandleByIndex": 0,
            "DeviceGetUUID": "GPU-1",
            "DeviceGetName": "NVIDIA \x1b[1mX",
            "DeviceGetCudaComputeCapability": (8, 9),
        } | answers

    def __getattr__(self, name: str):
        def answer(*_):
            if name.removeprefix("nvml") not in self.answers:
                raise self.NVMLError("Not Supported")
            return self.answers[name.removeprefix("nvml")]

        return answer


class TestAskingNvml:
    @pytest.fixture(autouse=True)
    def _all_visible(self, monkeypatch):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def asked(self, monkeypatch, **answers):
        monkeypatch.setitem(sys.modules, "pynvml", Nvml(**answers))
        return gather_gpus.driver_and_gpus()

    def test_what_a_gpu_does_not_know_is_none(self, monkeypatch):
        driver, (gpu,) = self.asked(monkeypatch)
        assert (driver.version, driver.cuda) == ("580.65", (12, 8))
        assert (gpu.name, gpu.capability, gpu.visible) == ("NVIDIA X", (8, 9), True)
        assert (gpu.mig, gpu.ecc, gpu.persistence, gpu.power_limit) == (None,) * 4
        assert gpu.processes == ()

    def test_what_it_knows_is_in_our_units(self, monkeypatch):
        neighbour = types.SimpleNamespace(pid=2**22 + 1, usedGpuMemory=5)
        _, (gpu,) = self.asked(
            monkeypatch,
            DeviceGetMigMode=[1, 1],
            DeviceGetEccMode=[1, 0],
            DeviceGetPersistenceMode=0,
            DeviceGetEnforcedPowerLimit=450_000,
            DeviceGetComputeRunningProcesses=[neighbour],
            DeviceGetGraphicsRunningProcesses=[neighbour],
            DeviceGetMemoryInfo=types.SimpleNamespace(used=7),
        )
        assert (gpu.mig, gpu.ecc, gpu.ecc_after_reboot) == (True, True, False)
        assert (gpu.persistence, gpu.power_limit, gpu.memory_used) == (False, 450.0, 7)
        (process,) = gpu.processes
        assert (process.pid, process.memory) == (neighbour.pid, 5)
        assert process.name.startswith("a process that cannot")

    def test_a_gpu_that_is_lost_is_the_drivers_trouble(self, monkeypatch):
        nvml = Nvml()
        del nvml.answers["DeviceGetHandleByIndex"]
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        driver, gpus = gather_gpus.driver_and_gpus()
        assert (driver.trouble, gpus) == ("Not Supported", ())


class TestLooking:
    def test_modal_credentials_are_those_of_the_chosen_profile(
        self, monkeypatch, tmp_path
    ):
        for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "MODAL_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        config = tmp_path / "modal.toml"
        monkeypatch.setenv("MODAL_CONFIG_PATH", str(config))
        config.write_text("[mine]\ntoken_id = 'a'\nactive = true\n[empty]\n")
        found = gather_software.modal_credentials()
        assert found == f"{config}, profile 'mine'"
        assert "a" not in found.removeprefix(str(config)).split()
        monkeypatch.setenv("MODAL_PROFILE", "empty")
        assert gather_software.modal_credentials() is None
        config.write_text("not toml [")
        assert gather_software.modal_credentials() is None
        monkeypatch.setenv("MODAL_TOKEN_ID", "a")
        monkeypatch.setenv("MODAL_TOKEN_SECRET", "b")
        assert gather_software.modal_credentials() == "the environment"

    def test_nvcc_is_looked_for_where_torch_does(self, monkeypatch, tmp_path):
        nvcc = tmp_path / "bin" / "nvcc"
        nvcc.parent.mkdir()
        nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 12.8, V12'\n")
        nvcc.chmod(0o755)
        monkeypatch.setenv("CUDA_HOME", str(tmp_path))
        tools = gather_software.toolkit()
        assert (tools.nvcc, tools.nvcc_version) == (str(nvcc), (12, 8))
        nvcc.unlink()
        assert gather_software.toolkit().nvcc is None

    def test_a_process_may_call_itself_anything(self):
        hostile = "printf '\\033[31mx\\n' > /proc/self/comm; sleep 60 & wait"
        process = subprocess.Popen(["bash", "-c", f"{hostile}"], start_new_session=True)
        try:
            comm = Path(f"/proc/{process.pid}/comm")
            while "x" not in comm.read_text():
                pass
            assert gather_gpus._name(process.pid) == "x"
        finally:
            import os
            import signal

            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert gather_gpus._name(process.pid).startswith("a process that cannot")

    def test_time_that_was_stolen_is_a_share_of_all(self):
        line = "cpu  600 0 100 200 50 0 0 50 40 0\ncpu0 1 2 3\n"
        assert gather_host._stolen(line) == pytest.approx(0.05)
        assert gather_host._stolen("") is None

    def test_a_directory_closed_to_others_is_named(self, tmp_path):
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        assert gather_host._closed_to_others(closed / "below" / "file") == closed

    def test_sharing_gpu_memory_fails_in_one_line_where_there_is_no_driver(self):
        if Path("/dev/nvidiactl").exists():
            pytest.skip("there is a driver")
        assert "\n" not in gather_gpus.ipc_trouble()
        assert "libcuda" in gather_gpus.ipc_trouble()
