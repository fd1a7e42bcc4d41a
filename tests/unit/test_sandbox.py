"""What is done to a candidate process from outside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_kernelbench.engine.channel import channel_pair
from pytest_kernelbench.engine.isolation import sandbox
from pytest_kernelbench.engine.isolation.sandbox import Isolation, Output, Sandboxed


@pytest.fixture
def one_core():
    """This thread and the processes that it starts share a core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture
def busy(one_core):
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    process.stdout.readline()
    ours, theirs = channel_pair()
    output, isolation = Output(), Isolation("L1", "")
    yield Sandboxed(process.pid, ours, output, isolation, list, lambda: None)
    process.kill()
    process.wait()
    process.stdout.close()
    output.handed_over()
    theirs.close()
    ours.close()


def test_a_process_that_needs_our_core_to_stop_gets_it(busy, monkeypatch):
    looks = []

    def noted(process, look=sandbox.state_and_group):
        looks.append(process)
        return look(process)

    monkeypatch.setattr(sandbox, "state_and_group", noted)
    for _ in range(20):
        assert busy.halt()
        busy.resume()
    assert len(looks) < 20 * 10
    busy.halt()
