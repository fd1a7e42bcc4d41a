"""Trees of tensors as JSON, and where their bytes lie."""

from __future__ import annotations

import collections
import itertools
import json
import math

import pytest
import torch

from pytest_kernelbench.engine.tensors import (
    ALIGNMENT,
    Layout,
    Slots,
    describe,
    dtype_named,
    form_of,
    leaf_bytes,
    leaf_spec,
    leaf_specs,
    rebuild,
    tree_bytes,
    view,
)

Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - untyped on purpose

DTYPES = [
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int8,
    torch.uint8,
    torch.int32,
    torch.int64,
    torch.bool,
    torch.complex64,
    torch.complex128,
]


def through_json(value):
    leaves = []
    spec = json.loads(json.dumps(describe(value, leaves)))
    return rebuild(spec, list(leaves))


def tensor(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    return torch.arange(math.prod(shape)).reshape(shape).to(dtype)


class TestATreeOfTensors:
    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            3,
            2.5,
            "same",
            (),
            [],
            {},
            (1, [2, (3, None)], {"four": [5.0]}),
            {1: "one", "two": (2,), None: None, (1, 2): 3},
            torch.float16,
            {"dtype": torch.bool},
            float("inf"),
        ],
        ids=repr,
    )
    def test_without_tensors_comes_back_equal(self, value):
        returned = through_json(value)
        assert returned == value
        assert type(returned) is type(value)

    def test_comes_back_with_its_tensors_in_their_places(self):
        first, second, third = torch.ones(2), torch.zeros(3), torch.tensor(7)
        value = (first, {"mask": second, "none": None}, [third, 4])
        returned = through_json(value)
        assert returned[0] is first
        assert returned[1]["mask"] is second
        assert returned[1]["none"] is None
        assert returned[2][0] is third
        assert returned[2][1] == 4

    def test_keeps_nan_a_nan(self):
        assert math.isnan(through_json([float("nan")])[0])

    def test_makes_a_plain_tuple_of_a_named_one(self):
        assert through_json(Point(1, 2)) == (1, 2)

    @pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", lambda: 0, 1j])
    def test_says_what_it_cannot_hold(self, value):
        with pytest.raises(TypeError, match=f"a {type(value).__name__}"):
            describe([value], [])

    def test_is_not_rebuilt_from_an_unknown_kind(self):
        with pytest.raises(TypeError, match="'pickle' in a tree"):
            rebuild({"pickle": "..."}, [])

    def test_lists_its_leaves_in_the_order_of_the_description(self):
        value = {"a": tensor(torch.int8, 2), "b": [tensor(torch.bool, 3)]}
        leaves = []
        spec = describe(value, leaves)
        assert leaf_specs(spec) == [leaf_spec(leaf) for leaf in leaves]
        assert tree_bytes(spec) == 2 + 3


def test_a_dtype_is_found_only_by_the_name_of_one():
    assert dtype_named("bfloat16") is torch.bfloat16
    for name in ("load", "nn", "no_such_thing", "__name__"):
        with pytest.raises(TypeError, match="is not a dtype"):
            dtype_named(name)


class TestAForm:
    @pytest.mark.parametrize(
        ("value", "form"),
        [
            (torch.ones(2), "a tensor"),
            ([torch.ones(2), (None, 1.5)], "(a tensor, (None, 1.5))"),
            ({"x": torch.ones(2), 3: torch.float16}, "{'x': a tensor, 3: float16}"),
        ],
    )
    def test_is_the_structure_without_the_tensors(self, value, form):
        assert form_of(value, []) == form

    def test_is_the_same_of_a_value_that_went_through_json(self):
        value = {"out": (tensor(torch.int8, 3), [float("nan"), True])}
        assert form_of(through_json(value), []) == form_of(value, [])

    def test_finds_the_leaves_that_a_description_finds(self):
        value = {"a": [tensor(torch.int8, 3), (tensor(torch.bool, 2),)]}
        described, formed = [], []
        describe(value, described)
        form_of(value, formed)
        assert [id(leaf) for leaf in formed] == [id(leaf) for leaf in described]

    def test_says_what_it_cannot_hold(self):
        with pytest.raises(TypeError, match="a set"):
            form_of([{1}], [])


