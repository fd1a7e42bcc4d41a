"""The engine on an NVIDIA GPU: kernels of each kind, their times, and their faults."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from forms import FORMS
from sources_for_gpus import (
    INLINE,
    LAYER_NORM,
    MATMUL,
    RELU,
    SOFTMAX,
    TRITON,
    plain,
    problem_source,
)

from pytest_kernelbench.executors.local import LocalExecutor
from pytest_kernelbench.model import EvalResult, Verdict

DO_BENCH = """\
import importlib.util, json, sys
import torch
from triton.testing import do_bench

def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

relu, softmax = load("our_relu", sys.argv[1]), load("softmax", sys.argv[2]).ModelNew()
long, wide = torch.randn(64, 1 << 20).cuda(), torch.randn(8192, 8192).cuda()
calls = {
    "cuda": lambda: relu.forward(long),
    "triton": lambda: softmax(wide),
    "relu": lambda: torch.relu(long),
    "softmax": lambda: torch.softmax(wide, -1),
}
times = {
    name: do_bench(call, warmup=200, rep=500, return_mode="median") / 1e3
    for name, call in calls.items()
}
print(json.dumps(times))
"""


def require_pass(result: EvalResult) -> None:
    assert (result.verdict, result.reason) == (Verdict.PASS, ""), result.log


@pytest.fixture(scope="module")
def triton_result(gpu):
    return gpu.evaluate(TRITON, SOFTMAX, backend="triton", timing=True, max_time=1.0)


@pytest.fixture(scope="module")
def do_bench(executor, compiled, triton_result, tmp_path_factory):
    """Seconds of the same calls by Triton's benchmark, in a process of its own."""
    (library,) = executor._build_root.rglob("our_relu.so")
    softmax = tmp_path_factory.mktemp("triton") / "softmax.py"
    softmax.write_text(TRITON)
    done = subprocess.run(
        [sys.executable, "-c", DO_BENCH, str(library), str(softmax)],
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


class TestAKernel:
    def test_of_inline_cuda_passes_with_the_time_that_triton_measures(
        self, compiled, do_bench
    ):
        result = compiled["inline"]
        require_pass(result)
        assert result.runtime.median == pytest.approx(do_bench["cuda"], rel=0.05)
        assert result.baseline.runtime.median == pytest.approx(
            do_bench["relu"], rel=0.05
        )

    def test_of_triton_passes_with_the_time_that_triton_measures(
        self, triton_result, do_bench
    ):
        require_pass(triton_result)
        assert triton_result.runtime.median == pytest.approx(
            do_bench["triton"], rel=0.05
        )
        assert triton_result.baseline.runtime.median == pytest.approx(
            do_bench["softmax"], rel=0.05
        )

    def test_in_a_cu_file_is_its_forward_function(self, compiled):
        require_pass(compiled["file"])
        assert compiled["file"].runtime.median == pytest.approx(
            compiled["inline"].runtime.median, rel=0.05
        )

    def test_that_does_not_compile_shows_what_nvcc_said(self, compiled):
        result = compiled["broken"]
        assert result.verdict is Verdict.BUILD
        assert 'identifier "floet4" is undefined' in result.log

    def test_is_told_its_gpu_and_its_versions(self, compiled):
        result = compiled["inline"]
        assert "NVIDIA" in result.device_name
        assert {"torch", "cuda"} <= set(result.environment)

    def test_is_not_built_again_for_the_next_evaluation(self, gpu, compiled):
        root = gpu.executor._build_root
        before = {p: p.stat().st_mtime_ns for p in root.rglob("*.o")}
        require_pass(gpu.evaluate(INLINE, backend="cuda", seed=5))
        assert {p: p.stat().st_mtime_ns for p in root.rglob("*.o")} == before


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
class TestAPrecision:
    def test_is_that_of_the_whole_evaluation(self, gpu, precision):
        require_pass(gpu.evaluate(plain(MATMUL), MATMUL, precision=precision))

    def test_does_not_make_zeros_right(self, gpu, precision):
        source = plain(SOFTMAX, "torch.softmax(x, -1)", "torch.zeros_like(x)")
        result = gpu.evaluate(source, SOFTMAX, precision=precision)
        assert result.verdict is Verdict.WRONG


LARGE = problem_source("return torch.relu(x)", "[torch.randn(4096, 16384)]")
LIES_OF_REPLAYS = """
from pytest_kernelbench.engine import candidate

HONEST = candidate.run_burst

def lie(call, slots, device, orders):
    seconds, host = HONEST(call, slots, device, orders)
    return [one / 4 if orders.replayed else one for one in seconds], host

candidate.run_burst = lie
"""
MANY = problem_source(
    "return x.sin().cos().tanh().exp().log1p().sqrt()", "[torch.rand(64, 64)]"
)


class TestAGraph:
    def test_takes_less_than_many_launches_and_is_as_fast_as_the_baselines(self, gpu):
        result = gpu.evaluate(plain(MANY), MANY, timing=True, graph=True)
        require_pass(result)
        assert result.graph.runtime.median < 0.9 * result.runtime.median
        assert 0.9 < result.graph.speedup.value < 1.1

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            ("torch.relu(x) if x[0, 0].item() < 9e9 else x", "CRASH"),
            ("torch.relu(x * self.scale.to(x.device))", "CRASH"),
            ("torch.relu(x) * (not torch.cuda.is_current_stream_capturing())", "WRONG"),
        ],
    )
    def test_that_cannot_be_had_is_noted_and_fails_nothing(self, gpu, body, why):
        source = plain(RELU, "torch.relu(x)", body).replace(
            "(torch.nn.Module):",
            "(torch.nn.Module):\n    scale = torch.ones(())",
        )
        result = gpu.evaluate(source, RELU, timing=True, graph=True)
        require_pass(result)
        assert result.graph is None
        assert result.speedup is not None
        assert all(trial.passed for trial in result.trials)
        assert any(f"no CUDA graph of the kernel: {why}" in n for n in result.notes)

    def test_is_held_against_the_outer_clock_like_any_call(self, gpu):
        source = plain(LARGE) + LIES_OF_REPLAYS
        result = gpu.evaluate(source, LARGE, timing=True, graph=True)
        assert result.verdict is Verdict.INTEGRITY
        require_pass(gpu.evaluate(source, LARGE, timing=True))

    def test_of_the_problem_that_cannot_be_had_is_noted(self, gpu):
        problem = problem_source(
            "return torch.relu(x) * float(x.sum() > -9e9)", "[torch.randn(64, 1 << 20)]"
        )
        result = gpu.evaluate(plain(problem), problem, timing=True, graph=True)
        require_pass(result)
        assert result.graph is None
        assert any(note.startswith("no CUDA graph: ") for note in result.notes)
        require_pass(gpu.evaluate(plain(RELU), RELU, timing=True))


