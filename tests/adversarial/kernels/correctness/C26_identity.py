"""C26: hands back a copy where the problem's inputs never need the operation.

needs: cpu
expect: WRONG
problem: relu
timing: no
"""

import torch


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return x.clone()
