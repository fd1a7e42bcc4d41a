"""T43: lowers just over half the calls of most bursts, so that all calls' median is true.

needs: cpu
expect: INTEGRITY
neutral: yes
for: ours
"""

import random

import torch

from pytest_kernelbench.engine import candidate

REAL = candidate.run_burst
SHARE = 0.855


def mixed(call, slots, device, orders):
    seconds, host = REAL(call, slots, device, orders)
    settled = len(seconds) - 1
    if settled > 2 and random.random() < 0.85 or 1 <= settled <= 2:
        chosen = sorted(range(1, settled + 1), key=lambda n: seconds[n])
        for n in chosen[: settled // 2 + 1]:
            seconds[n] *= SHARE
    elif settled == 0:
        seconds[0] *= SHARE
    return seconds, host


candidate.run_burst = mixed


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.relu(self.linear(x))
