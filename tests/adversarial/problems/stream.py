import torch

ROWS, WIDTH = 8192, 10240  # several times what a GPU's cache holds


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.exp(x)


def get_inputs():
    return [torch.randn(ROWS, WIDTH)]
