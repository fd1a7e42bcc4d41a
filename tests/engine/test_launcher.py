"""Candidates as the controller holds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_kernelbench.engine.clients import CandidateClient, TimeBudget
from pytest_kernelbench.engine.isolation import launcher as launcher_module
from pytest_kernelbench.engine.isolation.launcher import CandidateLauncher
from pytest_kernelbench.engine.isolation.sandbox import Stop, base_environment


def test_a_number_whose_end_nobody_waited_for_may_be_given_again(tmp_path):
    launcher = CandidateLauncher(base_environment(CUDA_VISIBLE_DEVICES=""))
    try:
        launcher.start()
        last = int(Path("/proc/loadavg").read_text().split()[-1])
        for number in range(last, last + 2000):
            launcher._ended(number, 0)
        candidate = launcher.launch(tmp_path, [], {})
        assert candidate.exit_code(timeout=0) is None
        candidate.kill()
        assert candidate.exit_code(timeout=0) == -9
    finally:
        launcher.close()


CLONES_A_SISTER = """\
import ctypes, os, torch

CLONE, CLONE_PARENT, SIGCHLD = 56, 0x8000, 17
if ctypes.PyDLL(None).syscall(CLONE, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0:
    os._exit(0)

class ModelNew(torch.nn.Module):
    pass
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of a call")
def test_what_a_candidate_had_cloned_as_our_child_does_not_delay_its_end(tmp_path):
    kernel = tmp_path / "kernel.py"
    kernel.write_text(CLONES_A_SISTER)
    launcher = CandidateLauncher(base_environment(CUDA_VISIBLE_DEVICES=""))
    try:
        candidate = launcher.launch(tmp_path / "own", [tmp_path], {})
        client = CandidateClient(candidate)
        client.ask(
            "build",
            TimeBudget(60.0),
            do="build",
            path=str(kernel),
            language="python",
            entry="ModelNew",
            headers=None,
        )
        candidate.kill()  # gives up after ten seconds
        assert candidate.exit_code(timeout=0) == -9
    finally:
        launcher.close()


def test_a_candidate_of_unknown_number_in_its_room_is_stopped_all_the_same(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(launcher_module, "number_inside", lambda _pid: None)
    launcher = CandidateLauncher(base_environment(CUDA_VISIBLE_DEVICES=""))
    try:
        candidate = launcher.launch(tmp_path, [], {})
        assert candidate.leash is None
        assert candidate.pause() is Stop.SOON
        candidate.resume()
        assert candidate.exit_code(timeout=0.2) is None
        candidate.kill()
        assert candidate.exit_code(timeout=0) == -9
    finally:
        launcher.close()
