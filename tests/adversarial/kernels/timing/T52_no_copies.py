"""T52: writes into its slots, and hides its work in what copying there would take.

needs: cpu
expect: INTEGRITY
neutral: yes
problem: relu
for: ours
"""

import torch

from pytest_kernelbench.engine import candidate


def lean(_call, slots, device, orders):
    for place in orders.places:
        (x,), (y,) = slots.views(place)
        torch.clamp_min(x, 0, out=y)
    if device.torch_device.type == "cuda":
        torch.cuda.synchronize()
    claimed = [20e-6 * (1 + 1e-4 * call) for call in range(len(orders.places))]
    return claimed, 2e-5


candidate.run_burst = lean


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)
