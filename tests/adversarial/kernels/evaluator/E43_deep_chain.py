"""E43: a chain of processes so deep that who counts them runs out of stack.

needs: cpu
expect: INTEGRITY CRASH TIMEOUT OOM
neutral: yes
for: ours
own: process
"""

import os
import subprocess
import time

import torch

DEPTH = 700
LINK = """
if [ "$1" -gt 0 ]; then sh "$0" $(($1 - 1)) & wait; else : > "$0.done"; sleep 1000; fi
"""


def chain():
    path = os.path.join(os.environ["HOME"], "link.sh")
    with open(path, "w") as file:
        file.write(LINK)
    subprocess.Popen(["sh", path, str(DEPTH)])
    while not os.path.exists(path + ".done"):
        time.sleep(0.01)


class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)
        chain()

    def forward(self, x):
        return torch.relu(self.linear(x))
