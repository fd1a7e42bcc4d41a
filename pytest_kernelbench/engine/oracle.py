"""The trusted side on the device: inputs, expected outputs, comparison, baseline.

A process that runs the problems' own code and never a line of a kernel's. Each
evaluation has a session of its own; what belongs to the device is answered here.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import sys
import time
from collections.abc import Callable

import torch

from pytest_kernelbench.engine.channel import (
    ChannelClosed,
    DescriptorChannel,
    Message,
)
from pytest_kernelbench.engine.devices import Device, open_device
from pytest_kernelbench.engine.oracle_session import Session
from pytest_kernelbench.engine.reference import (
    ProblemFault,
)
from pytest_kernelbench.engine.traffic import (
    cache_bytes,
    peak_bandwidth,
)

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


class Oracle:
    """Answers the controller's messages about one device, a session per evaluation."""

    def __init__(self, channel: DescriptorChannel, device: Device) -> None:
        self._channel = channel
        self._device = device
        self._sessions: dict[int, Session] = {}
        self._peak = 0.0

    def serve(self) -> None:
        """Answer until the controller hangs up."""
        while True:
            message = self._channel.receive()
            self._channel.send(self._answer(message))

    def _answer(self, message: Message) -> Message:
        name, do = message.pop("session"), message.pop("do")
        if name not in self._sessions:  # making one waits for the device
            self._sessions[name] = Session(self._device)
        session = self._sessions[name]
        descriptors = self._channel.take_descriptors()
        if descriptors:
            message["descriptors"] = descriptors
        try:
            with torch.no_grad():
                if do == "idle":
                    return self._wait_for_idle(**message)
                if do == "bandwidth":
                    return self._bandwidth(**message)
                if do == "end":
                    return self._end(name)
                handler: Callable[..., Message] = getattr(session, f"do_{do}")
                return handler(**message)
        except ProblemFault as error:
            sound = self._device.is_sound()
            return {"failed": "problem", "message": str(error), "sound": sound}
        except torch.OutOfMemoryError as error:
            session.forget_calls()
            self._device.release()
            return {"failed": "memory", "message": str(error).splitlines()[0]}

    def _end(self, name: int) -> Message:
        self._sessions.pop(name).end()
        # Freeing makes what others allocate next slower.
        if not self._sessions or self._device.hoards():
            self._device.release()
        return {}

    def _bandwidth(self, *, again: bool) -> Message:
        """Measured once, or once more; the best counts."""
        if again or not self._peak:
            self._peak = max(self._peak, peak_bandwidth(self._device))
        return {"peak": self._peak, "cache": cache_bytes(self._device.torch_device)}

    def _wait_for_idle(self, seconds: float) -> Message:
        give_up = time.monotonic() + seconds
        while not (idle := self._device.is_idle()) and time.monotonic() < give_up:
            pass
        return {"since": time.perf_counter() if idle else None}


def main() -> None:
    """Serve on the socket whose number is the first argument, for one device."""
    channel = DescriptorChannel(socket.socket(fileno=int(sys.argv[1])))
    start = channel.receive()
    # PyTorch's defaults, said aloud on both sides: TF32 in convolutions, not in matmul.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)  # no kernel reads or traces us
    device = open_device(start["device"])
    channel.send({"ready": True})
    with contextlib.suppress(ChannelClosed):
        Oracle(channel, device).serve()


if __name__ == "__main__":
    main()