LEAVES = {
    "contiguous": torch.randn(3, 4),
    "transposed": torch.randn(3, 4).t(),
    "channels last": torch.randn(2, 3, 4, 5).contiguous(
        memory_format=torch.channels_last
    ),
    "sliced": torch.randn(8, 8)[::2, 1::3],
    "expanded": torch.randn(3, 1).expand(3, 7),
    "0-d": torch.tensor(1.5),
    "empty": torch.empty(0, 5),
    "empty 1-d": torch.empty(0),
    **{str(dtype): tensor(dtype, 4, 3) for dtype in DTYPES},
}


class TestAView:
    @pytest.mark.parametrize("name", LEAVES)
    def test_holds_the_tensor_that_is_copied_into_it(self, name):
        leaf = LEAVES[name]
        spec = leaf_spec(leaf)
        block = torch.zeros(4096, dtype=torch.uint8)
        place = view(block, 512, spec)
        place.copy_(leaf)
        assert place.shape == leaf.shape
        assert place.dtype is leaf.dtype
        assert torch.equal(view(block, 512, spec), leaf)

    @pytest.mark.parametrize("name", ["transposed", "channels last"])
    def test_keeps_the_memory_format_of_a_dense_tensor(self, name):
        leaf = LEAVES[name]
        block = torch.zeros(4096, dtype=torch.uint8)
        assert view(block, 0, leaf_spec(leaf)).stride() == leaf.stride()

    @pytest.mark.parametrize("name", LEAVES)
    def test_stays_within_the_bytes_of_its_leaf(self, name):
        spec = leaf_spec(LEAVES[name])
        size = leaf_bytes(spec)
        block = torch.zeros(4096, dtype=torch.uint8)
        view(block, 1024, spec).fill_(1)
        assert not block[:1024].any()
        assert not block[1024 + size :].any()


def layout(slots: int, slack: int) -> Layout:
    inputs = describe([tensor(dtype, 5, 3) for dtype in DTYPES], [])
    outputs = describe((torch.randn(7, 9).t(), {"empty": torch.empty(0)}), [])
    return Layout(inputs=inputs, outputs=outputs, slots=slots, slack=slack)


def span(tensor_: torch.Tensor) -> range:
    start = tensor_.data_ptr()
    return range(start, start + tensor_.numel() * tensor_.element_size())


class TestSlots:
    @pytest.mark.parametrize("offsets", [(0, 0, 0), (2048, 0, 2048), (0, 2048, 512)])
    def test_never_overlap_whatever_their_offsets(self, offsets):
        made = layout(slots=3, slack=2048)
        block = torch.zeros(made.total_bytes, dtype=torch.uint8)
        slots = Slots(made, block)
        spans = sorted(
            (
                span(leaf)
                for place in enumerate(offsets)
                for leaves in slots.views(place)
                for leaf in leaves
                if leaf.numel()
            ),
            key=lambda each: each.start,
        )
        for left, right in itertools.pairwise(spans):
            assert left.stop <= right.start
        assert spans[0].start >= block.data_ptr()
        assert spans[-1].stop <= block.data_ptr() + made.total_bytes

    def test_are_aligned_as_an_allocation_of_their_own_would_be(self):
        made = layout(slots=2, slack=1024)
        block = torch.zeros(made.total_bytes, dtype=torch.uint8)
        inputs, outputs = Slots(made, block).views((1, 512))
        for leaf in filter(torch.numel, inputs + outputs):
            assert (leaf.data_ptr() - block.data_ptr()) % ALIGNMENT == 0

    def test_lie_in_their_block_wherever_that_lies_itself(self):
        made = layout(slots=2, slack=0)
        around = torch.zeros(made.total_bytes + ALIGNMENT, dtype=torch.uint8)
        block = around[ALIGNMENT:]
        inputs, _ = Slots(made, block).views((1, 0))
        assert inputs[0].data_ptr() == block.data_ptr() + made.slot_bytes

    def test_tell_inputs_from_outputs(self):
        made = layout(slots=1, slack=0)
        block = torch.zeros(made.total_bytes, dtype=torch.uint8)
        inputs, outputs = Slots(made, block).views((0, 0))
        assert len(inputs) == len(DTYPES)
        assert [tuple(leaf.shape) for leaf in outputs] == [(9, 7), (0,)]

    def test_have_room_even_when_nothing_is_passed(self):
        spec = describe([], [])
        made = Layout(inputs=spec, outputs=spec, slots=4, slack=0)
        assert made.total_bytes > 0
