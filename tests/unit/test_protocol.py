"""Which of the timed bursts are verified."""

from __future__ import annotations

import math

import pytest

from pytest_kernelbench.engine.protocol import calls_to_verify, chance_to_verify


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


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
class TestOfABurst:
    @pytest.mark.parametrize("luck", [0.0, 0.999])
    def test_several_calls_are_verified_where_that_is_quick(self, kind, luck):
        assert calls_to_verify(20, luck, 1.0, 0.05, kind) > 1

    @pytest.mark.parametrize("rounds", [1, 5, 20])
    def test_one_is_by_chance_where_it_is_not(self, kind, rounds):
        chance = chance_to_verify(rounds, 1.0, 0.4)
        for luck in (0.0, chance - 1e-9, chance, 0.999):
            count = calls_to_verify(rounds, luck, 1.0, 0.4, kind)
            assert count == (luck < chance)
