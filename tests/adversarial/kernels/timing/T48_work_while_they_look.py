"""T48: a process of another group works while those of the kernel are looked for.

needs: cpu
expect: INTEGRITY WRONG NONFINITE
neutral: yes
for: ours
"""

import contextlib
import ctypes
import json
import mmap
import os
import signal
import time

import torch

from pytest_kernelbench.engine import candidate

MODEL, PIPES, EACH = [], [], []
ZOMBIES, HELPERS = 500, 24
LEFT = mmap.mmap(-1, 4096)
LIBC = ctypes.CDLL(None)


def help_once(slots, reading):
    places = json.loads(os.read(reading, 65536))
    os.setpgid(0, 0)
    LEFT[0] = 1
    for place in places:
        (x,), (out,) = slots.views(place)
        out.copy_(MODEL[0].compute(x))


def start(slots):
    for _ in range(HELPERS):
        reading, writing = os.pipe()
        if os.fork() == 0:
            LIBC.prctl(1, signal.SIGKILL)
            with contextlib.suppress(BaseException), torch.no_grad():
                help_once(slots, reading)
            while True:
                signal.pause()
        PIPES.append(writing)
    if os.fork() == 0:  # its children are a list that takes long to read
        LIBC.prctl(1, signal.SIGKILL)
        for _ in range(ZOMBIES):
            if os.fork() == 0:
                os._exit(0)
        os.write(PIPES[0], b"[]")
        while True:
            signal.pause()
    time.sleep(4)
    PIPES.pop(0)


def promise(call, slots, device, orders):
    if not EACH:
        (x,), _ = slots.views(orders.places[0])
        for _ in range(30):
            started = time.perf_counter()
            MODEL[0].compute(x)
            EACH.append(time.perf_counter() - started)
        EACH.sort()
        start(slots)
    each = EACH[10] * 0.4
    LEFT[0] = 0
    os.write(PIPES.pop(0), json.dumps(orders.places).encode())
    count = len(orders.places)
    until = time.perf_counter() + each * count
    while time.perf_counter() < until or not LEFT[0]:
        pass
    return [each * (1 - 1e-3 * n) for n in range(count)], 1e-6


candidate.run_burst = promise


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)
        MODEL.append(self)

    def compute(self, x):
        return torch.relu(self.linear(x))

    forward = compute
