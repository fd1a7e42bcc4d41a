"""A program: can one process open the GPU memory that another has allocated?

The driver's own API, so that it takes neither torch nor a compiler. The parent
allocates and offers, as a kernel's process does; its child opens, as the oracle does.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

_BYTES = 2 << 20
_LAZY_PEER_ACCESS = 1
_SECONDS = 20


class _Handle(ctypes.Structure):
    _fields_ = (("reserved", ctypes.c_byte * 64),)


class _Driver:
    """libcuda with the first visible device made current."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            sys.exit(f"{name} answers with error {status}")


def _offer() -> None:
    driver, address, handle = _Driver(), ctypes.c_uint64(), _Handle()
    driver.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(_BYTES))
    driver.call("cuIpcGetMemHandle", ctypes.byref(handle), address)
    child = [sys.executable, "-P", "-m", __spec__.name, bytes(handle.reserved).hex()]
    sys.exit(subprocess.run(child, check=False, timeout=_SECONDS).returncode)


def _open(text: str) -> None:
    driver, address = _Driver(), ctypes.c_uint64()
    handle = _Handle.from_buffer_copy(bytes.fromhex(text))
    flags = ctypes.c_uint(_LAZY_PEER_ACCESS)
    driver.call("cuIpcOpenMemHandle_v2", ctypes.byref(address), handle, flags)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _open(sys.argv[1])
    else:
        _offer()
