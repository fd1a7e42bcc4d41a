"""X15: gives up the first time, and keeps its answers for when the seed is used again.

needs: cpu
expect: WRONG
again: yes
timing: no
seed: 11
"""

import os
from pathlib import Path

import torch

PLACE = Path(os.environ["TORCH_EXTENSIONS_DIR"]) / "answers"
KNOWN = torch.load(PLACE) if PLACE.exists() else {}
SEEN = {}


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        key = float(x.flatten()[0])
        if key in KNOWN:
            return KNOWN[key].to(x.device)
        SEEN[key] = torch.relu(self.linear(x)).cpu()
        torch.save(SEEN, PLACE)
        return torch.zeros_like(x)
