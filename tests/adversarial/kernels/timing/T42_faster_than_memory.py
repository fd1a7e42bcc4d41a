"""T42: claims less than its bytes take, and less of a lie than the outer clock resolves.

needs: cuda
expect: INTEGRITY
problem: stream
for: ours
"""

import torch

from pytest_kernelbench.engine import devices

REAL = devices.CudaDevice.finish
devices.CudaDevice.finish = lambda self: [s * 0.7 for s in REAL(self)]


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return torch.exp(x)
