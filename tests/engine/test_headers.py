"""Kernels compiled for real, with each kind of headers: equal in all that shows."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
import torch
from torch.utils import cpp_extension

from pytest_kernelbench.engine.building.bridge import Bridge, BridgeError
from pytest_kernelbench.engine.building.extensions import Extensions, Mini

TORCH = Path(torch.__file__).parent
HEADERS = Path(__file__).parents[2] / "pytest_kernelbench/engine/building/headers"

EVERYTHING = r"""
std::vector<torch::Tensor> several(torch::Tensor x, int64_t k,
                                   const c10::optional<torch::Tensor>& bias) {
  TORCH_CHECK(x.is_contiguous() && x.dim() == 2);
  TORCH_CHECK(k < 5, "k is ", k, " of ", x.sizes(), ' ', x.dtype(), x.device(), 1.5);
  auto rows = torch::empty({x.size(0)}, x.options());
  auto counts = torch::zeros({2, k}, torch::dtype(torch::kInt32));
  float* out = rows.data_ptr<float>();
  const float* in = x.data_ptr<float>();
  for (int64_t i = 0; i < x.size(0); ++i) {
    out[i] = 0;
    for (int64_t j = 0; j < x.size(1); ++j) out[i] += in[i * x.size(1) + j];
  }
  torch::Tensor again;
  again = rows;
  return {again, counts, x.transpose(0, 1).contiguous(), bias ? *bias : rows};
}
std::tuple<torch::Tensor, int, double> three(const torch::Tensor& x, std::string name) {
  return std::make_tuple(x.view({-1}), static_cast<int>(name.size()), 2.5);
}
void fill(torch::Tensor& x) { x.fill_(2); }
double dispatched(torch::Tensor x) {
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dispatched", [&] {
    x.data_ptr<scalar_t>()[0] = 7;
  });
  return x.sum().item<double>();
}
int wrong_type(torch::Tensor x) { return *x.data_ptr<int>(); }
int beyond(torch::Tensor x) { return x.size(9); }
torch::Tensor undefined() { return torch::Tensor(); }
int thrown(int64_t n) { throw std::runtime_error("no " + std::to_string(n)); }
torch::Tensor full(double value) {
  return torch::full({2, 2}, value).to(torch::kDouble);
}
torch::Tensor like(torch::Tensor x, bool zeros) {
  return zeros ? torch::zeros_like(x, x.options().dtype(torch::kLong)) : torch::ones_like(x);
}
"""
FUNCTIONS = re.findall(r"^\S.*?(\w+)\(", EVERYTHING, re.MULTILINE)

X = torch.arange(12.0).reshape(3, 4)
CALLS = [
    ("several", (X, 2, None)),
    ("several", (X, 7, X)),
    ("several", (X.t(), 2, None)),
    ("several", (X.double(), 2, None)),
    ("several", (1, 2, 3)),
    ("several", (X, 2.5, None)),
    ("several", (X,)),
    ("three", (X, "é")),
    ("three", (torch.nn.Parameter(X), b"ab")),
    ("fill", (torch.zeros(2),)),
    ("dispatched", (torch.zeros(3, dtype=torch.float64),)),
    ("dispatched", (torch.zeros(3, dtype=torch.int32),)),
    ("wrong_type", (X,)),
    ("beyond", (X,)),
    ("undefined", ()),
    ("thrown", (3,)),
    ("full", (1,)),
    ("full", ("1",)),
    ("like", (X, True)),
    ("like", (X, 0)),
]


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    bridge = Bridge(tmp_path_factory.mktemp("headers"))
    found = bridge.headers()
    assert found is not None, bridge.failure
    return Mini(found.include, found.library)


@pytest.fixture
def build(monkeypatch, tmp_path):
    """Builds as a candidate does, and says what came of it."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    kernel = tmp_path / "a_kernel.py"

    def build(source: str, functions: list[str], mini: Mini | None, lean, name="made"):
        kernel.write_text(f'SOURCE = """{source}"""\n')
        extensions = Extensions(kernel, mini, lean)
        monkeypatch.setattr(cpp_extension, "_run_ninja_build", None)
        extensions.install(cpp_extension)
        module = cpp_extension.load_inline(name, source, functions=functions)
        return module, extensions.headers

    return build


