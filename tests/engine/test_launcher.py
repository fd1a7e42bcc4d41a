"""Candidates as the controller holds them."""

from __future__ import annotations

from pathlib import Path

from pytest_kernelbench.engine.isolation.launcher import CandidateLauncher
from pytest_kernelbench.engine.isolation.sandbox import base_environment


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
