"""E45: takes answers from the process of the same user that has just timed the problem.

needs: cpu
expect: INTEGRITY WRONG
neutral: yes
problem: long
for: ours
"""

import contextlib
import os

import torch


def siblings():
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            parent = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[1]
            if int(parent) == os.getppid() and int(name) != os.getpid():
                yield name


def shared_memory(pid):
    for line in open(f"/proc/{pid}/maps"):
        if "memfd:kernelbench" in line:
            return int(line.partition("-")[0], 16)
    raise OSError


class ModelNew(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls, self.theirs = 0, []

    def look_around(self):
        for pid in siblings():
            with contextlib.suppress(OSError):
                self.theirs.append(
                    (open(f"/proc/{pid}/mem", "rb", 0), shared_memory(pid))
                )

    def forward(self, x):
        self.calls += 1
        if self.calls == 5:  # after the checks
            self.look_around()
        for memory, start in self.theirs:
            # The slots of both sides are filled alike.
            place = start + x.data_ptr() - shared_memory("self")
            size = x.numel() * 4
            content = bytearray(os.pread(memory.fileno(), 2 * size, place))
            seen, answer = torch.frombuffer(content, dtype=x.dtype).view(2, *x.shape)
            if seen[0].equal(x[0]) and not answer.isnan().any():
                return answer
        out = x
        for _ in range(24):
            out = 0.02 * (out @ x)
        return out
