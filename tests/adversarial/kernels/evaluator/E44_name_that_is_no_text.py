"""E44: a process name that is no UTF-8, in what the system says of the process.

needs: cpu
expect: WRONG
for: ours
"""

import ctypes

import torch

PR_SET_NAME = 15


class ModelNew(torch.nn.Module):
    def __init__(self, *_sizes):
        super().__init__()

    def forward(self, x):
        ctypes.CDLL(None).prctl(PR_SET_NAME, b"\xff) T \xfe", 0, 0, 0)
        return torch.zeros_like(x)
