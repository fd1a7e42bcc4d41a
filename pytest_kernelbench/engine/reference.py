"""A problem's own code at work: its model, its inputs, its output in two precisions.

This is the only place that runs a problem. Whatever fails in it is the problem's
fault and says so.
"""

from __future__ import annotations

import copy
import random
import sys
import types
from collections.abc import Callable
from typing import Any

import torch

from pytest_kernelbench.engine.auditing.redraws import generator_for, redrawn
from pytest_kernelbench.engine.devices import Device
from pytest_kernelbench.engine.tensors import Spec, describe, dtype_named


class ProblemFault(Exception):
    """The problem's own code fails: said once, never blamed on a kernel."""


class Reference:
    """A problem's model and inputs on the device."""

    def __init__(
        self, source: str, name: str, device: Device, precision: str, init_seed: int
    ) -> None:
        self.source = source
        self.dtype = dtype_named(precision)
        self._device = device
        module = types.ModuleType(f"problem_{id(self):x}")
        sys.modules[module.__name__] = module  # dataclasses look there
        self._module = module.__name__
        _faulting(name, lambda: exec(compile(source, name, "exec"), vars(module)))  # noqa: S102
        self._name = name
        self._get_inputs: Callable[[], Any] = self._member(module, "get_inputs")
        self._on_host = False
        get_init_inputs = getattr(module, "get_init_inputs", list)
        _seed_everything(init_seed)
        self.init = _faulting(f"{name}: get_init_inputs", get_init_inputs)
        model_class = self._member(module, "Model")
        _seed_everything(init_seed)
        model = _faulting(f"{name}: Model", lambda: model_class(*self.init))
        self.model: torch.nn.Module = model.to(device.torch_device, self.dtype)
        self._wide: torch.nn.Module | None = None
        self.mutated: set[int] = set()
        self.draws = False
        """Whether the model draws random numbers of its own, as dropout does."""
        self.run_bytes = 0
        """Of the device's memory, at most, while it ran once; 0 where nobody can tell."""

    def unload(self) -> None:
        sys.modules.pop(self._module, None)

    def probe(self, seed: int) -> tuple[list[Any], Any]:
        """Run once; notes what the problem does besides computing its output."""
        needed = self._device.watched_memory()
        inputs = self.inputs(seed)
        leaves: list[torch.Tensor] = []
        spec_of(f"{self._name}: get_inputs", inputs, leaves)
        versions = [leaf._version for leaf in leaves]  # noqa: SLF001 - its only name
        before = self._random_states()
        output = self.run(inputs)
        self.run_bytes = needed()
        self.draws = before != self._random_states()
        self.mutated = {
            index
            for index, leaf in enumerate(leaves)
            if leaf._version != versions[index]  # noqa: SLF001
        }
        return inputs, output

    def _random_states(self) -> list[bytes]:
        states = [torch.get_rng_state()]
        if self._device.torch_device.type == "cuda":
            states.append(torch.cuda.get_rng_state())
        return [bytes(state.tolist()) for state in states]

    def _member(self, module: types.ModuleType, name: str) -> Any:
        member = getattr(module, name, None)
        if member is None:
            raise ProblemFault(f"{self._name} defines no {name}")
        return member

    def inputs(self, seed: int, redraw: str = "") -> list[Any]:
        """The problem's inputs for a seed, on the device, floats in the precision.

        Args:
            seed: Decides all of them.
            redraw: One of ``redraws``, for inputs that ask more of a kernel.
        """
        made = [map_tensors(value, self._place) for value in self._make_inputs(seed)]
        if not redraw:
            return made
        generator = generator_for(seed, self._device.torch_device)
        return [map_tensors(v, lambda t: redrawn(t, redraw, generator)) for v in made]

    def _make_inputs(self, seed: int) -> list[Any]:
        if not self._on_host:
            _seed_everything(seed)
            try:
                with self._device.torch_device:
                    return list(self._get_inputs())
            except torch.OutOfMemoryError:
                raise
            except (Exception, SystemExit):  # noqa: BLE001 - told if it fails there, too
                self._on_host = True  # insists on the CPU: make there and move
        _seed_everything(seed)
        return list(_faulting(f"{self._name}: get_inputs", self._get_inputs))

    def _place(self, tensor: torch.Tensor) -> torch.Tensor:
        dtype = self.dtype if tensor.is_floating_point() else tensor.dtype
        # Bytes are compared later on, and cannot be looked at through a conjugation.
        plain = tensor.detach().resolve_conj().resolve_neg()
        return plain.to(self._device.torch_device, dtype)

    def unshared(self, inputs: list[Any]) -> list[Any]:
        """Inputs that can be given to ``run`` and used once more."""
        if not self.mutated:
            return inputs
        return [map_tensors(value, torch.clone) for value in inputs]

    def run(self, inputs: list[Any]) -> Any:
        return _faulting(f"{self._name}: forward", lambda: self.model(*inputs))

    def answers(
        self, inputs: list[Any], draw: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor] | list[None]]:
        """The tensors of its output, and the same in float64 where that works.

        Args:
            inputs: Of one call; the problem may change them.
            draw: Seeds what the model itself draws.
        """
        exact = self.exact(inputs)  # first, on copies
        expected = self.expected(inputs, draw)
        return expected, exact or [None] * len(expected)

    def expected(self, inputs: list[Any], draw: int) -> list[torch.Tensor]:
        """The tensors of its output; arguments as for ``answers``."""
        torch.manual_seed(draw)
        return tensors_of(self.run(inputs))

    def exact(self, inputs: list[Any]) -> list[torch.Tensor] | None:
        """The same in float64, or None where that does not fit or does not work."""
        wide = self.run_wide(inputs)
        return None if wide is None else tensors_of(wide)

    def run_wide(self, inputs: list[Any]) -> Any:
        """The same in float64, or None where it does not fit or does not work."""
        if self.draws:  # float64 would draw other numbers
            return None
        needed = 3 * sum(map(_wide_bytes, tensors_of(inputs)))
        if needed > self._device.free_bytes():
            return None
        try:
            if self._wide is None:
                self._wide = copy.deepcopy(self.model).double()
            return self._wide(*[map_tensors(value, _widened) for value in inputs])
        except Exception:  # noqa: BLE001 - a problem need not work in float64
            return None


def _faulting(what: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except torch.OutOfMemoryError:
        raise
    except (Exception, SystemExit) as error:
        raise ProblemFault(f"{what}: {type(error).__name__}: {error}") from error


def _seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)


def map_tensors(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        items = [map_tensors(item, change) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: map_tensors(item, change) for key, item in value.items()}
    return value


def tensors_of(value: Any) -> list[torch.Tensor]:
    leaves: list[torch.Tensor] = []
    describe(value, leaves)
    return leaves


def spec_of(what: str, value: Any, leaves: list[torch.Tensor]) -> Spec:
    """``describe`` for what a problem returns."""
    try:
        return describe(value, leaves)
    except TypeError as error:
        message = f"{what} returns {error}, which cannot be shared with a kernel"
        raise ProblemFault(message) from None


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    # A copy in any case: the float64 run must not see what an in-place op changed.
    return tensor.double() if tensor.is_floating_point() else tensor.clone()


def _wide_bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * 8
