"""T35b: as T35, from a process of another session, which is not stopped with its parent.

needs: cpu
expect: INTEGRITY WRONG NONFINITE TIMEOUT CRASH
neutral: yes
for: ours
timeout: 10
"""

import os
import time

import torch

from pytest_kernelbench.engine import candidate
from pytest_kernelbench.engine.tensors import aligned, leaf_bytes

MODEL = []


class Watcher:
    def __init__(self, slots):
        self.slots, layout = slots, slots.layout
        self.words = slots.block.view(torch.int64)
        self.input = aligned(leaf_bytes(layout.leaves[0]))
        self.output = leaf_bytes(layout.leaves[1])
        self.end = time.monotonic() + 30
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

    def run(self):
        with torch.no_grad():
            while os.getppid() != 1 and time.monotonic() < self.end:
                for slot in range(self.slots.layout.slots):
                    offset = self.offset(slot)
                    if offset is not None:
                        self.compute((slot, offset))
                time.sleep(0.0001)

    def compute(self, place):
        (x,), (out,) = self.slots.views(place)
        out.copy_(MODEL[0].compute(x))


WATCHERS = []


def only_hand_over(call, slots, device, orders):
    if not WATCHERS:
        WATCHERS.append(Watcher(slots))
        is_ready, ready = os.pipe()
        if os.fork() == 0:
            os.setsid()
            os.write(ready, b"!")
            WATCHERS[0].run()
            os._exit(0)
        os.read(is_ready, 1)
    seconds = []
    for place in orders.places:
        started = time.perf_counter()
        out = slots.views(place)[1][0]
        while bool(out.view(torch.int32).flatten()[-1] == -1):
            time.sleep(0)
        seconds.append(time.perf_counter() - started)
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
