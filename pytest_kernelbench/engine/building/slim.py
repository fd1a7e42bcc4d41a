"""Torch's real headers, but only those for the operators that a kernel names.

The second tier: ``torch/extension.h`` of the kernel's build is one that includes the
tensor class, the dispatch macros, the factories and the headers of the operators whose
names occur in the source. Everything in them is torch's own, so what compiles here
means the same there.
"""

from __future__ import annotations

import re
from pathlib import Path

_NEEDS_ALL = re.compile(
    r"\btorch::(?:nn|optim|data|jit|autograd|serialize|fft|linalg|special|indexing"
    r"|cuda|OrderedDict|save|load)\b|\bTORCH_LIBRARY|torch/(?:torch|all|script|library)\.h"
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_MAX_OPERATORS = 60
"""Beyond that the real headers cost as much as all of them."""

_HEAD = """\
#pragma once
#define AT_PER_OPERATOR_HEADERS
#include <ATen/core/Tensor.h>
#include <ATen/DeviceGuard.h>
#include <ATen/Dispatch.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/generated/variable_factories.h>
#include <torch/csrc/autograd/variable.h>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <unordered_map>
"""

_PYTHON = """\
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/utils/pybind.h>
"""

_TAIL = """\
namespace torch {
using namespace at;
using std::nullopt;
using std::optional;
using Dtype = at::ScalarType;
constexpr auto kUInt8 = at::kByte, kInt8 = at::kChar, kInt16 = at::kShort;
constexpr auto kInt32 = at::kInt, kInt64 = at::kLong, kFloat16 = at::kHalf;
constexpr auto kFloat32 = at::kFloat, kFloat64 = at::kDouble;
constexpr auto kU8 = kUInt8, kI8 = kInt8, kI16 = kInt16, kI32 = kInt32, kI64 = kInt64;
constexpr auto kF16 = kFloat16, kF32 = kFloat32, kF64 = kFloat64;
}
"""


def write_slim_headers(sources: str, torch_include: Path, place: Path) -> bool:
    """Write ``torch/extension.h`` and ``torch/types.h`` below ``place``, if they can do.

    Returns:
        False where the sources need more than operators.
    """
    if _NEEDS_ALL.search(sources):
        return False
    operators = _operators(sources, torch_include)
    if len(operators) > _MAX_OPERATORS:
        return False
    types = _HEAD + "".join(f"#include <ATen/ops/{name}.h>\n" for name in operators)
    (place / "torch").mkdir(parents=True, exist_ok=True)
    _write(place / "torch" / "types.h", types + _TAIL)
    extension = f"#pragma once\n#include <torch/types.h>\n{_PYTHON}"
    _write(place / "torch" / "extension.h", extension)
    return True


def _operators(sources: str, torch_include: Path) -> list[str]:
    words = set(_WORD.findall(sources))
    plain = {word.removesuffix("_") for word in words} | words
    directory = torch_include / "ATen" / "ops"
    return sorted(word for word in plain if (directory / f"{word}.h").is_file())


def _write(path: Path, text: str) -> None:
    """Only where it changes: ninja looks at the time of the last change."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
