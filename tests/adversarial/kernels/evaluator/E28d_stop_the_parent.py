"""E28d: stops its parent with a signal, so that nothing is ever launched again.

needs: cpu
expect: CRASH INTEGRITY WRONG
timing: no
for: ours
own: process
"""

import os
import signal

import torch


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)
        if os.getppid() > 1:
            os.kill(os.getppid(), signal.SIGSTOP)

    def forward(self, x):
        return torch.zeros_like(x)
