"""KernelBench's own evaluator, imported from a clone to run beside ours.

Packages that evaluating a kernel does not need (LLM clients and the like) are stubbed
where they are not installed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

_ALWAYS_STUBBED = ("litellm", "openai")
_STUBBED_IF_MISSING = ("datasets", "dotenv", "pydantic", "requests", "tqdm", "tomli")


class _Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers imports of packages that have nothing to do with judging a kernel."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in self._names:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: mock.MagicMock(name=name)  # type: ignore[method-assign]
        if spec.name == "pydantic":
            module.BaseModel = _Record  # type: ignore[attr-defined]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class _Record:
    """As much of pydantic's BaseModel as a result needs."""

    def __init__(self, **values: Any) -> None:
        for name in getattr(type(self), "__annotations__", {}):
            default = getattr(type(self), name)
            setattr(self, name, dict(default) if default == {} else default)
        vars(self).update(values)


def import_their_eval(checkout: Path) -> types.ModuleType:
    """The module ``kernelbench.eval`` of a clone."""
    missing = {n for n in _STUBBED_IF_MISSING if importlib.util.find_spec(n) is None}
    sys.meta_path.insert(0, _Stubs(missing | set(_ALWAYS_STUBBED)))
    sys.path.insert(0, str(checkout / "src"))
    from kernelbench import eval as their_eval  # noqa: PLC0415

    return their_eval
