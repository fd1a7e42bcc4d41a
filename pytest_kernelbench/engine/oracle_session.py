"""One problem at work for one evaluation: the oracle's answers about it.

What the kernel returned is frozen in this process's memory first; only then does the
controller draw which calls are verified, and only then is computed what they should
have returned.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from pytest_kernelbench.engine.arenas import CudaBlocks, CudaIpcError, map_host_block
from pytest_kernelbench.engine.auditing.nulls import audit
from pytest_kernelbench.engine.channel import (
    Message,
)
from pytest_kernelbench.engine.compare import (
    Comparison,
    Tolerance,
    compare,
    compare_to_exact,
)
from pytest_kernelbench.engine.devices import Device
from pytest_kernelbench.engine.graphs import Recording
from pytest_kernelbench.engine.reference import (
    ProblemFault,
    Reference,
    spec_of,
    tensors_of,
)
from pytest_kernelbench.engine.tensors import (
    Layout,
    Place,
    Slots,
    Spec,
    aligned,
    describe,
    leaf_bytes,
    leaf_spec,
    leaf_specs,
    tree_bytes,
    view,
)
from pytest_kernelbench.engine.timing import Call, Orders, run_burst
from pytest_kernelbench.engine.traffic import (
    cache_bytes,
    least_bytes,
)

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_MOST_TOGETHER = 1 << 31
"""Elements of a tensor; some versions of torch count them in 32 bits where it copies
several together."""
_POISON = 0xFF
"""Bytes that are NaN in every floating dtype and -1 in every integer."""


class Session:
    """One problem at work for one evaluation."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._blocks = CudaBlocks() if device.torch_device.type == "cuda" else None
        self._reference: Reference | None = None
        self._baseline: Call | None = None
        self._compiled: Call | None = None
        self._recording: Recording | None = None
        self._shared: dict[str, Slots] = {}
        self._own: Slots | None = None
        self._fresh: list[list[Any]] = []
        self._frozen: dict[str, list[list[torch.Tensor]]] = {}

    def do_load(
        self, source: str, name: str, precision: str, init_seed: int, probe_seed: int
    ) -> Message:
        """Load a problem and learn the form of everything it has."""
        reference = Reference(source, name, self._device, precision, init_seed)
        inputs, output = reference.probe(probe_seed)
        self._reference, self._baseline = reference, reference.model
        init_leaves: list[torch.Tensor] = []
        state = reference.model.state_dict()
        specs = {
            "init": spec_of(f"{name}: get_init_inputs", reference.init, init_leaves),
            "inputs": spec_of(f"{name}: get_inputs", inputs, []),
            "outputs": spec_of(f"{name}: forward", output, []),
        }
        if not specs_have_tensor(specs["outputs"]):
            raise ProblemFault(f"{name}: forward returns no tensor")
        return {
            **specs,
            "init_leaves": _placed(init_leaves),
            "init_bytes": _block_bytes(init_leaves),
            "state": [[key, leaf_spec(value)] for key, value in state.items()],
            "state_leaves": _placed(list(state.values())),
            "state_bytes": _block_bytes(list(state.values())),
            "slot_bytes": Layout(
                inputs=specs["inputs"], outputs=specs["outputs"], slots=1, slack=0
            ).slot_bytes,
            "run_bytes": reference.run_bytes,
            "free_bytes": self._device.free_bytes(),
            "device_bytes": self._device.total_bytes(),
            "touched_bytes": sum(
                leaf_bytes(leaf)
                for leaf in (
                    *leaf_specs(specs["inputs"]),
                    *leaf_specs(specs["outputs"]),
                    *map(leaf_spec, state.values()),
                )
            ),
            "draws": reference.draws,
            "device_name": self._device.name,
            "environment": self._device.environment(),
        }

    def do_audit(self, seed: int, tolerance: str, seconds: float) -> Message:
        """Try null kernels and lower precisions on the problem."""
        reference = self._loaded()
        found = audit(reference, seed, tolerance, seconds)
        cache = cache_bytes(self._device.torch_device)
        least = 0 if "skipped" in found else least_bytes(reference, seed, cache)
        return {**found, "least_bytes": least}

    def do_export(self, what: str, descriptors: list[int]) -> Message:
        """Write the init inputs' or the weights' tensors into a host block."""
        block = map_host_block(descriptors[0])
        leaves: list[torch.Tensor] = []
        if what == "init":
            describe(self._loaded().init, leaves)
        else:
            leaves = list(self._loaded().model.state_dict().values())
        for leaf, place in zip(leaves, _placed(leaves), strict=True):
            view(block, place["start"], place).copy_(leaf)
        return {}

    def do_attach(
        self,
        side: str,
        layout: Message,
        handle: str | None,
        descriptors: Sequence[int] = (),
    ) -> Message:
        """Open a candidate's slots and have room for the same of our own."""
        made = Layout(**layout)
        self._device.make_room(made.slot_bytes)
        if descriptors:
            block = map_host_block(descriptors[0])
        else:
            assert self._blocks is not None
            assert handle is not None
            try:
                block = self._blocks.open(handle, made.total_bytes)
            except CudaIpcError as error:
                return {"opened": False, "message": str(error)}
        self._shared[side] = Slots(made, block)
        if self._own is None:
            self._own = Slots(made, self._private_block(made.total_bytes))
        return {"opened": True}

    def _private_block(self, size: int) -> torch.Tensor:
        """Memory of the same kind as the candidate's: huge pages would be faster."""
        if self._device.torch_device.type == "cpu":
            descriptor = os.memfd_create("oracle")
            os.ftruncate(descriptor, size)
            return map_host_block(descriptor)
        return torch.empty(size, dtype=torch.uint8, device="cuda")

    def do_fill(self, seeds: list[int], redraws: list[str]) -> Message:
        """Make a burst's inputs, in memory that no kernel can look at."""
        self._frozen = {}
        self._fresh = []
        self._fresh = [
            self._loaded().inputs(seed, redraw)
            for seed, redraw in zip(seeds, redraws, strict=True)
        ]
        self._wait()
        return {}

    def do_publish(self, places: list[Place], side: str | None) -> Message:
        """Poison the outputs of our own or a candidate's slots, put the inputs there.

        Returns when the inputs began to be there, by ``time.perf_counter``.
        """
        slots = self._ours() if side is None else self._shared[side]
        targets: list[torch.Tensor] = []
        for place in places:
            inputs, outputs = slots.views(place)
            targets += inputs
            for target in outputs:
                _bytes_of(target).fill_(_POISON)
        values = [leaf for inputs in self._fresh for leaf in tensors_of(inputs)]
        self._wait()
        began = time.perf_counter()
        _copy_all(targets, values)
        self._wait()
        return {"began": began}

    def do_freeze(self, side: str, places: list[Place]) -> Message:
        """Copy what a candidate returned to where it cannot be changed any more."""
        device, slots = self._device.torch_device, self._shared[side]
        self._frozen[side] = [
            [leaf.to(device, copy=True) for leaf in slots.views(place)[1]]
            for place in places
        ]
        self._wait()
        return {}

    def do_verify(
        self, side: str, call: int, place: Place, draw: int, tolerance: str
    ) -> Message:
        """Compare one frozen output with what the problem returns for its inputs."""
        reference = self._loaded()
        # Copies where the problem changes them: another side may be verified as well.
        inputs = reference.unshared(self._fresh[call])
        theirs, _ = self._shared[side].views(place)
        changed = self._changed_inputs(theirs, tensors_of(inputs))
        exact = reference.exact(inputs)
        comparisons = _compared(
            self._frozen[side][call],
            exact,
            lambda: reference.expected(inputs, draw),
            tolerance,
        )
        return {
            "outputs": [_found(comparison) for comparison in comparisons],
            "changed_inputs": changed,
            "float64": exact is not None,
        }

    def _changed_inputs(
        self, theirs: list[torch.Tensor], fresh: list[torch.Tensor]
    ) -> list[int]:
        """Inputs that the kernel changed and the problem does not."""
        device = self._device.torch_device
        return [
            index
            for index, (kept, value) in enumerate(zip(theirs, fresh, strict=True))
            if index not in self._loaded().mutated
            and not torch.equal(_bits(kept.to(device)), _bits(value))
        ]

    def do_record(self, places: list[Place]) -> Message:
        """Record the problem's calls as CUDA graphs, or say why that is not possible."""
        assert self._baseline is not None
        try:
            self._recording = Recording(self._baseline, self._ours(), places)
        except Exception as error:  # noqa: BLE001 - whatever the problem or CUDA throws
            return {"recorded": False, "message": f"{type(error).__name__}: {error}"}
        return {"recorded": True}

    def do_baseline(self, orders: Message) -> Message:
        """Time the problem itself on the same inputs, through the same loop."""
        assert self._baseline is not None
        told, call = Orders(**orders), self._baseline
        if told.replayed:
            assert self._recording is not None
            call = self._recording.replay(told.places)
        seconds, host_seconds = run_burst(call, self._ours(), self._device, told)
        return {"seconds": seconds, "host_seconds": host_seconds}

    def do_compile(self) -> Message:
        """Compile the problem, or say why that is not possible."""
        try:
            compiled = torch.compile(self._loaded().model)
            compiled(*self._loaded().inputs(0))
        except Exception as error:  # noqa: BLE001 - whatever the compiler throws
            return {"compiled": False, "message": f"{type(error).__name__}: {error}"}
        self._compiled = compiled
        return {"compiled": True}

    def do_use(self, baseline: str) -> Message:
        """Choose what is timed as the baseline: ``eager`` or ``compile``."""
        compiled = baseline == "compile"
        self._baseline = self._compiled if compiled else self._loaded().model
        return {}

    def end(self) -> None:
        """Let go of the problem and of the candidates' memory."""
        self.forget_calls()
        self._shared, self._own = {}, None
        if self._blocks is not None:
            self._blocks.close_opened()
        if self._reference is not None:
            self._reference.unload()
        self._reference = self._baseline = self._compiled = self._recording = None

    def forget_calls(self) -> None:
        """Let go of the inputs and outputs of the last burst."""
        self._fresh, self._frozen = [], {}

    def _loaded(self) -> Reference:
        assert self._reference is not None
        return self._reference

    def _ours(self) -> Slots:
        assert self._own is not None
        return self._own

    def _wait(self) -> None:
        if self._device.torch_device.type == "cuda":
            torch.cuda.synchronize()


