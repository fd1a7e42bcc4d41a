import torch

ROWS, WIDTH = 64, 512


class Model(torch.nn.Module):
    def forward(self, x):
        out = x
        for _ in range(24):
            out = 0.02 * (out @ x)
        return out


def get_inputs():
    return [torch.randn(WIDTH, WIDTH)]
