"""Is an output right? Error against a float64 oracle, relative to the row's scale.

``allclose`` with one absolute tolerance accepts zeros for a softmax over a long row
and rejects a correct matmul with large values. Here the error of an element is
allowed up to

    max(floor * scale,  8 * worst error of the baseline in that row)

where ``scale`` is the largest magnitude that the float64 oracle has in the row, and
the second term, which admits what PyTorch itself gets wrong in that dtype (TF32
convolutions, long sums), is capped relative to the whole tensor. The floors leave
room for another order of summation in the same precision and none for a lower one:
a bf16 matmul has errors of 1e-4 of the scale even for all-positive inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

_FLOOR = {
    torch.float64: 1e-10,
    torch.float32: 3e-5,
    torch.float16: 4e-3,
    torch.bfloat16: 3e-2,
}
_CAP = {
    torch.float64: 1e-8,
    torch.float32: 2e-3,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
}
_BASELINE_MULTIPLE = 8.0
_VAGUE = 0.1
"""Own error of the baseline, relative to the tensor's largest magnitude, from which its
output is noise and the cap would fail PyTorch itself."""
_MIN_ROW = 32
_MIN_SCALE = 1e-3
"""Of the tensor's; rows that are all but zero are judged by this instead."""
_HEAD = 1 << 16
"""Elements in which most of what is wrong all over shows."""
_CHUNK = {"cpu": 1 << 17, "cuda": 1 << 27}
"""Elements compared at a time: what caches hold, or what bounds temporary memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """``default``, or absolute and relative to the reference's element."""

    absolute: float | None = None
    relative: float = 0.0

    @classmethod
    def parse(cls, text: str, dtype: torch.dtype) -> Tolerance:
        """Read ``default``, ``kernelbench`` or ``ATOL[,RTOL]``."""
        if text == "default":
            return cls()
        if text == "kernelbench":
            bound = 1e-4 if dtype is torch.float32 else 1e-2
            return cls(absolute=bound, relative=bound)
        absolute, _, relative = text.partition(",")
        return cls(absolute=float(absolute), relative=float(relative or 0))


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What was found in one output tensor."""

    elements: int
    mismatched: int = 0
    nonfinite: int = 0
    max_error: float = 0.0
    allowed: float = 0.0
    """At the element whose error is largest compared with what it is allowed."""
    vague: bool = False
    """The problem's own error is as large as its output."""
    _ratio: float = -1.0

    @property
    def passed(self) -> bool:
        return self.mismatched == 0 and self.nonfinite == 0

    def add(
        self, mismatched: float, max_error: float, ratio: float, allowed: float
    ) -> None:
        """Take in a part; what they are, ``_worst`` says."""
        self.mismatched += int(mismatched)
        self.max_error = max(self.max_error, max_error)
        if ratio > self._ratio:
            self._ratio, self.allowed = ratio, allowed


def compare(
    output: torch.Tensor,
    reference: torch.Tensor,
    oracle: torch.Tensor | None,
    tolerance: Tolerance,
    *,
    thorough: bool = True,
) -> Comparison:
    """Compare one output with the reference's and, where there is one, a float64 one.

    Args:
        output: what the candidate returned.
        reference: the problem's own output; same shape and dtype.
        oracle: the problem's output in float64; same shape.
        tolerance: how much error is allowed.
        thorough: count all that is wrong, or stop at the first.
    """
    result = Comparison(elements=output.numel())
    if output.numel() == 0:
        return result
    if output.is_complex():
        output, reference = _as_real(output), _as_real(reference)
        oracle = None if oracle is None else _as_real(oracle)
    if not output.is_floating_point():
        result.mismatched = int((output != reference).sum())
        result.max_error = float(result.mismatched > 0)
        return result
    truth = reference if oracle is None or tolerance.absolute is not None else oracle
    three = truth, output, reference
    if (
        tolerance.absolute is None
        and (thorough or _is_right_at_first(*three))
        and _compare_finite(*three, result=result)
    ):
        return result
    largest = _largest_magnitude(truth)
    for chunk in _chunks(*three, head=0 if thorough else _HEAD):
        _compare_rows(*chunk, largest=largest, tolerance=tolerance, result=result)
        if not (thorough or result.passed):
            break
    return result


def compare_to_exact(
    output: torch.Tensor, oracle: torch.Tensor, tolerance: Tolerance
) -> Comparison | None:
    """Compare with a float64 output alone, where that is enough to be sure.

    The error of the problem's own output can only allow more, so that it need not be
    known where every error is below the floor of its row.

    Returns:
        None where it must be known.
    """
    if tolerance.absolute is not None or not output.is_floating_point():
        return None
    result = Comparison(elements=output.numel())
    if output.numel() == 0:
        return result
    both = oracle, output
    is_right = _is_right_at_first(*both) and _compare_finite(*both, result=result)
    return result if is_right else None


def _is_right_at_first(*tensors: torch.Tensor) -> bool:
    """Whether the rest is worth a look; where there is no rest, all is looked at once."""
    if tensors[0].numel() <= _HEAD:
        return True
    head = next(_chunks(*tensors, head=_HEAD))
    return _compare_finite(*head, result=Comparison(elements=head[0].numel()))


