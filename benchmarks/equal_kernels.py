"""Problems from 5 us to 50 ms on an H200, and kernels that equal them or nearly do."""

from __future__ import annotations

from typing import NamedTuple

from pytest_kernelbench import Problem

_PROBLEM = """\
import torch

class Model(torch.nn.Module):
    def forward(self, *x):
        return {body}

def get_inputs():
    return [{inputs}]

def get_init_inputs():
    return []
"""


class Entry(NamedTuple):
    body: str
    inputs: str
    share: int
    """Per cent of a study's evaluations: the long ones take long."""


ENTRIES = {
    "relu 16k": Entry("torch.relu(x[0])", "torch.randn(1 << 14)", 24),
    "relu 4M": Entry("torch.relu(x[0])", "torch.randn(1 << 22)", 24),
    "softmax 4096": Entry("torch.softmax(x[0], -1)", "torch.randn(4096, 4096)", 22),
    "relu 64M": Entry("torch.relu(x[0])", "torch.randn(1 << 26)", 22),
    "matmul 4096": Entry("x[0] @ x[1]", ", ".join(["torch.randn(4096, 4096)"] * 2), 7),
    "matmul 10752": Entry(
        "x[0] @ x[1]", ", ".join(["torch.randn(10752, 10752)"] * 2), 1
    ),
}


def problem(name: str) -> Problem:
    entry = ENTRIES[name]
    source = _PROBLEM.format(body=entry.body, inputs=entry.inputs)
    return Problem(id=f"equal/{name}", name=name, source=source, origin=f"{name}.py")


def equal(name: str, number: int) -> str:
    """The problem's own code, as text that was never seen before."""
    source = problem(name).source.replace("class Model(", "class ModelNew(")
    return f"# {number}\n{source}"


def slowed(name: str, number: int, cycles: int) -> str:
    """The same, and a kernel after it that spins for so many cycles."""
    body = ENTRIES[name].body
    later = f"out = {body}\n        torch.cuda._sleep({cycles})\n        return out"
    return equal(name, number).replace(f"return {body}", later)


def numbered(count: int) -> list[tuple[str, int]]:
    """Names and numbers of a study of ``count`` evaluations, well mixed."""
    wanted = {
        name: max(1, round(count * entry.share / 100))
        for name, entry in ENTRIES.items()
    }
    places = [
        ((number + 0.5) / many, name, number)
        for name, many in wanted.items()
        for number in range(many)
    ]
    return [(name, number) for _, name, number in sorted(places)]
