"""The runner inside the untrusted process: small enough to audit in one sitting.

Assume that the kernel owns this process: it can rewrite any line of this file in
memory. So nothing that arrives here is secret (no reference, no expected output, no
input seed, no limit, no hint which call is checked or timed), and nothing that
leaves it is believed: tensors are judged by the oracle, seconds are held against the
controller's own clock, and a message can at worst be a failure of this kernel.

Standard library and torch only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import re
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from pytest_kernelbench.engine.arenas import (
    CudaBlocks,
    CudaIpcError,
    map_host_block,
)
from pytest_kernelbench.engine.channel import ChannelError, DescriptorChannel, Message
from pytest_kernelbench.engine.devices import Device, open_device
from pytest_kernelbench.engine.graphs import Recording
from pytest_kernelbench.engine.tensors import (
    Layout,
    Place,
    Slots,
    dtype_named,
    leaf_spec,
    rebuild,
    view,
)
from pytest_kernelbench.engine.timing import Call, Orders, OutputMismatch, run_burst

_MAX_TEXT = 32_000


class Candidate:
    """Answers the controller's messages about one kernel."""

    def __init__(self, channel: DescriptorChannel) -> None:
        self._channel = channel
        self._entry: Any = None
        self._call: Call | None = None
        self._device: Device | None = None
        self._model: torch.nn.Module | None = None
        self._slots: Slots | None = None
        self._staging: torch.Tensor | None = None
        self._recording: Recording | None = None

    def serve(self) -> None:
        """Answer until the controller hangs up."""
        while True:
            message = self._channel.receive()
            self._channel.send(self._answer(message))

    def _answer(self, message: Message) -> Message:
        handler: Callable[..., Message] = getattr(self, f"do_{message.pop('do')}")
        try:
            with torch.no_grad():
                return handler(**message)
        except OutputMismatch as error:
            return {"failed": error.kind, "message": str(error)}
        except BaseException as error:  # noqa: BLE001 - SystemExit is an outcome too
            return _failure(error)

    def do_build(
        self, path: str, language: str, entry: str, headers: Message | None
    ) -> Message:
        """Import the kernel, which for most backends compiles it."""
        source = Path(path)
        extensions = None
        if headers is not None:
            from pytest_kernelbench.engine.building import extensions as lean  # noqa: PLC0415

            extensions = lean.extensions_for(source, headers)
        if language == "python":
            self._entry = getattr(_import_file(source), entry)
        else:
            self._entry = getattr(_build_extension(source, entry), entry)
        return {"headers": extensions.headers if extensions else ""}

    def do_construct(
        self, device: str, precision: str, init: Message, seed: int
    ) -> Message:
        """Make the model from its init inputs; nothing here depends on an input."""
        self._device = open_device(device)
        if not inspect.isclass(self._entry):
            self._call = self._entry
            return {"state": []}
        leaves = _unshare(self._take_blocks(), init["leaves"])
        torch.manual_seed(seed)
        arguments = rebuild(init["spec"], leaves)
        model: Any = self._entry(*arguments)
        if isinstance(model, torch.nn.Module):
            model = model.to(self._device.torch_device, dtype_named(precision))
            self._model = model
            state = [[name, leaf_spec(t)] for name, t in model.state_dict().items()]
        else:
            state = []
        self._call = model
        return {"state": state}

    def do_weights(self, leaves: list[Message], names: list[str]) -> Message:
        """Take the problem's weights, so that both sides compute with the same."""
        values = _unshare(self._take_blocks(), leaves)
        device = self._require_device().torch_device
        values = [value.to(device) for value in values]
        if self._model is not None and isinstance(self._call, torch.nn.Module):
            state = dict(zip(names, values, strict=True))
            self._model.load_state_dict(state, strict=False)
        elif self._call is not None:
            # A bare function takes the problem's weights after the inputs.
            self._call = _with_weights(self._call, values)
        return {}

    def do_share(self, layout: Message) -> Message:
        """Provide the slots, in device memory that the oracle can open if possible."""
        made = Layout(**layout)
        self._require_device().make_room(made.slot_bytes)
        blocks = self._take_blocks()
        if self._require_device().torch_device.type == "cpu":
            self._slots = Slots(made, blocks[0])
            return {}
        if blocks:  # the oracle cannot open ours: go through the host
            self._staging = blocks[0]
            self._slots = Slots(made, torch.empty_like(blocks[0], device="cuda"))
            return {}
        try:
            block, handle = CudaBlocks().allocate(made.total_bytes)
        except CudaIpcError:
            return {"handle": None}
        self._slots = Slots(made, block)
        return {"handle": handle}

    def do_record(self, places: list[Place]) -> Message:
        """Record the kernel's calls as CUDA graphs, one for each place."""
        assert self._call is not None
        assert self._slots is not None
        self._recording = Recording(self._call, self._slots, places)
        return {}

    def do_burst(self, orders: Message) -> Message:
        """Call the kernel on each place in turn."""
        assert self._call is not None
        assert self._slots is not None
        told, call = Orders(**orders), self._call
        if told.replayed:
            assert self._recording is not None
            call = self._recording.replay(told.places)
        if self._staging is not None:
            self._slots.block.copy_(self._staging)
        seconds, host_seconds = run_burst(
            call, self._slots, self._require_device(), told
        )
        if self._staging is not None:
            self._staging.copy_(self._slots.block)
        return {"seconds": seconds, "host_seconds": host_seconds}

    def do_nothing(self) -> Message:
        """Answer: what that takes is what it takes to be asked. No kernel is."""
        return {}

    def do_resources(self, path: str) -> Message:
        """Read what was compiled; asked of a process that has met no kernel."""
        from pytest_kernelbench.engine.building import resources  # noqa: PLC0415 - seldom asked

        return {"usages": resources.usages_below(Path(path))}

    def _require_device(self) -> Device:
        assert self._device is not None
        return self._device

    def _take_blocks(self) -> list[torch.Tensor]:
        return [map_host_block(fd) for fd in self._channel.take_descriptors()]


