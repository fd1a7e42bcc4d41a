"""R16: directories in each other, deeper than what walks or removes them may recurse.

needs: cpu
expect: WRONG
timing: no
"""

import os

import torch

here = os.getcwd()
for place in (os.environ["TORCH_EXTENSIONS_DIR"], os.environ["TMPDIR"]):
    os.chdir(place)
    for _ in range(1500):
        os.mkdir("a")
        os.chdir("a")
os.chdir(here)


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.zeros_like(x)
