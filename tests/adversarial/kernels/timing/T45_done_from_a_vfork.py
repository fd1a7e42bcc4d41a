"""T45: a vfork says that all is done and works on, while its parent cannot be stopped.

needs: cpu
expect: INTEGRITY WRONG NONFINITE
neutral: yes
for: ours
"""

import ctypes
import os
import time

import torch

from pytest_kernelbench.engine import candidate
from pytest_kernelbench.engine.channel import Channel

REAL, SEND, LATER = candidate.run_burst, Channel.send, []
LIBC = ctypes.PyDLL(None, use_errno=True)
FN = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
STACK = ctypes.create_string_buffer(8 << 20)
TOP = (ctypes.addressof(STACK) + len(STACK) - 64) & ~63
FLAGS = 0x100 | 0x4000 | 17  # CLONE_VM | CLONE_VFORK | SIGCHLD
LIBC.clone.argtypes = [FN, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
BEST = []


def promise(call, slots, device, orders):
    n = len(orders.places)
    started = time.perf_counter()
    if len(BEST) < 3:
        out = REAL(call, slots, device, orders)
        BEST.append(min(out[0]))
        return out
    claim = sorted(BEST)[0] / 4
    LATER.append(lambda: REAL(call, slots, device, orders))
    while time.perf_counter() < started + n * claim * 1.02:
        pass
    return [claim * (1 + 1e-3 * i) for i in range(n)], 1e-6


def send(self, message, descriptors=()):
    if not LATER:
        return SEND(self, message, descriptors)
    work = LATER.pop()

    def child(_):
        try:
            LIBC.setsid()
            SEND(self, message)
            with torch.no_grad():
                work()
        except BaseException as error:
            os.write(2, repr(error).encode())
        return 0

    keep = FN(child)
    pid = LIBC.clone(keep, TOP, FLAGS, None)
    os.waitpid(pid, 0)


candidate.run_burst = promise
Channel.send = send


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        torch.set_num_threads(1)
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.relu(self.linear(x))
