"""T36d: says that it is done while the GPU still works; slow at first, for short bursts.

needs: cuda
expect: INTEGRITY NONFINITE
neutral: yes
for: ours
"""

import time

import torch

from pytest_kernelbench.engine import candidate

REAL = candidate.run_burst
BURSTS = []


def hasty(call, slots, device, orders):
    BURSTS.append(orders)
    if len(BURSTS) <= 3:
        seconds, host = REAL(call, slots, device, orders)
        time.sleep(0.0033 * len(seconds))
        return [value + 0.0033 for value in seconds], host
    with torch.no_grad():
        for place in orders.places:
            (x,), (out,) = slots.views(place)
            out.copy_(call(x))
    return [5e-5] * len(orders.places), 1e-6


candidate.run_burst = hasty


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.relu(self.linear(x))