def test_kernels_that_equal_the_baseline_are_not_called_faster_or_slower(gpu):
    problems = [RELU, SOFTMAX, LAYER_NORM, MATMUL]
    futures = [gpu.submit(plain(problem), problem, timing=True) for problem in problems]
    results = [future.result(600) for future in futures]
    for result in results:
        require_pass(result)
    speedups = [result.speedup for result in results]
    assert all(0.985 < speedup.value < 1.015 for speedup in speedups), speedups
    # Each holds the truth in 95 of 100: one of four may miss it.
    assert sum(each.low <= 1 <= each.high for each in speedups) >= 3, speedups


TRITON_HEAD = "import torch, triton\nimport triton.language as tl\n"

FAULTS = {
    "zeros for a long softmax": (
        plain(SOFTMAX, "torch.softmax(x, -1)", "torch.zeros_like(x)"),
        SOFTMAX,
        "WRONG",
        "elements differ",
    ),
    "bf16 for a matmul in fp32": (
        plain(MATMUL, "x @ y", "(x.bfloat16() @ y.bfloat16()).float()"),
        MATMUL,
        "WRONG",
        "elements differ",
    ),
    "one wrong element": (
        plain(
            RELU,
            "return torch.relu(x)",
            "z = torch.relu(x); z[17, 12345] += 1e-3; return z",
        ),
        RELU,
        "WRONG",
        "1 of 67108864 elements differ",
    ),
    "another dtype": (
        plain(RELU, "torch.relu(x)", "torch.relu(x).half()"),
        RELU,
        "DTYPE",
        "dtype float16, the problem's is float32",
    ),
    "another device": (
        plain(RELU, "torch.relu(x)", "torch.relu(x).cpu()"),
        RELU,
        "DTYPE",
        "on cpu",
    ),
    "an illegal memory access": (
        TRITON_HEAD + "@triton.jit\n"
        "def far(y, offset):\n"
        "    tl.store(y + offset, 1.0)\n"
        "class ModelNew(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        y = torch.relu(x); far[(1,)](y, 1 << 44); return y\n",
        RELU,
        "CRASH",
        "illegal memory access",
    ),
    "a failed assertion on the device": (
        plain(
            RELU,
            "torch.relu(x)",
            "torch.relu(x)[torch.full((64,), 1 << 20, device=x.device)]",
        ),
        RELU,
        "CRASH",
        "device-side assert|index",
    ),
    "a kernel that does not end": (
        TRITON_HEAD + "@triton.jit\n"
        "def spin(x):\n"
        "    value = tl.load(x, volatile=True)\n"
        "    while value != 12345.0:\n"
        "        value = tl.load(x, volatile=True)\n"
        "class ModelNew(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        spin[(1,)](x); return torch.relu(x)\n",
        RELU,
        "TIMEOUT",
        "did not finish its first call within 20 s",
    ),
    "a segmentation fault": (
        "import ctypes\n" + plain(RELU, "return", "ctypes.string_at(0); return"),
        RELU,
        "CRASH",
        "killed by SIGSEGV during its first call",
    ),
    "300 GB": (
        plain(
            RELU,
            "return torch.relu(x)",
            "z = torch.empty(300 << 30, dtype=torch.uint8, device=x.device); return z",
        ),
        RELU,
        "OOM",
        "out of memory",
    ),
    "a stray grain of NaN": (
        plain(
            RELU,
            "return torch.relu(x)",
            "z = torch.relu(x); z[3, 4] = torch.nan; return z",
        ),
        RELU,
        "NONFINITE",
        "1 of 67108864 elements",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_the_next_kernel_does_not_suffer(gpu, compiled, name):
    source, problem, verdict, reason = FAULTS[name]
    backend = "triton" if "@triton" in source else "pytorch"
    result = gpu.evaluate(source, problem, backend=backend, timeout=20)
    assert (result.verdict, result.runtime) == (Verdict[verdict], None), result
    assert any(part in result.reason for part in reason.split("|")), result.reason
    require_pass(gpu.evaluate(INLINE, backend="cuda"))


def test_problems_of_every_form_are_judged(gpu):
    problems = {name: problem_source(*form) for name, form in FORMS.items()}
    asked = {name: gpu.submit(plain(text), text) for name, text in problems.items()}
    found = {name: future.result(timeout=600) for name, future in asked.items()}
    seen = {name: (result.verdict, result.reason) for name, result in found.items()}
    assert seen == dict.fromkeys(FORMS, (Verdict.PASS, ""))


def test_a_broken_problem_on_the_device_spoils_no_other(gpu, compiled):
    broken = problem_source(
        "return x[torch.full((9,), 99, device=x.device)].cpu()", "[torch.randn(9, 9)]"
    )
    future = gpu.submit(plain(broken), broken)
    assert "p/one.py: forward" in str(future.exception(timeout=600))
    require_pass(gpu.evaluate(INLINE, backend="cuda"))


def test_work_left_on_another_stream_is_never_a_time(gpu):
    source = plain(
        RELU,
        "return torch.relu(x)",
        "side = torch.cuda.Stream()\n"
        "        side.wait_stream(torch.cuda.current_stream())\n"
        "        with torch.cuda.stream(side):\n"
        "            for _ in range(20): z = torch.relu(x)\n"
        "        return z",
    )
    result = gpu.evaluate(source, timing=True, max_time=0.5)
    assert result.verdict is not Verdict.PASS
    assert result.runtime is None


def used_bytes() -> int:
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)


def test_a_killed_kernel_leaves_nothing_on_the_device(gpu, tmp_path):
    before = used_bytes()
    executor = LocalExecutor(cache_dir=tmp_path)
    mine = type(gpu)(executor)
    source = "import time\n" + plain(
        RELU,
        "return torch",
        "z = torch.empty(40 << 30, dtype=torch.uint8, device=x.device).fill_(1)\n"
        "        torch.cuda.synchronize(); time.sleep(1000); return torch",
    )
    result = mine.evaluate(source, timeout=15)
    assert result.verdict is Verdict.TIMEOUT
    assert used_bytes() - before < 20 << 30
    require_pass(mine.evaluate(plain(RELU)))
    executor.close()
    assert used_bytes() - before < 1 << 30


def test_a_problem_that_fills_much_of_the_memory_is_judged_alone(gpu):
    large = RELU.replace("64, 1 << 20", "1024, 1 << 20")
    futures = [gpu.submit(plain(problem), problem) for problem in (large, RELU, large)]
    for future in futures:
        require_pass(future.result(600))


def test_who_keeps_the_gpu_busy_beside_others_harms_only_itself(gpu):
    spin = "import torch\nfor _ in range(64):\n    torch.cuda._sleep(1 << 34)\n"
    hog = plain(RELU, "return torch.relu(x)", "spin(); return torch.relu(x)")
    hog = f"def spin():\n    exec({spin!r})\n{hog}"
    theirs = gpu.submit(hog, timing=True, timeout=20)
    ours = [gpu.submit(plain(RELU), timing=True, seed=seed) for seed in range(3)]
    for future in ours:
        result = future.result(600)
        require_pass(result)
        assert 0.98 < result.speedup.value < 1.02
    assert theirs.result(600).verdict is Verdict.TIMEOUT