def _compared(
    outputs: list[torch.Tensor],
    exact: list[torch.Tensor] | None,
    expected: Callable[[], list[torch.Tensor]],
    tolerance: str,
) -> list[Comparison]:
    """All outputs of a call; the problem itself is only run where float64 is no help."""
    judged = [Tolerance.parse(tolerance, output.dtype) for output in outputs]
    if exact is not None:
        sure = [
            compare_to_exact(*side) for side in zip(outputs, exact, judged, strict=True)
        ]
        found = [comparison for comparison in sure if comparison is not None]
        if len(found) == len(outputs):
            return found
    oracles: Sequence[torch.Tensor | None] = exact or [None] * len(outputs)
    sides = zip(outputs, expected(), oracles, judged, strict=True)
    return [compare(*side) for side in sides]


def specs_have_tensor(spec: Spec) -> bool:
    return tree_bytes(spec) > 0


def _placed(leaves: list[torch.Tensor]) -> list[Message]:
    start, placed = 0, []
    for leaf in leaves:
        spec = leaf_spec(leaf)
        placed.append({**spec, "start": start})
        start += aligned(leaf_bytes(spec))
    return placed


def _block_bytes(leaves: list[torch.Tensor]) -> int:
    return sum(aligned(leaf_bytes(leaf_spec(leaf))) for leaf in leaves)


def _copy_all(targets: list[torch.Tensor], values: list[torch.Tensor]) -> None:
    """In one launch if that can be: each by itself takes longer to launch than to run.

    As integers, because a NaN does not keep its bits as a number.
    """
    together = all(
        value.itemsize in _INTEGERS and value.numel() < _MOST_TOGETHER
        for value in values
    )
    if values and together:
        torch._foreach_copy_(
            [*map(_as_integers, targets)], [*map(_as_integers, values)]
        )
        return
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)


def _as_integers(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(_INTEGERS[tensor.itemsize])


def _bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    """All bytes of a dense tensor, whatever its strides."""
    flat = tensor.as_strided((tensor.numel(),), (1,))
    return flat.view(torch.uint8)


def _found(comparison: Comparison) -> Message:
    return {
        "passed": comparison.passed,
        "elements": comparison.elements,
        "mismatched": comparison.mismatched,
        "nonfinite": comparison.nonfinite,
        "max_error": comparison.max_error,
        "allowed": comparison.allowed,
        "vague": comparison.vague,
    }


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """As integers, so that NaN equals itself."""
    dense = tensor.contiguous()
    return _as_integers(dense) if dense.itemsize in _INTEGERS else _bytes_of(dense)