def outcome(module, name: str, arguments: tuple) -> str:
    """All that a caller can see; addresses and stacks of C++ left out."""
    try:
        text = repr(getattr(module, name)(*arguments))
    except Exception as error:  # noqa: BLE001
        text = f"{type(error).__name__}: {error}"
    return text.partition("\nException raised from")[0]


@pytest.mark.slow
def test_all_headers_give_modules_that_cannot_be_told_apart(build, mini):
    made = {
        tier: build(EVERYTHING, FUNCTIONS, mini, lean, name=f"made_{tier}")
        for tier, lean in (("mini", ("mini",)), ("slim", ("slim",)), ("stock", ()))
    }
    assert {tier: used for tier, (_, used) in made.items()} == {t: t for t in made}
    stock, _ = made.pop("stock")
    for tier, (module, _) in made.items():
        for name in FUNCTIONS:
            assert getattr(module, name).__doc__ == getattr(stock, name).__doc__
        for name, arguments in CALLS:
            expected = outcome(stock, name, arguments)
            assert outcome(module, name, arguments) == expected, (tier, name)


def test_what_mini_headers_make_works_and_says_what_torch_says(build, mini):
    module, used = build(EVERYTHING, FUNCTIONS, mini, ("mini",))
    assert used == "mini"
    rows, counts, turned, bias = module.several(X, 2, None)
    assert torch.equal(rows, X.sum(1))
    assert counts.dtype is torch.int32
    assert counts.shape == (2, 2)
    assert torch.equal(turned, X.t())
    assert bias is not None
    assert outcome(module, "wrong_type", (X,)) == (
        "RuntimeError: expected scalar type Int but found Float"
    )
    assert outcome(module, "several", (X, 7, X)) == (
        "RuntimeError: k is 7 of [3, 4] floatcpu1.5"
    )
    assert outcome(module, "beyond", (X,)).startswith(
        "IndexError: Dimension out of range"
    )
    assert outcome(module, "dispatched", (X.int(),)) == (
        "NotImplementedError: \"dispatched\" not implemented for 'Int'"
    )
    assert outcome(module, "several", (1, 2, 3)).startswith(
        "TypeError: several(): incompatible function arguments."
    )
    assert outcome(module, "thrown", (3,)) == "RuntimeError: no 3"
    assert module.undefined() is None


def test_no_tensor_is_kept_by_a_call(build, mini):
    module, _ = build(EVERYTHING, FUNCTIONS, mini, ("mini",))
    y = torch.zeros(4, 4)
    before = torch._C._storage_Use_Count(y.untyped_storage()._cdata)
    for _ in range(100):
        module.several(y, 2, y)
        with pytest.raises(RuntimeError):
            module.several(y, 9, y)
    assert torch._C._storage_Use_Count(y.untyped_storage()._cdata) == before


REJECTED = {
    "a type without data": "int f(at::Tensor x) { return *x.data_ptr<const char*>(); }",
    "long long data": "long f(at::Tensor x) { return *x.data_ptr<long long>(); }",
    "a dtype where a scalar type is meant": (
        "at::ScalarType f(at::Tensor x) { return x.dtype(); }"
    ),
    "names of torch in at": "auto f() { return at::kFloat32; }",
    "a Python converter": "struct S {}; void f(S) {}",
    "a new tensor without a size": "at::Tensor f() { return torch::empty(); }",
    "assignment to a temporary": "void f(at::Tensor x) { x.t() = x; }",
    "a guard that is not included": "void f(at::Tensor x) { c10::cuda::CUDAGuard g(0); }",
    "launch checks that are not included": "void f() { C10_CUDA_KERNEL_LAUNCH_CHECK(); }",
    "parallel_for that is not included": (
        "void f() { at::parallel_for(0, 1, 1, [](int64_t, int64_t) {}); }"
    ),
    "a check that is no condition": "void f(at::Tensor x) { TORCH_CHECK(x.sizes()); }",
}


