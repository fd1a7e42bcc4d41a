"""T44: pads every burst to a constant plus what it claims, so that the slope bears it out.

needs: cpu
expect: INTEGRITY
neutral: yes
for: ours
"""

import time

import torch

from pytest_kernelbench.engine import candidate

REAL = candidate.run_burst
SEEN = []


def padded(call, slots, device, orders):
    started = time.perf_counter()
    seconds, host = REAL(call, slots, device, orders)
    count = len(seconds)
    if count < 2:
        return seconds, host
    if len(SEEN) < 4:
        SEEN.append((time.perf_counter() - started) / count)
    each = min(SEEN)
    claimed = each / 5
    until = started + 16 * 1.6 * each + count * claimed
    while time.perf_counter() < until:
        pass
    return [claimed * (1 + 1e-3 * n) for n in range(count)], host


candidate.run_burst = padded


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.relu(self.linear(x))
