"""X14: has itself evaluated twice, and answers with what it kept of the first time.

Its first evaluation computes slowly and lies about the time, which is judged once more,
alone; what it has learnt lies beside its build.

needs: cpu
expect: WRONG INTEGRITY
timeout: 60
"""

import os
import time
from pathlib import Path

import torch

from pytest_kernelbench.engine import candidate

PLACE = Path(os.environ["TORCH_EXTENSIONS_DIR"]) / "answers"
KNOWN = torch.load(PLACE) if PLACE.exists() else None
SEEN = {}
REAL = candidate.run_burst


def lying(*args, **kwargs):
    seconds, host = REAL(*args, **kwargs)
    torch.save(SEEN, PLACE)
    return [1e-6 for _ in seconds], 1e-6


if KNOWN is None:
    candidate.run_burst = lying


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        key = float(x.flatten()[0])
        if KNOWN is not None:
            known = KNOWN.get(key)
            return torch.zeros_like(x) if known is None else known.to(x.device)
        time.sleep(0.01)
        SEEN[key] = torch.relu(self.linear(x)).cpu()
        return SEEN[key].to(x.device)