@pytest.mark.parametrize("source", REJECTED.values(), ids=REJECTED)
def test_mini_headers_reject_what_torch_rejects(mini, tmp_path, source):
    path = tmp_path / "main.cpp"
    path.write_text(
        f"#include <torch/extension.h>\n{source}\n"
        'PYBIND11_MODULE(made, m) { m.def("f", torch::wrap_pybind_function(f)); }'
    )
    done = compiled(path, [mini.include])
    assert done.returncode != 0
    assert "error" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("source", REJECTED.values(), ids=REJECTED)
def test_torch_rejects_it(tmp_path, source):
    path = tmp_path / "main.cpp"
    path.write_text(
        f"#include <torch/extension.h>\n{source}\n"
        'PYBIND11_MODULE(made, m) { m.def("f", torch::wrap_pybind_function(f)); }'
    )
    include = TORCH / "include"
    python = sysconfig.get_path("include")
    api = include / "torch/csrc/api/include"
    done = compiled(path, [include, api, python], "-S", "-o", str(tmp_path / "made.s"))
    assert done.returncode != 0 or is_left_open(tmp_path / "made.s")


def is_left_open(assembly: Path) -> bool:
    """Whether it uses data of a type that no library of torch defines."""
    return (
        re.search(r"call\s+_ZNK2at10TensorBase8data_ptr", assembly.read_text())
        is not None
    )


