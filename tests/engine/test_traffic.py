"""What must be moved at least: never more than an honest kernel moves."""

from __future__ import annotations

import pytest
import torch

from pytest_kernelbench.engine.clients import KernelFault
from pytest_kernelbench.engine.devices import CpuDevice
from pytest_kernelbench.engine.physics import floor_seconds, require_possible
from pytest_kernelbench.engine.reference import Reference
from pytest_kernelbench.engine.traffic import least_bytes, peak_bandwidth
from pytest_kernelbench.model import Verdict

MATRIX = 64 * 64 * 4


def least(forward, inputs="[torch.randn(64, 64)]", arguments="x", cache=1):
    source = (
        "import torch\n"
        "class Model(torch.nn.Module):\n"
        f"    def forward(self, {arguments}):\n        {forward}\n"
        f"def get_inputs(): return {inputs}\n"
    )
    reference = Reference(source, "p/one.py", CpuDevice(), "float32", 7)
    with torch.no_grad():
        reference.probe(1)
        return least_bytes(reference, 3, cache)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("return x.exp()", 2 * MATRIX),
        ("return torch.softmax(x, 1)", 2 * MATRIX),
        ("return x.sum(1)", MATRIX + 64 * 4),
        # Rows that are equal may be returned expanded.
        ("return x.sum(1, keepdim=True).expand(64, 64)", MATRIX + 64 * 4),
        ("return x[:, ::2].exp()", MATRIX),
    ],
)
def test_inputs_and_outputs_count_once(forward, expected):
    assert least(forward) == expected


@pytest.mark.parametrize(
    "forward",
    ["return x", "return x.t().contiguous()", "return x[:, ::2].clone()", "return -x"],
)
def test_what_can_be_a_view_counts_nothing(forward):
    assert least(forward) == 0


@pytest.mark.parametrize(
    ("forward", "inputs", "expected"),
    [
        ("return x.exp()", "[torch.randn(64, 64), torch.randn(64, 64)]", 2 * MATRIX),
        # A kernel that knows of the zeros need not read what they are multiplied by.
        (
            "return (x * y).exp()",
            "[torch.randn(64, 64), torch.eye(64).roll(1, 0)]",
            2 * 64 * 4,
        ),
        ("return x.exp() + y", "[torch.randn(64, 1).expand(64, 64), 1.0]", 2 * 64 * 4),
        ("return x.exp() + y.exp()", "[x := torch.randn(64, 64), x]", 2 * MATRIX),
        ("return (x + x.t()).exp() + y", "[torch.ones(64, 64), 2.0]", 0),
    ],
)
def test_what_need_not_be_read_or_is_read_already_does_not_count(
    forward, inputs, expected
):
    assert least(forward, inputs, "x, y") == expected


def test_half_of_a_symmetric_matrix_is_enough():
    assert (
        least(
            "return x @ y",
            "[(a := torch.randn(64, 64)) + a.t(), torch.randn(64, 1)]",
            "x, y",
        )
        == MATRIX // 2 + 2 * 64 * 4
    )


@pytest.mark.parametrize(
    "forward", ["return x.mul_(2)", "return torch.dropout(x, 0.5, True)"]
)
def test_what_changes_its_inputs_or_draws_is_not_judged(forward):
    assert least(forward) == 0


def test_what_a_cache_could_hold_counts_nothing():
    assert least("return x.exp()", cache=MATRIX // 2) == 0
    assert least("return x.exp()", cache=MATRIX // 2 - 1) == 2 * MATRIX
    assert least("return x.exp()", cache=0) == 0


class Pairing:
    """Of a device that moves so many bytes a second, the more often it is asked."""

    device_kind = "cuda"

    def __init__(self, *peaks):
        self.peaks = list(peaks)
        self.place = self

    def quiet(self):
        return torch.no_grad()

    def ask_oracle(self, *, do, again):
        assert do == "bandwidth"
        return {"peak": self.peaks.pop(0), "cache": 0}


def test_a_possible_runtime_is_told_with_its_bytes():
    figures = require_possible(Pairing(1e9), 10**9, 2 * 10**9, 0.95)
    assert figures == {"bytes_moved": 2 * 10**9, "peak_bandwidth": 1e9}


def test_an_impossible_one_is_a_lie():
    with pytest.raises(KernelFault, match="1000 MB that must be moved") as caught:
        require_possible(Pairing(1e9, 1e9), 10**9, 10**9, 0.85)
    assert caught.value.verdict is Verdict.INTEGRITY


def test_before_it_is_called_one_the_device_is_measured_again():
    figures = require_possible(Pairing(1e9, 2e9), 10**9, 10**9, 0.85)
    assert figures["peak_bandwidth"] == 2e9


def test_what_may_still_be_in_the_cache_needs_no_time():
    assert floor_seconds(1100, 1100, 1.0, "cuda") == 0
    assert floor_seconds(2200, 1100, 1.0, "cuda") == pytest.approx(1000)


def test_a_device_moves_bytes(monkeypatch):
    monkeypatch.setattr("pytest_kernelbench.engine.traffic._MOST_BYTES", 1 << 20)
    assert peak_bandwidth(CpuDevice()) > 0
