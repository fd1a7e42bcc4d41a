"""E42b: offers a valid handle to far less memory than was asked for.

needs: cuda
expect: CRASH INTEGRITY WRONG NONFINITE
neutral: yes
timing: no
for: ours
own: executor
"""

import torch

from pytest_kernelbench.engine import arenas

REAL = arenas.CudaBlocks.allocate


def smaller(self, size):
    block, _ = REAL(self, size)
    _, handle = REAL(self, 2 << 20)
    return block, handle


arenas.CudaBlocks.allocate = smaller


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.relu(self.linear(x))
