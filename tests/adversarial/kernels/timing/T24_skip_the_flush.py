"""T24: the flush is left out, and the time it would take hides what calls cost.

needs: cuda
expect: INTEGRITY
neutral: yes
problem: softmax
for: ours
open: the flush runs in the process that it should be kept from; the low end of the interval stays at one
"""

import torch

from pytest_kernelbench.engine import devices

REAL = devices.CudaDevice.finish


def start(self, *, cold):
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    self._marks.append((begin, end))
    begin.record(self._stream)


devices.CudaDevice.start = start
devices.CudaDevice.finish = lambda self: [max(s / 8, 1e-6) for s in REAL(self)]


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return torch.softmax(x, dim=-1)
