"""Selection, interruption, crashes: what pytest users rely on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

both_modes = pytest.mark.both_modes


@both_modes
def test_exitfirst_leaves_the_rest_unevaluated(kernels):
    kernels.add("a", "verdict=WRONG")
    for number in range(20):
        kernels.add(f"k{number:02}", "sleep=60")
    result = kernels.run("-x")
    assert result.ret in (1, 2)
    assert kernels.events()["done"] == 1


@both_modes
def test_last_failed_runs_only_what_failed(kernels):
    kernels.add("a")
    kernels.add("b", "verdict=WRONG")
    kernels.run("--kb-gpu=L40S").assert_outcomes(passed=1, failed=1)
    result = kernels.run("--kb-gpu=L40S", "--lf")
    result.assert_outcomes(failed=1)
    assert kernels.events()["submit"] == 3


@both_modes
def test_ctrl_c_keeps_what_was_finished(kernels):
    kernels.add("a", "speedup=1.25")
    for number in range(3):
        kernels.add(f"k{number}", "sleep=60")
    process = subprocess.Popen(
        kernels.command(),
        cwd=kernels.pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    _wait_until(
        lambda: kernels.events()["done"] == 1 and kernels.events()["start"] == 4
    )
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    (line,) = map(json.loads, kernels.journal())
    assert line["nodeid"] == "a_kernel.py::ModelNew"
    assert line["result"]["speedup"]["value"] == 1.25
    assert kernels.events()["close"] == 1


def _wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("mode", ["xdist"])
def test_a_crashed_worker_costs_only_its_own_item(kernels):
    for number in range(4):
        kernels.add(f"k{number}")
    kernels.pytester.makeconftest(
        """
        import os, pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_call(item):
            if "k2" in item.nodeid:
                os._exit(1)
        """
    )
    result = kernels.run()
    result.assert_outcomes(passed=3, failed=1)
    assert kernels.events()["submit"] == 4


@pytest.mark.parametrize("mode", ["xdist"])
def test_workers_on_other_hosts_evaluate_what_is_theirs(kernels):
    for number in range(4):
        kernels.add(f"k{number}", "verdict=WRONG")
    kernels.pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(optionalhook=True, trylast=True)
        def pytest_configure_node(node):
            del node.workerinput["kernelbench"]["broker"]  # as over ssh
        """
    )
    result = kernels.run("--kb-seed=9")
    result.assert_outcomes(failed=4)
    assert kernels.events()["submit"] == 4
    assert kernels.events()["open"] == kernels.events()["close"]
    assert sum("--kb-seed=9" in line for line in result.outlines) == 4


@pytest.mark.parametrize("mode", ["xdist"])
def test_the_controller_reports_once(kernels):
    kernels.add("a")
    kernels.add("b")
    lines = kernels.run().outlines
    assert sum("kernelbench: cpu (fake)" in line for line in lines) == 1
    assert sum("2 kernels" in line for line in lines) == 1


def test_collect_only_opens_no_executor(kernels):
    kernels.add("a")
    result = kernels.run("--collect-only", "-q", "--kb-gpu=L40S,H100")
    assert result.outlines[:2] == [
        "a_kernel.py::ModelNew[L40S]",
        "a_kernel.py::ModelNew[H100]",
    ]
    assert not kernels.events()


@pytest.mark.parametrize("option", ["--setup-only", "--setup-plan"])
def test_setup_only_evaluates_nothing(kernels, option):
    kernels.add("a")
    assert kernels.run(option).ret == 0
    assert not kernels.events()


def test_collection_errors_evaluate_nothing(kernels):
    kernels.add("a")
    kernels.pytester.makepyfile(test_broken="1 / 0")
    kernels.run().assert_outcomes(errors=1)
    assert not kernels.events()


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("-k", "alpha"), 1),
        (("-k", "softmax"), 1),
        (("-k", "L40S"), 2),
        (("-m", "kernelbench"), 4),
        (("-m", "not kernelbench"), 0),
        (("-m", "kernelbench(device='H100', problem='builtin/gelu')"), 1),
        (("beta_kernel.py::ModelNew",), 2),
        (("beta_kernel.py::ModelNew[H100]",), 1),
    ],
)
def test_items_are_selected_as_any_others(kernels, words, count):
    kernels.add("alpha", problem="builtin/softmax")
    kernels.add("beta", problem="builtin/gelu")
    gpus = (
        "--kb-gpu=L40S"
        if words[1:] in (("alpha",), ("softmax",))
        else ("--kb-gpu=L40S,H100")
    )
    result = kernels.run(gpus, *words)
    assert result.parseoutcomes().get("passed", 0) == count
    assert kernels.events()["submit"] == count


@both_modes
def test_an_interrupted_run_is_resumed(kernels):
    kernels.add("a", "verdict=WRONG")
    kernels.add("b")
    result = kernels.run("--kb-resume")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [" note: --kb-resume found no earlier run to go on with"]
    )
    kernels.add("c")
    result = kernels.run("--kb-resume")
    result.stdout.no_fnmatch_line("*found no earlier run*")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*not evaluated again: from *.jsonl (2 kernels)"])
    assert kernels.events()["submit"] == 3
    assert len(kernels.journal()) == 3


def test_resuming_evaluates_what_is_asked_differently(kernels):
    kernels.add("a")
    kernels.run()
    kernels.run("--kb-resume", "--kb-trials=9")
    assert kernels.events()["submit"] == 2


def test_resuming_survives_half_a_line(kernels):
    kernels.add("a")
    kernels.run()
    (path,) = (kernels.pytester.path / ".kernelbench" / "runs").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"nodeid": "b_ker')
    kernels.run("--kb-resume").assert_outcomes(passed=1)
    assert kernels.events()["submit"] == 1
