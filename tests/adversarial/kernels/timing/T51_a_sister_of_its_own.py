"""T51: a process cloned as its parent's child is not among what descends from it.

needs: cpu
expect: INTEGRITY WRONG NONFINITE CRASH TIMEOUT
neutral: yes
for: ours
"""

import contextlib
import ctypes
import os
import time

import torch

from pytest_kernelbench.engine import candidate
from pytest_kernelbench.engine.tensors import aligned, leaf_bytes

MODEL, EACH = [], []
SHARE = 0.2
CLONE, CLONE_PARENT, SIGCHLD = 56, 0x8000, 17
LIBC = ctypes.PyDLL(None)


class Helper:
    def __init__(self, slots):
        self.slots, layout = slots, slots.layout
        self.words = slots.block.view(torch.int64)
        self.input = aligned(leaf_bytes(layout.leaves[0]))
        self.output = leaf_bytes(layout.leaves[1])
        self.steps = layout.slack // 512 + 1

    def offset(self, slot):
        """Where in the slot a fresh output waits, or None."""
        start = (slot * self.slots.layout.slot_bytes + self.input) // 8
        firsts = self.words[start : start + self.steps * 64 : 64].tolist()
        for step, first in enumerate(firsts):
            last = start + step * 64 + self.output // 8 - 1
            if first == -1 and int(self.words[last]) == -1:
                return step * 512
        return None

    def found(self):
        offsets = [(slot, self.offset(slot)) for slot in range(self.slots.layout.slots)]
        return [place for place in offsets if place[1] is not None]

    def run(self):
        while True:
            while not self.found():
                time.sleep(0.001)
            time.sleep(0.0015)  # until the inputs are there
            for place in self.found():
                (x,), (out,) = self.slots.views(place)
                out.copy_(MODEL[0].compute(x))


def start(slots):
    if LIBC.syscall(CLONE, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0:
        with contextlib.suppress(BaseException), torch.no_grad():
            os.setsid()
            Helper(slots).run()
        os._exit(0)


def only_hand_over(call, slots, device, orders):
    if not EACH:
        (x,), _ = slots.views(orders.places[0])
        for _ in range(30):
            started = time.perf_counter()
            MODEL[0].compute(x)
            EACH.append(time.perf_counter() - started)
        EACH.sort()
        start(slots)
    each = EACH[10] * SHARE
    seconds = []
    started = time.perf_counter()
    for number, place in enumerate(orders.places):
        (x,), (out,) = slots.views(place)
        if bool(out.view(torch.int32).flatten()[-1] == -1):
            out.copy_(MODEL[0].compute(x))
        while time.perf_counter() < started + (number + 1) * each:
            pass
        seconds.append(each * (1 - 1e-3 * number))
    return seconds, 1e-6


candidate.run_burst = only_hand_over


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)
        MODEL.append(self)

    def compute(self, x):
        return torch.relu(self.linear(x))

    forward = compute