def _compare_finite(
    truth: torch.Tensor,
    output: torch.Tensor,
    *reference: torch.Tensor,
    result: Comparison,
) -> bool:
    """The common case in a few passes: every number finite, every error allowed.

    Returns:
        Whether that is the case; if not, nothing is noted, and ``_compare_rows`` says
        what is wrong. Whatever is not finite makes an error of its row that is not, either.
    """
    chunks = _chunks(truth, output, *reference)
    columns = zip(*(_errors_of_rows(*chunk) for chunk in chunks), strict=True)
    scale, error, *known = map(torch.cat, columns)
    own = known[0] if known else torch.zeros_like(error)
    finite = (scale + own + error).isfinite().all()
    largest = scale.max()
    scale = scale.clamp_min(_MIN_SCALE * largest)
    allowed, vague = _allowed(scale, own, largest, output.dtype)
    *worst, is_vague, is_finite = _numbers(*_worst(error, allowed), vague, finite)
    mismatched = worst[0]
    if mismatched or not is_finite:
        return False
    result.vague = result.vague or bool(is_vague)
    result.add(*worst)
    return True


def _errors_of_rows(
    truth: torch.Tensor, *outputs: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """The largest true value of each row, and the largest error of each output there."""
    truth = truth.double()
    errors = [_largest_in_rows(_difference(output, truth)) for output in outputs]
    return _largest_in_rows(truth), *errors


def _worst(error: torch.Tensor, allowed: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """How many errors are not allowed, the largest, and the one that comes closest.

    Of that one, its ratio to what is allowed, and what is allowed.
    """
    ratios = (error / allowed.clamp_min(torch.finfo(allowed.dtype).tiny)).flatten()
    ratio, index = ratios.max(dim=0)
    there = allowed.expand_as(error).take(index)
    return (error > allowed).sum(), error.max(), ratio, there


def _numbers(*values: torch.Tensor) -> list[float]:
    """Of tensors with one element each; a GPU is waited for once."""
    return torch.stack([value.double() for value in values]).tolist()


def _difference(values: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    if not values.is_cuda:  # where operands of two dtypes take several times as long
        return values.double().sub(truth)
    # More passes take longer there, and so does writing what need not be that exact.
    dtype = torch.promote_types(values.dtype, torch.float32)
    return torch.sub(values, truth, out=torch.empty_like(values, dtype=dtype))


def _largest_in_rows(values: torch.Tensor) -> torch.Tensor:
    """The largest magnitude of each row, NaN where there is one."""
    if not values.is_cuda:  # then they are in its caches, and two passes the faster way
        return values.abs().amax(dim=1)
    least, most = values.aminmax(dim=1)
    return torch.maximum(-least, most)


def _allowed(
    scale: torch.Tensor,
    own: torch.Tensor,
    largest: float | torch.Tensor,
    dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The error allowed in each row, and whether the problem's own is as large."""
    allowance = own * _BASELINE_MULTIPLE
    vague = own.max() > _VAGUE * largest
    # Nobody can be held to digits that PyTorch has not.
    capped = allowance.clamp_max(_CAP[dtype] * largest)
    allowance = torch.where(vague, allowance, capped)
    return torch.maximum(_FLOOR[dtype] * scale, allowance), vague


def _compare_rows(
    truth: torch.Tensor,
    output: torch.Tensor,
    reference: torch.Tensor,
    *,
    largest: float,
    tolerance: Tolerance,
    result: Comparison,
) -> None:
    dtype = output.dtype
    # The oracle decides where the result is finite only as far as the dtype reaches.
    finite = reference.isfinite()
    same = torch.where(finite, output.isfinite(), _same_nonfinite(output, reference))
    result.nonfinite += int((~same).sum())
    judged = finite & output.isfinite()
    # Where float64 overflows or is undefined and the dtype's own result is not, the
    # oracle has nothing to say.
    wide_truth = torch.where(truth.isfinite(), truth.double(), reference.double())
    wide_truth = torch.where(judged, wide_truth, 0.0)
    error = torch.where(judged, (output.double() - wide_truth).abs(), 0.0)
    if tolerance.absolute is not None:
        allowed = tolerance.absolute + tolerance.relative * wide_truth.abs()
        result.add(*_numbers(*_worst(error, allowed)))
        return
    scale = wide_truth.abs().amax(dim=1, keepdim=True)
    scale = scale.clamp_min(_MIN_SCALE * largest)
    own = torch.where(judged, (reference.double() - wide_truth).abs(), 0.0)
    own = own.amax(dim=1, keepdim=True)
    allowed, vague = _allowed(scale, own, largest, dtype)
    *worst, is_vague = _numbers(*_worst(error, allowed), vague)
    result.vague = result.vague or bool(is_vague)
    result.add(*worst)


def _as_real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor.resolve_conj())


def _same_nonfinite(output: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return (output == reference) | (output.isnan() & reference.isnan())


def _largest_magnitude(truth: torch.Tensor) -> float:
    largest = max(abs(float(end)) for end in truth.aminmax())
    if math.isfinite(largest):
        return largest
    finite = torch.where(truth.isfinite(), truth, torch.zeros_like(truth))
    return float(finite.abs().max())


def row_length(shape: torch.Size) -> int:
    """The last dimension, and as many before it as make a row worth the name."""
    length = 1
    for size in reversed(shape):
        length *= size
        if length >= _MIN_ROW:
            return length
    return math.prod(shape)


def _chunks(
    *tensors: torch.Tensor, head: int = 0
) -> Iterator[tuple[torch.Tensor, ...]]:
    """The same rows of each; first of all the first ``head`` elements, if asked."""
    length = row_length(tensors[0].shape)
    rows = [tensor.reshape(-1, length) for tensor in tensors]
    most = _CHUNK[tensors[0].device.type]
    first, step = -(-head // length), max(1, most // length)
    if first:
        yield tuple(row[:first] for row in rows)
    if first < len(rows[0]):
        yield from zip(*(row[first:].split(step) for row in rows), strict=True)
