"""How numbers are told."""

from __future__ import annotations

import pytest

from pytest_kernelbench.reports import wording


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0.00 ns"),
        (1.5e-9, "1.50 ns"),
        (41.23e-6, "41.2 us"),
        (9.994e-4, "999 us"),
        (9.996e-4, "1.00 ms"),
        (0.99999, "1.00 s"),
        (12.0, "12.0 s"),
        (99.96, "100 s"),
        (100.0, "100 s"),
        (4000.4, "4000 s"),
    ],
)
def test_a_duration_has_three_digits_and_no_exponent(seconds, told):
    assert wording.duration(seconds) == told
