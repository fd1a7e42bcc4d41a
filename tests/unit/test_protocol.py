"""Which of the timed bursts are verified."""

from __future__ import annotations

import math

import pytest

from pytest_kernelbench.engine.protocol import chance_to_verify


def unseen(rounds: range, verifying: float) -> float:
    """How likely a kernel goes unseen whose calls are wrong in these rounds."""
    chances = [chance_to_verify(one, 1.0, verifying) for one in rounds]
    return math.prod(1 - chance for chance in chances)


@pytest.mark.parametrize("verifying", [0.0, 0.1, 1.0, 1e9])
class TestAKernelThatIsWrongWhenTimed:
    @pytest.mark.parametrize("rounds", [3, 8, 128])
    def test_is_seen_however_long_verifying_is_made_to_take(self, verifying, rounds):
        assert unseen(range(1, rounds + 1), verifying) == 0

    def test_is_most_likely_seen_in_any_half_of_the_fewest_rounds(self, verifying):
        assert unseen(range(5, 9), verifying) < 0.07

    def test_is_most_likely_seen_in_what_comes_after_them(self, verifying):
        assert unseen(range(9, 25), verifying) < 0.02


def test_where_verifying_takes_most_of_the_time_fewer_calls_are():
    quick, slow = (chance_to_verify(20, 1.0, seconds) for seconds in (0.1, 1.0))
    assert slow < quick < 1
