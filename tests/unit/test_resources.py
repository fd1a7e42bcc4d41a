"""What compilers gave device functions, read from what they left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_kernelbench.engine.building.inspection import understood
from pytest_kernelbench.engine.building.occupancy import occupancy
from pytest_kernelbench.engine.building.resources import (
    Usage,
    cuobjdump,
    demangled,
    parsed,
    without_signature,
)
from pytest_kernelbench.model import Resources
from pytest_kernelbench.reports import wording

SAID = """
Fatbin elf code:
================
arch = sm_80
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function _Z5spillPfi:
  REG:32 STACK:1504 SHARED:0 LOCAL:8 CONSTANT[0]:540 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function __nv_internal:
  REG:8 STACK:0 SHARED:0 LOCAL:0 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin elf code:
================
arch = sm_90a
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function softmax_row:
  REG:40 STACK:0 SHARED:3072 LOCAL:0 CONSTANT[0]:548 TEXTURE:0 SURFACE:0 SAMPLER:0
"""
SOURCE = """
template <typename T> __global__ void scale(T* x, T factor, int n) {
  __shared__ T kept[256];
  const int i = blockIdx.x * 256 + threadIdx.x;
  kept[threadIdx.x] = x[i];
  __syncthreads();
  if (i < n) x[i] = kept[255 - threadIdx.x] * factor;
}
extern "C" __global__ void __launch_bounds__(1024) many(float* x, int n) {
  float v[100];
  #pragma unroll
  for (int i = 0; i < 100; i++) v[i] = x[i * n + threadIdx.x];
  for (int k = 0; k < n; k++) {
    #pragma unroll
    for (int i = 0; i < 100; i++) v[i] = v[i] * v[(i + 1) % 100] + x[k];
  }
  #pragma unroll
  for (int i = 0; i < 100; i++) x[i * n + threadIdx.x] = v[i];
}
extern "C" void launch(float* x) {
  scale<float><<<1, 256>>>(x, 2.f, 3);
  many<<<1, 1024>>>(x, 3);
}
"""
USAGE = {
    "name": "scale<float>",
    "architecture": 90,
    "registers": 128,
    "spilled": 0,
    "shared": 1024,
    "threads": None,
}


def test_what_cuobjdump_says_is_read_for_each_architecture():
    assert parsed(SAID) == [
        Usage(name="spill", architecture=80, registers=32, spilled=1512, shared=0),
        Usage(
            name="softmax_row", architecture=90, registers=40, spilled=0, shared=2048
        ),
    ]


@pytest.mark.parametrize("text", ["", "no device code", "arch = sm_90\n Function x:\n"])
def test_where_it_says_nothing_there_is_nothing(text):
    assert parsed(text) == []


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("void scale<float>(float*, float, int)", "scale<float>"),
        (
            "void (anonymous namespace)::k<(int)4>(float*)",
            "(anonymous namespace)::k<(int)4>",
        ),
        ("a::b(std::function<void (int)>)", "a::b"),
        ("plain", "plain"),
        (")", ")"),
    ],
)
def test_names_lose_their_arguments(name, short):
    assert without_signature(name) == short


def test_names_are_demangled_and_those_of_c_are_left_alone():
    assert demangled("_Z5scaleIfEvPT_S0_i") == "scale<float>"
    assert demangled("_Zwhat is this") == "_Zwhat is this"
    assert demangled("f") == "f"


class TestOccupancy:
    """Expected values are those of the toolkit's ``cuda_occupancy.h``."""

    @pytest.mark.parametrize(
        ("capability", "registers", "shared", "threads", "blocks"),
        [
            ((9, 0), 32, 0, 256, 8),
            ((9, 0), 33, 0, 256, 6),
            ((9, 0), 255, 0, 256, 1),
            ((9, 0), 255, 0, 1024, 0),
            ((9, 0), 32, 48000, 128, 4),
            ((9, 0), 16, 1024, 32, 32),
            ((8, 9), 40, 16384, 192, 5),
            ((8, 6), 64, 0, 96, 10),
            ((7, 5), 80, 12288, 160, 4),
            ((12, 0), 128, 0, 1000, 0),
        ],
    )
    def test_is_the_share_of_threads_that_are_resident(
        self, capability, registers, shared, threads, blocks
    ):
        most = {(9, 0): 64, (7, 5): 32}.get(capability, 48)
        warps = -(-threads // 32)
        assert occupancy(
            capability, registers=registers, shared=shared, threads=threads
        ) == pytest.approx(blocks * warps / most)

    def test_without_a_size_of_block_is_that_of_the_best(self):
        assert occupancy((9, 0), registers=32, shared=0) == 1.0
        assert occupancy((9, 0), registers=255, shared=0) == 8 / 64

    def test_of_a_device_that_is_not_known_is_not_guessed(self):
        assert occupancy((99, 0), registers=32, shared=0) is None


class TestWhatIsUnderstood:
    def test_is_that_of_the_device(self):
        others = [{**USAGE, "architecture": 80}, USAGE]
        assert understood(others, (9, 0)) == (
            Resources(
                function="scale<float>",
                registers=128,
                spilled_bytes=0,
                shared_bytes=1024,
                occupancy=0.25,
            ),
        )
        (newest,) = understood(others, (10, 0))
        assert newest.registers == 128

    @pytest.mark.parametrize(
        "usages",
        [
            None,
            "usages",
            {"name": "x"},
            [None, 1, "x", []],
            [{**USAGE, "registers": -1}],
            [{**USAGE, "registers": 10**30}],
            [{**USAGE, "registers": True}],
            [{**USAGE, "shared": 1.5}],
            [{**USAGE, "threads": "many"}],
            [{**USAGE, "architecture": float("nan")}],
            [{**USAGE, "name": 5}],
            [{"name": "x"}],
        ],
        ids=repr,
    )
    def test_is_nothing_of_a_message_that_is_no_answer(self, usages):
        assert understood(usages, (9, 0)) == ()

    def test_has_names_of_one_short_printable_line(self):
        hostile = {**USAGE, "name": "\x1b[31mred\nsecond line" + "x" * 1000}
        (only,) = understood([hostile], (9, 0))
        assert only.function == "red"

    def test_has_no_division_by_nothing(self):
        empty = {**USAGE, "registers": 0, "shared": 0, "threads": 0}
        assert understood([empty], (9, 0))[0].occupancy == 0.0


def nvcc() -> str | None:
    return shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    if nvcc() is None or cuobjdump() is None:
        pytest.skip("needs nvcc and cuobjdump")
    directory = tmp_path_factory.mktemp("compiled")
    source = directory / "kernel.cu"
    source.write_text(SOURCE)
    common = [nvcc(), "-arch=sm_90", str(source), "-o"]
    library = [str(directory / "kernel.so"), "-shared", "-Xcompiler", "-fPIC"]
    for rest in (library, [str(directory / "many.cubin"), "-cubin"]):
        subprocess.run([*common, *rest], check=True, capture_output=True)
    return directory


def usages_below(directory: Path) -> list[dict]:
    """In a process of its own, because it limits what that may do from then on."""
    program = (
        "import json, sys; from pathlib import Path;"
        "from pytest_kernelbench.engine.building.resources import usages_below;"
        "print(json.dumps(usages_below(Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory)],
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


class TestRealFiles:
    def test_of_nvcc_tell_registers_spills_and_shared_memory(self, compiled, tmp_path):
        shutil.copy(compiled / "kernel.so", tmp_path)
        functions = {usage["name"]: usage for usage in usages_below(tmp_path)}
        assert functions.keys() == {"scale<float>", "many"}
        scale, many = functions["scale<float>"], functions["many"]
        assert (scale["shared"], scale["spilled"]) == (1024, 0)
        assert many["registers"] == 64  # all that 1024 threads leave to each
        assert many["spilled"] > 0
        assert many["threads"] is None

    def test_of_triton_also_tell_threads_and_shared_memory_of_the_launch(
        self, compiled, tmp_path
    ):
        shutil.copy(compiled / "many.cubin", tmp_path)
        target = {"backend": "cuda", "arch": 90, "warp_size": 32}
        notes = {"name": "many", "shared": 4096, "num_warps": 8, "target": target}
        (tmp_path / "many.json").write_text(json.dumps(notes))
        (many,) = usages_below(tmp_path)
        assert (many["name"], many["architecture"]) == ("many", 90)
        assert (many["shared"], many["threads"]) == (4096, 256)

    @pytest.mark.parametrize("notes", ["", "[]", '{"name": "many"}', "{" * 100])
    def test_beside_broken_notes_are_none_of_triton(self, compiled, tmp_path, notes):
        shutil.copy(compiled / "many.cubin", tmp_path)
        (tmp_path / "many.json").write_text(notes)
        assert usages_below(tmp_path) == []

    def test_that_are_not_what_they_are_called_are_passed_over(
        self, compiled, tmp_path
    ):
        (tmp_path / "broken.so").write_bytes(b"\x7fELF" + bytes(range(256)) * 50)
        (tmp_path / "cut.so").write_bytes((compiled / "kernel.so").read_bytes()[:5000])
        (tmp_path / "elsewhere.so").symlink_to(compiled / "kernel.so")
        (tmp_path / "folder.so").mkdir()
        os.mkfifo(tmp_path / "waiting.cubin")
        assert usages_below(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"registers": 1}, "scale<float>: 1 register"),
        (
            {"spilled_bytes": 16, "shared_bytes": 1024, "occupancy": 0.25},
            "scale<float>: 128 registers, 16 bytes spilled, 1024 bytes shared, occupancy 25%",
        ),
        ({"function": "\x1b[1mbold"}, "bold: 128 registers"),
    ],
)
def test_one_line_tells_of_a_function(given, shown):
    plain = {
        "function": "scale<float>",
        "registers": 128,
        "spilled_bytes": 0,
        "shared_bytes": 0,
    }
    assert wording.resources(Resources(**{**plain, **given})) == shown
