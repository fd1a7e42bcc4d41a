"""T33b: after most bursts the GPU is kept busy, so that a baseline which follows is slow.

needs: cuda
expect: INTEGRITY
neutral: yes
problem: long
for: ours
"""

import random

import torch

from pytest_kernelbench.engine import candidate

REAL = candidate.run_burst
CYCLES = 600_000_000  # 0.3 s


def loading(*args, **kwargs):
    found = REAL(*args, **kwargs)
    if random.random() < 0.6:
        torch.cuda._sleep(CYCLES)
    return found


candidate.run_burst = loading


class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = x
        for _ in range(24):
            out = 0.02 * (out @ x)
        return out
