"""R03: asks for more memory than any machine has.

needs: cpu
expect: OOM CRASH SHAPE
timing: no
"""

import torch


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.empty(1 << 46, dtype=torch.uint8)