def _with_weights(function: Call, weights: list[torch.Tensor]) -> Call:
    return lambda *inputs: function(*inputs, *weights)


def _unshare(blocks: list[torch.Tensor], leaves: list[Message]) -> list[torch.Tensor]:
    """Copy tensors out of a shared block, so that they stay when it is reused."""
    return [view(blocks[0], leaf["start"], leaf).clone() for leaf in leaves]


def _import_file(path: Path) -> ModuleType:
    # From a real file, because Triton reads the source of a kernel.
    # The name must not be a library's: a kernel in triton.py may import triton.
    name = f"kernelbench_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _build_extension(path: Path, entry: str) -> ModuleType:
    from torch.utils import cpp_extension  # noqa: PLC0415 - imports much

    source = path.read_text(encoding="utf-8")
    name = "kernel_" + re.sub(r"\W", "_", path.stem)
    if "PYBIND11_MODULE" in source:
        return _module(cpp_extension.load(name, [str(path)]))
    declaration = re.search(
        rf"^[\w:<>,&*\s]+?\b{entry}\s*\([^)]*\)", source, re.MULTILINE
    )
    if declaration is None:
        raise NameError(f"no function {entry}() and no PYBIND11_MODULE in {path.name}")
    source = f'#line 1 "{path}"\n{source}'  # diagnostics name the user's own lines
    if path.suffix == ".cpp":
        return _module(cpp_extension.load_inline(name, source, functions=[entry]))
    header = f"#include <torch/extension.h>\n{declaration[0].strip()};"
    return _module(cpp_extension.load_inline(name, header, source, functions=[entry]))


def _module(extension: Any) -> ModuleType:
    assert isinstance(extension, ModuleType)
    return extension


def _failure(error: BaseException) -> Message:
    kind = "OOM" if _is_out_of_memory(error) else "CRASH"
    if type(error).__name__ in ("CompilationError", "CompileTimeAssertionFailure"):
        kind = "BUILD"  # Triton compiles at the first call
    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(__file__).parent)
    shown = [
        frame
        for frame in frames
        if not frame.filename.startswith((ours, "<frozen importlib"))
    ]
    lines = traceback.format_list(shown) + traceback.format_exception_only(error)
    return {
        "failed": kind,
        "message": f"{type(error).__name__}: {error}"[:_MAX_TEXT],
        "traceback": "".join(lines)[-_MAX_TEXT:],
    }


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def main(connection: socket.socket) -> None:
    """Serve the controller at the other end of ``connection``."""
    channel = DescriptorChannel(connection)
    with contextlib.suppress(ChannelError):
        channel.send({"ready": True})
        Candidate(channel).serve()
