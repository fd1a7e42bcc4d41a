"""What counts as right: near a float64 oracle, on the scale of the row."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_kernelbench.engine import compare as compare_module
from pytest_kernelbench.engine.compare import (
    Comparison,
    Tolerance,
    compare,
    compare_to_exact,
)

DEFAULT = Tolerance()


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def judge(output, oracle, reference=None, tolerance=DEFAULT) -> Comparison:
    """Compare with an oracle; PyTorch's own output is the oracle's, rounded."""
    reference = oracle.to(output.dtype) if reference is None else reference
    return compare(output, reference, oracle, tolerance)


def matmul(left, right, dtype=torch.float64):
    return left.to(dtype) @ right.to(dtype)


class TestWhatIsRejected:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_zeros_for_a_softmax_over_a_long_row(self, dtype):
        oracle = torch.softmax(torch.randn(4, 50_000, dtype=torch.float64), dim=-1)
        found = judge(torch.zeros(4, 50_000, dtype=dtype), oracle)
        assert not found.passed

    def test_a_constant_for_a_softmax_over_a_long_row(self):
        oracle = torch.softmax(torch.randn(4, 50_000, dtype=torch.float64), dim=-1)
        assert not judge(torch.full((4, 50_000), 1 / 50_000), oracle).passed

    @pytest.mark.parametrize("make", [torch.randn, torch.rand], ids=["any", "positive"])
    @pytest.mark.parametrize("inner", [64, 2048])
    def test_a_matmul_in_bf16_where_fp32_is_asked(self, make, inner):
        left, right = make(64, inner), make(inner, 64)
        oracle, reference = matmul(left, right), left @ right
        cheap = matmul(left, right, torch.bfloat16).float()
        assert not judge(cheap, oracle, reference).passed

    @pytest.mark.parametrize("make", [torch.randn, torch.rand], ids=["any", "positive"])
    def test_a_matmul_of_inputs_rounded_to_fp16(self, make):
        left, right = make(64, 2048), make(2048, 64)
        cheap = left.half().float() @ right.half().float()
        assert not judge(cheap, matmul(left, right), left @ right).passed

    @pytest.mark.parametrize("where", [0, 123_456, 999_999])
    def test_one_wrong_element_in_a_million(self, where):
        oracle = torch.randn(1000, 1000, dtype=torch.float64)
        output = oracle.float()
        output.view(-1)[where] += 1e-2
        found = judge(output, oracle)
        assert found.mismatched == 1
        assert found.elements == 1_000_000
        assert found.max_error == pytest.approx(1e-2, rel=1e-3)
        assert found.allowed < 1e-2

    def test_an_error_in_a_row_of_small_values_beside_a_row_of_large_ones(self):
        oracle = torch.randn(2, 4096, dtype=torch.float64)
        oracle[0] *= 1e-2
        output = oracle.float()
        output[0, 7] += 1e-4
        assert judge(output, oracle).mismatched == 1

    def test_everything_but_zero_where_all_is_zero(self):
        oracle = torch.zeros(4, 64, dtype=torch.float64)
        assert judge(torch.zeros(4, 64), oracle).passed
        assert not judge(torch.full((4, 64), 1e-6), oracle).passed

    def test_a_value_that_the_oracle_cannot_vouch_for(self):
        reference = torch.ones(4, 64)
        for wrong in (float("nan"), float("inf")):
            oracle = torch.full((4, 64), wrong, dtype=torch.float64)
            assert not judge(torch.zeros(4, 64), oracle, reference).passed


class TestWhatIsAccepted:
    @pytest.mark.parametrize("inner", [64, 4096])
    def test_another_order_of_summation(self, inner):
        left, right = torch.rand(64, inner), torch.rand(inner, 64)
        halves = left.tensor_split(8, dim=1), right.tensor_split(8, dim=0)
        output = sum(a @ b for a, b in zip(*halves, strict=True))
        assert judge(output, matmul(left, right), left @ right).passed

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_where_half_precision_is_asked(self, dtype):
        left, right = torch.randn(64, 512).to(dtype), torch.randn(512, 64).to(dtype)
        output = (left.float() @ right.float()).to(dtype)
        assert judge(output, matmul(left, right), left @ right).passed

    def test_what_the_baseline_itself_gets_as_wrong(self):
        oracle = torch.randn(8, 1024, dtype=torch.float64)
        reference = oracle.float() * (1 + 1e-4)
        output = oracle.float() * (1 - 1e-4)
        assert judge(output, oracle, reference).passed

    def test_but_a_baseline_that_is_some_percent_off_does_not_excuse_as_much(self):
        oracle = torch.randn(8, 1024, dtype=torch.float64)
        reference = oracle.float() * 1.02
        assert not judge(oracle.float() * 0.98, oracle, reference).passed

    def test_noise_where_pytorchs_own_output_is_noise_which_is_said(self):
        oracle = torch.full((8, 1024), 1e-9, dtype=torch.float64)
        reference = torch.randn(8, 1024) * 1e-7
        found = judge(torch.randn(8, 1024) * 1e-7, oracle, reference)
        assert (found.passed, found.vague) == (True, True)

    def test_a_short_row_is_judged_together_with_its_neighbours(self):
        oracle = torch.randn(512, 2, dtype=torch.float64)
        oracle[0] = 1e-9  # judged alone, any rounding of these would be wrong
        output = oracle.float()
        output[0] += 1e-8
        assert judge(output, oracle).passed

    def test_a_result_without_a_float64_oracle(self):
        reference = torch.randn(8, 64)
        assert compare(reference.clone(), reference, None, DEFAULT).passed
        assert not compare(reference + 0.1, reference, None, DEFAULT).passed


class TestNonfiniteElements:
    def test_are_right_where_the_reference_has_the_same(self):
        oracle = torch.randn(4, 64, dtype=torch.float64)
        oracle[0, 0], oracle[1, 1], oracle[2, 2] = torch.nan, torch.inf, -torch.inf
        assert judge(oracle.float(), oracle).passed

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
    def test_are_counted_where_the_reference_is_finite(self, value):
        oracle = torch.randn(4, 64, dtype=torch.float64)
        output = oracle.float()
        output[1, :3] = value
        found = judge(output, oracle)
        assert (found.nonfinite, found.mismatched, found.passed) == (3, 0, False)

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
    @pytest.mark.parametrize("instead", [torch.nan, torch.inf, -torch.inf, 0.0])
    def test_are_not_right_for_one_another(self, value, instead):
        oracle = torch.randn(4, 64, dtype=torch.float64)
        oracle[3, 3] = value
        output = oracle.float()
        output[3, 3] = instead
        same = torch.equal(output.isnan(), oracle.isnan()) and (
            value == instead or math.isnan(value)
        )
        assert judge(output, oracle).passed == same

    def test_do_not_hide_a_wrong_neighbour(self):
        oracle = torch.randn(4, 64, dtype=torch.float64)
        oracle[0, 0] = torch.inf
        output = oracle.float()
        output[0, 1] += 1.0
        assert judge(output, oracle).mismatched == 1

    def test_of_half_precision_may_be_finite_in_the_oracle(self):
        oracle = torch.full((4, 64), 1e6, dtype=torch.float64)
        output = oracle.half()  # overflows to inf, and so does PyTorch's own
        assert judge(output, oracle).passed

    def test_fill_a_whole_output(self):
        oracle = torch.full((4, 64), torch.nan, dtype=torch.float64)
        assert judge(oracle.float(), oracle).passed


class TestOutputsThatAreNotFloats:
    @pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8])
    def test_integers_are_exact(self, dtype):
        reference = torch.randint(0, 100, (4, 64)).to(dtype)
        output = reference.clone()
        assert compare(output, reference, None, DEFAULT).passed
        output[0, 0] += 1
        found = compare(output, reference, None, DEFAULT)
        assert (found.mismatched, found.max_error) == (1, 1.0)

    def test_large_integers_are_not_rounded_before_they_are_compared(self):
        reference = torch.tensor([2**62, 2**53])
        assert not compare(reference + 1, reference, None, DEFAULT).passed

    def test_booleans_are_exact(self):
        reference = torch.rand(4, 64) > 0.5
        assert compare(reference.clone(), reference, None, DEFAULT).passed
        assert compare(~reference, reference, None, DEFAULT).mismatched == 256

    @pytest.mark.parametrize("part", [1.0, 1j])
    def test_complex_numbers_are_judged_in_both_parts(self, part):
        oracle = torch.randn(4, 64, dtype=torch.complex128)
        output = oracle.to(torch.complex64)
        assert judge(output, oracle).passed
        output[2, 2] += part
        assert judge(output, oracle).mismatched == 1

    def test_a_conjugated_reference_is_a_reference(self):
        reference = torch.randn(4, 64, dtype=torch.complex64)
        output = reference.conj().resolve_conj()
        assert compare(output, reference.conj(), None, DEFAULT).passed


class TestFloat64Alone:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_finds_what_is_found_beside_a_perfect_baseline(self, dtype):
        oracle = torch.randn(300, 1000, dtype=torch.float64)
        output = (oracle * (1 + 1e-6)).to(dtype)
        exact = compare_to_exact(output, oracle, DEFAULT)
        assert exact == compare(output, oracle, oracle, DEFAULT)
        assert exact.passed
        assert exact.max_error > 0

    @pytest.mark.parametrize("at", [0, 299_999])
    @pytest.mark.parametrize("wrong", [1e-4, math.nan, math.inf])
    def test_says_nothing_of_what_a_worse_baseline_may_excuse(self, at, wrong):
        oracle = torch.randn(300, 1000, dtype=torch.float64).clamp(-2, 2)
        output = oracle.float()
        output.view(-1)[at] += wrong
        assert compare_to_exact(output, oracle, DEFAULT) is None

    def test_says_nothing_where_it_is_not_finite_itself(self):
        oracle = torch.zeros(4, 64, dtype=torch.float64)
        oracle[1, 2] = -math.inf
        assert compare_to_exact(oracle.float(), oracle, DEFAULT) is None

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
    def test_says_nothing_of_other_numbers(self, dtype):
        output = torch.ones(4, 64, dtype=dtype)
        assert compare_to_exact(output, output, DEFAULT) is None

    def test_says_nothing_of_a_tolerance_that_is_about_pytorchs_own_output(self):
        oracle = torch.ones(4, 64, dtype=torch.float64)
        tolerance = Tolerance.parse("kernelbench", torch.float32)
        assert compare_to_exact(oracle.float(), oracle, tolerance) is None

    def test_has_nothing_against_no_elements(self):
        empty = torch.empty(0, 5)
        assert compare_to_exact(empty, empty.double(), DEFAULT).passed


class TestShapes:
    def test_of_no_elements_are_right(self):
        empty = torch.empty(0, 5)
        assert compare(empty, empty, empty.double(), DEFAULT).passed

    @pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1, 1), (2, 3, 5, 7)])
    def test_of_any_rank_are_compared(self, shape):
        oracle = torch.randn(shape, dtype=torch.float64)
        assert judge(oracle.float(), oracle).passed
        assert not judge(oracle.float() + 1, oracle).passed

    def test_may_have_any_strides(self):
        oracle = torch.randn(64, 48, dtype=torch.float64).t()
        assert judge(oracle.float(), oracle).passed
        assert not judge(oracle.float() + 0.1, oracle.contiguous()).passed

    @pytest.mark.parametrize("chunk", [1, 64, 100, 1000, 1 << 25])
    @pytest.mark.parametrize("tolerance", [DEFAULT, Tolerance(absolute=1e-3)])
    def test_are_judged_the_same_in_however_many_chunks(
        self, monkeypatch, chunk, tolerance
    ):
        oracle = torch.randn(37, 64, dtype=torch.float64)
        output = oracle.float()
        output[::5, 3] += torch.linspace(1e-3, 1e-1, 8)
        output[36, 63] = torch.nan
        whole = judge(output, oracle, tolerance=tolerance)
        monkeypatch.setattr(compare_module, "_CHUNK", {"cpu": chunk})
        assert judge(output, oracle, tolerance=tolerance) == whole
        assert (whole.mismatched, whole.nonfinite) == (8, 1)


class TestToleranceOfKernelBench:
    @pytest.mark.parametrize(
        ("dtype", "bound"),
        [(torch.float32, 1e-4), (torch.float16, 1e-2), (torch.bfloat16, 1e-2)],
    )
    def test_decides_as_allclose_does(self, dtype, bound):
        tolerance = Tolerance.parse("kernelbench", dtype)
        decisions = set()
        for exponent in range(-7, 1):
            reference = torch.randn(64, 64).to(dtype)
            output = (reference + torch.randn(64, 64) * 10.0**exponent).to(dtype)
            expected = torch.allclose(
                output.double(), reference.double(), atol=bound, rtol=bound
            )
            found = compare(output, reference, reference.double(), tolerance)
            assert found.passed == expected
            decisions.add(expected)
        assert decisions == {True, False}

    def test_is_about_pytorchs_own_output_and_not_the_oracle(self):
        reference = torch.ones(4, 64)
        oracle = torch.zeros(4, 64, dtype=torch.float64)
        tolerance = Tolerance.parse("kernelbench", torch.float32)
        assert compare(reference.clone(), reference, oracle, tolerance).passed

    def test_accepts_the_zeros_that_the_default_does_not(self):
        reference = torch.softmax(torch.rand(4, 200_000), dim=-1)
        zeros = torch.zeros_like(reference)
        tolerance = Tolerance.parse("kernelbench", torch.float32)
        assert compare(zeros, reference, None, tolerance).passed
        assert not compare(zeros, reference, None, DEFAULT).passed


class TestToleranceInNumbers:
    def test_is_absolute(self):
        tolerance = Tolerance.parse("1e-3", torch.float32)
        reference = torch.full((4, 64), 100.0)
        assert compare(reference + 9e-4, reference, None, tolerance).passed
        assert not compare(reference + 2e-3, reference, None, tolerance).passed

    def test_may_be_relative_as_well(self):
        tolerance = Tolerance.parse("1e-3,1e-2", torch.float32)
        reference = torch.full((4, 64), 100.0)
        assert compare(reference + 0.9, reference, None, tolerance).passed
        assert not compare(reference + 1.1, reference, None, tolerance).passed

    def test_of_zero_asks_for_equality(self):
        tolerance = Tolerance.parse("0", torch.float32)
        reference = torch.randn(4, 64)
        assert compare(reference.clone(), reference, None, tolerance).passed
        assert not compare(reference + 1e-6, reference, None, tolerance).passed


def test_the_allowance_that_is_reported_is_that_of_the_worst_element():
    oracle = torch.ones(2, 64, dtype=torch.float64)
    oracle[1] *= 1000
    output = oracle.float()
    output[0, 0] += 0.01  # 300 times its allowance
    output[1, 0] += 0.5  # 17 times its allowance
    found = judge(output, oracle)
    assert found.max_error == pytest.approx(0.5)
    assert found.allowed == pytest.approx(3e-5)
