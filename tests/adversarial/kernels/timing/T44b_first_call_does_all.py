"""T44b: the first call of a burst computes all of them and rests for those that are missing.

needs: cpu
expect: INTEGRITY
neutral: yes
for: ours
"""

import sys
import time

import torch


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)
        self.answers, self.each = {}, []

    def forward(self, x):
        found = self.answers.pop(x.data_ptr(), None)
        if found is not None:
            return found
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_name != "run_burst":
            frame = frame.f_back
        views = frame.f_locals["views"]
        started = time.perf_counter()
        self.answers = {
            i[0].data_ptr(): torch.relu(self.linear(i[0])) for i, _ in views
        }
        if len(views) > 1:
            if len(self.each) < 8:
                self.each.append((time.perf_counter() - started) / len(views))
            until = started + 16 * 1.5 * sorted(self.each)[len(self.each) // 2]
            while time.perf_counter() < until:
                pass
        return self.answers.pop(x.data_ptr())
