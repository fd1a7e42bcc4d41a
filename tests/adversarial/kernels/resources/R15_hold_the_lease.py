"""R15: takes the lock that says whose turn the device is, and keeps it.

needs: cpu
expect: INTEGRITY CRASH TIMEOUT BUILD WRONG
timing: no
timeout: 5
for: ours
own: process
"""

import fcntl
import os
import pathlib
import tempfile

import torch

FILES = []
for base in {tempfile.gettempdir(), "/tmp"}:
    for path in pathlib.Path(base).glob(f"pytest-kernelbench-{os.getuid()}/*.lease"):
        FILES.append(path.open("w"))
        try:
            fcntl.flock(FILES[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.zeros_like(x)
