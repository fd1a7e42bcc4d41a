"""What a problem's ``forward(x, y)`` and its inputs may be, for every device."""

from __future__ import annotations

FORMS = {
    "several tensors": ("return x @ y", "[torch.randn(9, 5), torch.randn(5, 7)]"),
    "a scalar among tensors": ("return x * y", "[torch.randn(40), 0.25]"),
    "a flag": ("return x if y else -x", "[torch.randn(40), True]"),
    "a missing mask": ("return x if y is None else y", "[torch.randn(40), None]"),
    "a mask": (
        "return x.masked_fill(y, float('-inf'))",
        "[torch.randn(9, 40), torch.rand(9, 40) > 0.5]",
    ),
    "indices": ("return x[y]", "[torch.randn(40, 3), torch.randint(0, 40, (9,))]"),
    "a nested input": (
        "return x[0] + x[1]['w'] * y",
        "[(torch.randn(40), {'w': torch.randn(40)}), 2]",
    ),
    "unsigned integers": (
        "return x.int() * 2",
        "[torch.randint(0, 9, (40,)).to(torch.uint16), None]",
    ),
    "a conjugated input": (
        "return x * 2",
        "[torch.randn(9).to(torch.cfloat).conj(), None]",
    ),
    "a negated view": (
        "return x * 2",
        "[torch.randn(9).to(torch.cfloat).conj().imag, None]",
    ),
    "an expanded input": ("return x + y", "[torch.randn(9, 1).expand(9, 40), 1.0]"),
    "a transposed input": ("return x + y", "[torch.randn(5, 9).t(), 1.0]"),
    "a tuple": ("return x, y", "[torch.randn(40), torch.randn(3)]"),
    "a named tuple": ("return torch.max(x, dim=1)", "[torch.randn(9, 40), None]"),
    "a dict": (
        "return {'sum': x + y, 'rest': [None, x]}",
        "[torch.randn(40), torch.randn(40)]",
    ),
    "a scalar tensor": ("return (x * y).sum()", "[torch.randn(40), torch.randn(40)]"),
    "integers": ("return x.argmax(dim=1)", "[torch.randn(9, 40), None]"),
    "booleans": ("return x > y", "[torch.randn(40), torch.randn(40)]"),
    "complex numbers": ("return torch.fft.fft(x)", "[torch.randn(64), None]"),
    "a conjugate": ("return torch.fft.fft(x).conj()", "[torch.randn(64), None]"),
    "a transposed output": ("return x.t()", "[torch.randn(9, 40), None]"),
    "an empty tensor beside another": (
        "return x, x[:0]",
        "[torch.randn(40), None]",
    ),
    "infinities": ("return x.log()", "[torch.randn(40).relu(), None]"),
    "an input that it changes": (
        "return x.mul_(2) + y",
        "[torch.randn(40), torch.randn(40)]",
    ),
    "random numbers": (
        "return torch.dropout(x, 0.5, True) + y",
        "[torch.randn(400), 0.0]",
    ),
}
