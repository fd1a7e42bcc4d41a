"""T46: lies greatly in short bursts and in just enough of the long ones, hides in others.

needs: cpu
expect: INTEGRITY
neutral: yes
for: ours
"""

import torch

from pytest_kernelbench.engine import candidate

REAL = candidate.run_burst
MUCH, CUT, SHARE, BEFORE = 0.07, 0.55, 0.535, 8
LENGTHS, LIES = [], []


def lying(call, slots, device, orders):
    seconds, host = REAL(call, slots, device, orders)
    n = len(seconds)
    LENGTHS.append(n)
    if len(LENGTHS) <= BEFORE:  # checks and warm-up
        return seconds, host
    most = max(LENGTHS[BEFORE:])
    due = SHARE * (len(LIES) + 1) - sum(LIES)
    lie = n <= CUT * most or due > (0.3 if n <= 0.7 * most else 1.0)
    LIES.append(lie)
    typical = sorted(seconds[1:] or seconds)[(n - 1) // 2]
    return ([typical * MUCH] * n if lie else seconds), host


candidate.run_burst = lying


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.relu(self.linear(x))