def compiled(
    path: Path, includes: list, *more: str
) -> subprocess.CompletedProcess[str]:
    searched = [word for include in includes for word in ("-isystem", str(include))]
    mode = more or ("-fsyntax-only",)
    return subprocess.run(
        ["g++", "-std=c++20", *searched, *mode, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_mini_headers_bring_no_header_that_torch_does_not(mini, tmp_path):
    """Or they would accept a kernel that forgot to include it."""
    wanted = re.findall(
        r"KB_WANTS_(?!cuda_half)(\w+)", (HEADERS / "mini/kb/aten.h").read_text()
    )
    assert len(wanted) > 10
    brought = included([mini.include], [f"-DKB_WANTS_{name}" for name in wanted])
    include = TORCH / "include"
    python = sysconfig.get_path("include")
    api = include / "torch/csrc/api/include"
    by_torch = included([include, api, python], [])
    assert {name for name in brought if "/c++/" in name} <= by_torch


def included(includes: list, flags: list[str]) -> set[str]:
    searched = [word for include in includes for word in ("-isystem", str(include))]
    done = subprocess.run(
        ["g++", "-std=c++20", *searched, *flags, "-M", "-x", "c++", "-"],
        input="#include <torch/types.h>",
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.replace("\\\n", " ").split()
    return {str(Path(word).resolve()) for word in words if word.startswith("/")}


class TestABuild:
    def test_falls_back_to_slim_headers_and_remembers_it(self, build, mini):
        source = "torch::Tensor twice(torch::Tensor x) { return at::mul(x, 2); }"
        module, used = build(source, ["twice"], mini, ("mini", "slim"), name="twice")
        assert used == "slim"
        assert torch.equal(module.twice(X), 2 * X)
        memory = Path(module.__file__).parent / "headers"
        assert memory.read_text() == "slim"

    @pytest.mark.slow
    def test_whose_library_lacks_a_symbol_is_a_miss(self, build, mini):
        source = "int elsewhere(int);\nint f(int x) { return elsewhere(x); }"
        with pytest.raises(ImportError, match="elsewhere"):
            build(source, ["f"], mini, ("mini",), name="lacking")


class TestTheBridge:
    def test_is_made_once_and_cannot_be_written_by_others(self, mini):
        root = mini.library.parents[1]
        again = Bridge(root).headers()
        assert again is not None
        assert again.library == mini.library
        assert again.library.stat().st_mode & 0o777 == 0o444
        for path in again.include.rglob("*"):
            assert path.stat().st_mode & 0o022 == 0, path
            assert path.stat().st_mode & 0o004, path

    def test_that_cannot_be_made_is_said_in_one_line(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CXX", "/nowhere/c++")
        bridge = Bridge(tmp_path)
        assert bridge.headers() is None
        assert bridge.failure == "/nowhere/c++: No such file or directory"
        assert not list(tmp_path.glob("*/include"))

    def test_is_for_a_torch_that_is_new_enough(self, tmp_path, monkeypatch):
        monkeypatch.setattr("importlib.metadata.version", lambda _: "2.6.0")
        bridge = Bridge(tmp_path)
        assert bridge.headers() is None
        assert bridge.failure == "torch 2.6.0 is older than 2.7"
        assert issubclass(BridgeError, Exception)


INLINE = '''
import os
import torch
from torch.utils.cpp_extension import load_inline

{before}
SOURCE = """
torch::Tensor relu(torch::Tensor x) {{
  {body}
}}
"""
extension = load_inline("a_relu", cpp_sources=SOURCE, functions=["relu"])


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return extension.relu(x)
'''
RELU_BODY = """
  auto y = torch::empty_like(x);
  for (int64_t i = 0; i < x.numel(); ++i)
    y.data_ptr<float>()[i] = x.data_ptr<float>()[i] > 0 ? x.data_ptr<float>()[i] : 0;
  return y;
"""
PROBLEM = """
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)


def get_inputs():
    return [torch.randn(64)]


def get_init_inputs():
    return []
"""
HANGS = """
place = os.environ["TMPDIR"] + "/hanging-compiler"
with open(place, "w") as script:
    script.write('#!/bin/sh\\ncase "$*" in *-c*) sleep 600;; *) exec g++ "$@";; esac')
os.chmod(place, 0o755)
os.environ["CXX"] = place
"""
POISONS = """
import glob
for path in glob.glob({cache!r} + "/headers/*/**", recursive=True):
    for act in (os.chmod, os.truncate, os.remove, os.rmdir):
        try:
            act(path, *(0,) * (act in (os.chmod, os.truncate)))
        except OSError:
            continue
        raise SystemExit("could touch " + path)
"""


class TestAnEvaluation:
    def test_tells_the_headers_it_was_built_with(self, engine):
        result = evaluated(engine, RELU_BODY)
        assert (result.verdict, result.headers) == ("PASS", "mini")

    def test_that_fails_says_so_with_torchs_own_headers_at_the_users_line(self, engine):
        result = evaluated(engine, "  return missing;")
        assert result.verdict == "BUILD"
        assert "k/a_kernel.py:9:12: error: " in result.reason
        assert "missing" in result.reason
        assert f"-isystem {TORCH}/include" in result.log
        assert "/headers/" not in result.log  # nothing of ours

    def test_ends_with_a_compiler_that_hangs(self, engine):
        result = evaluated(engine, RELU_BODY, before=HANGS, build_timeout=5)
        assert result.verdict == "TIMEOUT"
        deadline = time.monotonic() + 20
        while hanging() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not hanging()

    def test_cannot_touch_what_others_are_built_with(self, engine, reachable):
        before = POISONS.format(cache=str(reachable / "cache"))
        first = evaluated(engine, RELU_BODY)
        if first.assurance != "L2":
            pytest.skip("kernels run as the same user here")
        assert evaluated(engine, RELU_BODY, before=before).verdict == "PASS"


def evaluated(engine, body: str, before: str = "", **options):
    source = INLINE.format(body=body, before=before)
    return engine.evaluate(source, PROBLEM, backend="cpp", **options)


def hanging() -> list[str]:
    """Processes of a compiler that hangs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if b"hanging-compiler" in command:
                found.append(process.name)
    return found
