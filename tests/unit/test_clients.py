"""What the controller knows of an oracle that several evaluations ask."""

from __future__ import annotations

import threading

import pytest

from pytest_kernelbench.engine.channel import Channel, channel_pair
from pytest_kernelbench.engine.clients import OracleProcess
from pytest_kernelbench.errors import ExecutorError, ProblemError

SECONDS = 20


class Worker:
    """An oracle that is answered for by the test."""

    pid = 1

    def __init__(self):
        self.channel, theirs = channel_pair()
        self.other_end = Channel(theirs)

    def wake(self):
        pass

    def was_killed(self):
        return False


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.channel.close()
    made.other_end.close()


@pytest.fixture
def oracle(worker):
    return OracleProcess(worker)


def asked(session, **message):
    """Ask in a thread, which is over once there is an answer."""
    thread = threading.Thread(target=lambda: session.ask(SECONDS, **message))
    thread.start()
    return thread


def test_an_oracle_can_be_relied_on_while_it_is_at_work_for_somebody(worker, oracle):
    thread = asked(oracle.session(), do="verify")
    worker.other_end.receive(SECONDS)
    assert oracle.usable
    worker.other_end.send({})
    thread.join(SECONDS)
    assert oracle.usable


def test_a_session_is_ended_although_others_are_being_answered(worker, oracle):
    thread = asked(oracle.session(), do="verify")
    worker.other_end.receive(SECONDS)
    leaving = oracle.session()
    ending = threading.Thread(target=leaving.end)
    ending.start()
    worker.other_end.send({})
    assert worker.other_end.receive(SECONDS)["do"] == "end"
    worker.other_end.send({})
    for one in (thread, ending):
        one.join(SECONDS)


def test_an_oracle_that_is_gone_cannot_be_relied_on(worker, oracle):
    worker.other_end.close()
    with pytest.raises(ExecutorError):
        oracle.session().ask(SECONDS, do="verify")
    assert not oracle.usable


@pytest.mark.parametrize("sound", [True, False])
def test_after_a_problems_fault_the_oracle_says_whether_it_still_works(
    worker, oracle, sound
):
    worker.other_end.send({"failed": "problem", "message": "no", "sound": sound})
    with pytest.raises(ProblemError):
        oracle.session().ask(SECONDS, do="load")
    assert oracle.usable is sound
