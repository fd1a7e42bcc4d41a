"""T22: the event API patched through aliases that no scanner of names would find.

needs: cuda
expect: INTEGRITY CRASH WRONG NONFINITE
neutral: yes
"""

import torch

event = vars(torch.cuda)["Ev" + "ent"]
setattr(event, "elapsed" + "_time", lambda *a: 2e-3)
vars(torch.cuda)["synchro" + "nize"] = lambda *a, **k: None


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return torch.relu(self.linear(x))
