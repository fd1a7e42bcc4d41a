"""T47: a helper of another group joins the kernel's once that is stopped, and is not.

needs: cpu
expect: INTEGRITY WRONG NONFINITE
neutral: yes
for: ours
"""

import contextlib
import ctypes
import mmap
import os
import signal
import time

import torch

from pytest_kernelbench.engine import candidate
from pytest_kernelbench.engine.tensors import aligned, leaf_bytes

MODEL, STARTED = [], []
DONE = mmap.mmap(-1, 4096)
DUMMIES = 300
LIBC = ctypes.CDLL(None)


def end_with_parent():
    LIBC.prctl(1, signal.SIGKILL)


class Helper:
    def __init__(self, slots, leader):
        self.slots, layout = slots, slots.layout
        self.leader = leader
        self.words = slots.block.view(torch.int64)
        self.input = aligned(leaf_bytes(layout.leaves[0]))
        self.output = leaf_bytes(layout.leaves[1])
        self.steps = layout.slack // 512 + 1

    def offset(self, slot):
        start = (slot * self.slots.layout.slot_bytes + self.input) // 8
        firsts = self.words[start : start + self.steps * 64 : 64].tolist()
        for step, first in enumerate(firsts):
            last = start + step * 64 + self.output // 8 - 1
            if first == -1 and int(self.words[last]) == -1:
                return step * 512
        return None

    def is_stopped(self):
        text = open(f"/proc/{self.leader}/stat").read()
        return text.rpartition(")")[2].split()[0] == "T"

    def is_stopped_again(self):
        text = open(f"/proc/{self.leader}/status").read()
        return int(text.partition("ShdPnd:")[2].split()[0], 16) & 1 << 18

    def run(self):
        while True:
            while not DONE[0]:
                time.sleep(0.0002)
            DONE[0] = 0
            while not self.is_stopped():
                pass
            until = time.perf_counter() + 0.001
            while not self.is_stopped_again() and time.perf_counter() < until:
                pass
            os.setpgid(0, self.leader)
            while not (found := self.found()):
                time.sleep(0.001)
            os.setpgid(0, 0)
            time.sleep(0.0015)
            for place in self.found():
                (x,), (out,) = self.slots.views(place)
                out.copy_(MODEL[0].compute(x))

    def found(self):
        offsets = [(slot, self.offset(slot)) for slot in range(self.slots.layout.slots)]
        return [place for place in offsets if place[1] is not None]


def start(slots):
    leader = os.getpid()
    for _ in range(DUMMIES):
        if os.fork() == 0:
            os._exit(0)  # and never waited for: all that it does is to be listed
    if os.fork() == 0:
        end_with_parent()
        while True:  # another one whenever the last was found out
            if os.fork() == 0:
                with contextlib.suppress(BaseException), torch.no_grad():
                    end_with_parent()
                    os.setpgid(0, 0)
                    Helper(slots, leader).run()
                os._exit(0)
            os.wait()
    time.sleep(0.05)


EACH = []


def only_hand_over(call, slots, device, orders):
    (x,), _ = slots.views(orders.places[0])
    if not STARTED:
        STARTED.append(True)
        with torch.no_grad():
            for _ in range(30):
                started = time.perf_counter()
                MODEL[0].compute(x)
                EACH.append(time.perf_counter() - started)
        EACH.sort()
        start(slots)
    DONE[0] = 1
    seconds = []
    each = EACH[10] * 0.2
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
