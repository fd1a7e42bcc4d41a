"""What a Python kernel is written in, told from its imports and calls.

The word steers the build and the reports; a kernel that hides it gains nothing,
since nothing here is trusted with a verdict.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_LANGUAGES = {
    "tilelang": "tilelang",
    "cutlass": "cute",
    "thunderkittens": "thunderkittens",
    "cuda.tile": "cutile",
    "helion": "helion",
    "cupy": "cupy",
    "numba.cuda": "numba",
}
"""Modules that are a language of their own, with the backend's name."""

_EXTENSION = "torch.utils.cpp_extension"
_HIP_SIGNS = ("hipcc", "hip/hip_runtime.h", "hip_runtime.h")


def backend_of(tree: ast.Module) -> str:
    """One word; the most particular one where a kernel mixes several."""
    imports = _imports(tree)
    modules = set(imports.values())
    for module, backend in _LANGUAGES.items():
        if _any_within(modules, module):
            return backend
    extensions = {_extension(call, imports) for call in _calls(tree)} - {None}
    if extensions and _mentions(tree, _HIP_SIGNS):
        return "hip"
    for backend in ("hip", "cuda"):
        if backend in extensions:
            return backend
    if _any_within(modules, "triton"):
        return "triton"
    return "cpp" if extensions else "pytorch"


def only_calls_pytorch(tree: ast.Module) -> bool:
    """Whether nothing in it is a kernel, as far as text can tell.

    A kernel for Triton must be mentioned outside of itself: one that nobody launches
    is for show.
    """
    backend = backend_of(tree)
    if backend != "triton":
        return backend == "pytorch"
    imports = _imports(tree)
    jitted = {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _is_jitted(node, imports)
    }
    inside = {id(part) for node in jitted.values() for part in ast.walk(node)}
    return not any(
        isinstance(node, ast.Name) and node.id in jitted and id(node) not in inside
        for node in ast.walk(tree)
    )


def _is_jitted(function: ast.FunctionDef, imports: dict[str, str]) -> bool:
    decorators = (
        one.func if isinstance(one, ast.Call) else one
        for one in function.decorator_list
    )
    names = {_dotted(decorator, imports) for decorator in decorators}
    return any(name.startswith("triton.") for name in names)


def _imports(tree: ast.Module) -> dict[str, str]:
    """Each name that an import binds, anywhere, with the dotted name behind it."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                # ``import a.b`` binds ``a`` and still loads ``a.b``.
                bound[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return bound


def _any_within(modules: set[str], package: str) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for module in modules)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _extension(call: ast.Call, imports: dict[str, str]) -> str | None:
    """``cuda``, ``hip`` or ``cpp`` if the call builds an extension."""
    name = _dotted(call.func, imports)
    if name == f"{_EXTENSION}.load_inline":
        given = _argument(call, "cuda_sources", 2)
        return "cpp" if given is None or _is_empty(given) else "cuda"
    if name in (f"{_EXTENSION}.load", f"{_EXTENSION}.CUDAExtension"):
        return _language_of_files(_argument(call, "sources", 1))
    if name == "torch.cuda._compile_kernel":
        return "cuda"
    return None


def _dotted(node: ast.expr, imports: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, imports)}.{node.attr}"
    return imports.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _argument(call: ast.Call, keyword: str, position: int) -> ast.expr | None:
    for given in call.keywords:
        if given.arg == keyword:
            return given.value
    return call.args[position] if len(call.args) > position else None


def _is_empty(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=None | ""):
            return True
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return all(_is_empty(item) for item in items)
    return False


def _language_of_files(sources: ast.expr | None) -> str:
    """By suffix; sources that are not spelled out are taken for CUDA."""
    names = [] if sources is None else list(_strings(sources))
    if any(name.endswith(".hip") for name in names):
        return "hip"
    if names and not any(name.endswith((".cu", ".cuh")) for name in names):
        return "cpp"
    return "cuda"


def _mentions(tree: ast.Module, signs: tuple[str, ...]) -> bool:
    return any(sign in text for text in _strings(tree) for sign in signs)


def _strings(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
