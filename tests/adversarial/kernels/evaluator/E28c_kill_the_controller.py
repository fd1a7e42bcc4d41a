"""E28c: kills the controller, and with it the test run.

needs: cpu
expect: CRASH INTEGRITY WRONG
timing: no
for: ours
own: process
open: at L1 a process may send signals to every process of its own user
"""

import contextlib
import os
import signal
import time

import torch


def parent_of(pid):
    with contextlib.suppress(OSError, ValueError):
        return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    return 0


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)
        controller = parent_of(os.getppid())
        command = open(f"/proc/{controller}/cmdline").read()
        if controller > 1 and "adversarial" in command and "--alone" in command:
            os.kill(controller, signal.SIGKILL)
        time.sleep(0.2)

    def forward(self, x):
        return torch.zeros_like(x)
