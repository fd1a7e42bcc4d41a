"""Who may use a device, and when."""

from __future__ import annotations

import contextlib
import threading

import pytest

from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.executors import places as places_module
from pytest_kernelbench.executors.places import Places

SECONDS = 20


class Candidate:
    """Notes what is done to it."""

    pid = 1

    def __init__(self):
        self.held = 0
        self.was_held = self.killed = False

    def hold(self):
        self.held += 1
        self.was_held = True

    def release(self):
        self.held -= 1

    def kill(self):
        self.killed = True


class Session:
    pid = 2

    def __init__(self, oracle):
        self._oracle = oracle

    @contextlib.contextmanager
    def turn(self):
        with self._oracle.turn:
            yield

    def idle_since(self):
        return 1.0 if self._oracle.idle else None

    def end(self):
        pass


class Oracle:
    def __init__(self):
        self.turn = threading.RLock()
        self.usable = self.idle = True

    def session(self):
        return Session(self)


@pytest.fixture
def oracle():
    return Oracle()


@pytest.fixture
def places(tmp_path, oracle):
    return Places(3, tmp_path / "lease", lambda: oracle, list)


@contextlib.contextmanager
def in_background(action):
    """Run it in a thread; gives the event of its being done."""
    done = threading.Event()

    def run():
        action()
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield done
    thread.join(SECONDS)
    assert done.is_set()


def take(places, *, alone=False, candidate=None):
    return places.taken(candidate or Candidate(), alone=alone)


def take_and_leave(places, **wish):
    with take(places, **wish):
        pass


def test_are_shared_up_to_a_number(places):
    with contextlib.ExitStack() as outside:
        with take(places), take(places), take(places) as last:
            fourth = outside.enter_context(
                in_background(lambda: take_and_leave(places))
            )
            assert not last.alone
            assert not fourth.wait(0.2)
        assert fourth.wait(SECONDS)


def test_are_left_by_all_before_one_is_alone(places):
    with contextlib.ExitStack() as outside:
        with take(places):
            alone = outside.enter_context(
                in_background(lambda: take_and_leave(places, alone=True))
            )
            assert not alone.wait(0.2)
        assert alone.wait(SECONDS)


def test_are_all_taken_by_one_that_is_alone(places):
    with contextlib.ExitStack() as outside:
        with take(places, alone=True):
            other = outside.enter_context(in_background(lambda: take_and_leave(places)))
            assert not other.wait(0.2)
        assert other.wait(SECONDS)


def test_of_others_are_held_while_one_is_timed_and_only_then(places):
    mine, other, builder = Candidate(), Candidate(), Candidate()
    with (
        take(places, candidate=mine) as place,
        take(places, candidate=other),
        places.building(builder),
    ):
        with place.quiet():
            assert (mine.held, other.held, builder.held) == (0, 1, 1)
        assert (other.held, builder.held) == (0, 0)


def test_are_lost_by_those_who_keep_the_device_busy_while_another_is_timed(
    places, oracle
):
    mine, hog = Candidate(), Candidate()
    with take(places, candidate=mine) as place, take(places, candidate=hog) as theirs:
        oracle.idle = False
        with place.quiet():
            assert (hog.killed, theirs.disturbed) == (True, True)
        assert (mine.killed, place.disturbed) == (False, False)


def test_are_not_given_at_an_oracle_that_cannot_be_relied_on(places, oracle):
    with contextlib.ExitStack() as outside:
        with take(places):
            oracle.usable = False
            other = outside.enter_context(in_background(lambda: take_and_leave(places)))
            assert not other.wait(0.2)
        oracle.usable = True
        assert other.wait(SECONDS)


def test_are_waited_for_no_longer_once_all_is_closed(places):
    found = []

    def wait():
        with pytest.raises(ExecutorError) as caught:
            take_and_leave(places)
        found.append(str(caught.value))

    with take(places, alone=True), in_background(wait) as ended:
        places.close()
        assert ended.wait(SECONDS)
    assert found == ["the executor was closed"]


def test_keep_other_sessions_out(tmp_path, places, oracle):
    others = Places(3, tmp_path / "lease", lambda: oracle, list)
    with contextlib.ExitStack() as outside:
        with take(places):
            other = outside.enter_context(in_background(lambda: take_and_leave(others)))
            assert not other.wait(0.2)
        assert other.wait(SECONDS)


def test_are_free_again_where_no_oracle_starts(tmp_path, oracle):
    starts = iter([ExecutorError("no"), oracle])

    def running():
        found = next(starts)
        if isinstance(found, Exception):
            raise found
        return found

    places = Places(1, tmp_path / "lease", running, list)
    with pytest.raises(ExecutorError):
        take_and_leave(places)
    take_and_leave(places)


def claim_and_leave(places, size):
    with take(places) as place:
        assert place.claim(size, 100)


def claiming(outside, places, size):
    """The event of somebody's having claimed so much, and left."""
    return outside.enter_context(in_background(lambda: claim_and_leave(places, size)))


def test_wait_for_memory_until_those_who_claimed_it_have_left(places):
    with contextlib.ExitStack() as outside:
        with take(places) as place:
            assert place.claim(50, 100)
            other = claiming(outside, places, 60)
            assert not other.wait(0.2)
        assert other.wait(SECONDS)


@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_that_need_little_pass_one_that_needs_much_but_not_for_ever(
    places, patience, monkeypatch
):
    monkeypatch.setattr(places_module, "_PATIENCE", patience)
    with contextlib.ExitStack() as outside:
        with take(places) as place:
            assert place.claim(50, 100)
            large = claiming(outside, places, 60)
            assert not large.wait(0.2)
            small = claiming(outside, places, 10)
            assert small.wait(0.2 if patience == 0 else SECONDS) is (patience > 0)
            assert not large.is_set()
        assert large.wait(SECONDS)
        assert small.wait(SECONDS)


def test_are_not_shared_by_who_needs_all_memory(places):
    with take(places) as place:
        assert not place.claim(99, 100)


def test_are_waited_for_with_a_claim_no_longer_once_all_is_closed(places):
    found = []

    def wait():
        with pytest.raises(ExecutorError) as caught:
            claim_and_leave(places, 60)
        found.append(str(caught.value))

    with take(places) as place:
        assert place.claim(50, 100)
        with in_background(wait) as ended:
            places.close()
            assert ended.wait(SECONDS)
    assert found == ["the executor was closed"]


def be_in_front(place, order):
    with place.foreground():
        order.append(place)


@pytest.mark.parametrize("somebody_waits", [False, True])
def test_are_first_timed_by_who_keeps_memory_from_others(places, somebody_waits):
    order = []
    with contextlib.ExitStack() as outside:
        with (
            take(places) as first,
            take(places) as large,
            contextlib.ExitStack() as in_line,
        ):
            assert large.claim(60, 100)
            with first.foreground():
                if somebody_waits:
                    assert not claiming(outside, places, 50).wait(0.2)
                for place in (first, large):
                    ended = in_background(lambda place=place: be_in_front(place, order))
                    assert not in_line.enter_context(ended).wait(0.2)
        assert order == ([large, first] if somebody_waits else [first, large])


def test_are_not_waited_for_in_line_once_all_is_closed(places):
    found = []

    def wait(place):
        with pytest.raises(ExecutorError) as caught:
            be_in_front(place, [])
        found.append(str(caught.value))

    with (
        take(places) as first,
        take(places) as second,
        first.foreground(),
        in_background(lambda: wait(second)) as ended,
    ):
        places.close()
        assert ended.wait(SECONDS)
    assert found == ["the executor was closed"]
