"""What goes wrong, told apart: the kernel's doing, or not."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest
from grpclib import Status
from requests_to_make import request

from pytest_kernelbench.errors import ExecutorError, ProblemError
from pytest_kernelbench.model import Kernel, Verdict

CARELESS = "careless:CarelessExecutor"
DEADLY = {
    "segfault": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "exit": "import os\nos._exit(3)",
    "out of memory": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("how", DEADLY)
def test_a_kernel_that_takes_its_container_down_crashes_alone(
    service, open_executor, how
):
    executor = open_executor(evaluator=CARELESS, parallel=2)
    deadly = executor.submit(request(DEADLY[how], path="deadly.py"))
    others = [executor.submit(request(path=f"{n}.py")) for n in range(6)]

    assert [o.result().verdict for o in others] == [Verdict.PASS] * 6
    assert deadly.result().verdict is Verdict.CRASH
    assert "also when it ran alone" in deadly.result().reason
    assert service.scheduler.crashes


def test_a_base_that_takes_the_container_down_is_no_crash_of_the_kernel(
    service, open_executor
):
    executor = open_executor(evaluator=CARELESS, parallel=1)
    base = Kernel(path="main:k.py", source=DEADLY["exit"])
    asked = msgspec.structs.replace(request(), base=base)

    result = executor.submit(asked).result()

    assert result.verdict is Verdict.PASS
    (note,) = result.notes
    assert note == "not compared with main: together they take their container down"


def test_a_container_stopped_at_its_limit_is_a_timeout_and_not_retried(
    service, open_executor
):
    service.faults.input_limit = 1.0
    executor = open_executor(evaluator=CARELESS)
    hanging = request("import time\ntime.sleep(600)", timeout=5, build_timeout=5)

    result = executor.submit(hanging).result()

    assert result.verdict is Verdict.TIMEOUT
    assert "stopped the container after 300 s" in result.reason
    assert executor.infrastructure_retries == 0
    assert len(service.scheduler.history) == 1


def test_a_preempted_evaluation_is_carried_out_again(service, open_executor):
    service.faults.preempt = 1
    executor = open_executor()

    assert executor.submit(request()).result().verdict is Verdict.PASS
    assert executor.retry_causes == {"preemption": 1}


def test_preemption_without_end_is_an_error_and_not_a_verdict(service, open_executor):
    service.faults.preempt = 100
    executor = open_executor(retries=2)

    with pytest.raises(ExecutorError, match=r"taken away.*tried 3 times"):
        executor.submit(request()).result()
    assert executor.infrastructure_retries == 2


def test_a_killed_container_costs_no_result(service, open_executor):
    service.faults.kill = 1
    executor = open_executor(parallel=2)
    waiting = [
        executor.submit(request("# fake: sleep=0.5", path=f"{n}.py")) for n in range(4)
    ]

    assert [w.result().verdict for w in waiting] == [Verdict.PASS] * 4
    assert service.scheduler.crashes == [-9]


def test_another_gpu_than_the_one_asked_for_is_not_measured_on(service, open_executor):
    service.faults.granted["H100!"] = ["NVIDIA H200"]
    executor = open_executor(parallel=1)

    assert executor.submit(request(device="H100")).result().verdict is Verdict.PASS
    assert executor.retry_causes == {"device": 1}
    assert len({row.container for row in service.scheduler.history}) == 2


def test_a_gpu_that_never_comes_is_an_error_that_names_both(service, open_executor):
    service.faults.granted["L40S"] = ["NVIDIA L4"] * 10
    executor = open_executor(parallel=1)

    with pytest.raises(ExecutorError, match=r"asked for L40S, .* has a NVIDIA L4"):
        executor.submit(request()).result()


def test_a_misspelt_gpu_is_an_error_with_the_nearest_name(service, open_executor):
    with pytest.raises(ExecutorError, match="no GPU 'L40SS'; did you mean 'L40S'"):
        open_executor().submit(request(device="L40SS")).result()
    assert not service.rpcs


def test_a_failing_image_is_one_line_with_its_cause(service, open_executor):
    missing = "No matching distribution found for torch"
    service.faults.failing_images["torch=="] = missing
    executor = open_executor()

    for waiting in [executor.submit(request()) for _ in range(3)]:
        with pytest.raises(
            ExecutorError, match=rf"build the image: .*{missing}"
        ) as told:
            waiting.result()
        assert "\n" not in str(told.value)


def test_a_quota_is_waited_for(service, open_executor):
    service.faults.fail("FunctionMap", Status.RESOURCE_EXHAUSTED, times=2)
    executor = open_executor()

    assert executor.submit(request()).result().verdict is Verdict.PASS
    assert executor.retry_causes == {"quota": 2}


def test_a_quota_without_end_says_where_to_look(service, open_executor):
    service.faults.fail("FunctionMap", Status.RESOURCE_EXHAUSTED, times=10)
    with pytest.raises(ExecutorError, match=r"quota is used up .*settings/usage"):
        open_executor().submit(request()).result()


def test_a_refused_token_says_how_to_mend_it(service, open_executor):
    service.faults.refuse_tokens = True
    with pytest.raises(ExecutorError, match=r"refused the token .*`modal setup`"):
        open_executor().submit(request()).result()


def test_a_dropped_connection_costs_no_result(service, open_executor):
    executor = open_executor(parallel=2)
    waiting = [
        executor.submit(request("# fake: sleep=0.5", path=f"{n}.py")) for n in range(4)
    ]
    service.until(lambda: service.rpcs["FunctionGetOutputs"])
    service.call(service.wire.drop)

    assert [w.result().verdict for w in waiting] == [Verdict.PASS] * 4


def test_a_network_that_stays_away_is_an_error_and_not_a_verdict(
    service, open_executor
):
    executor = open_executor(retries=1)
    waiting = executor.submit(request("# fake: sleep=20"))
    service.until(lambda: service.rpcs["FunctionGetOutputs"])
    service.call(service.wire.cut)

    try:
        with pytest.raises(ExecutorError, match="lost contact with Modal"):
            waiting.result()
    finally:
        service.call(service.wire.mend)
    assert executor.retry_causes == {"network": 1}


def test_a_problem_at_fault_is_told_as_such(open_executor):
    with pytest.raises(ProblemError, match="no inputs"):
        source = "# fake: problem_error='no inputs'"
        open_executor().submit(request(source)).result()


def test_an_error_of_the_inner_executor_arrives_as_one(open_executor):
    executor = open_executor()
    with pytest.raises(ExecutorError, match="out of shared memory"):
        executor.submit(request("# fake: error='out of shared memory'")).result()
    assert executor.infrastructure_retries == 0


def test_an_exception_in_the_container_never_leaves_it_as_an_object(open_executor):
    executor = open_executor(evaluator=CARELESS)
    source = "class Trap(Exception):\n  pass\nraise Trap('of the kernel')"
    with pytest.raises(ExecutorError, match="Trap: of the kernel"):
        executor.submit(request(source)).result()


def test_a_system_exit_in_the_container_does_not_end_the_caller(open_executor):
    executor = open_executor(evaluator=CARELESS)
    with pytest.raises(ExecutorError, match="SystemExit: 3"):
        executor.submit(request("raise SystemExit(3)")).result()


IN_A_PROCESS = """
import sys, json
from pytest_kernelbench.executors.modal import ModalExecutor
from pytest_kernelbench.executors.modal_settings import ModalSettings
from pytest_kernelbench.model import EvalRequest
executor = ModalExecutor(ModalSettings(preflight_limit=1.5))
try:
    result = executor.submit(EvalRequest.from_json(sys.argv[1])).result()
    print(result.verdict, result.reason)
except Exception as error:
    print(type(error).__name__, error)
executor.close()
"""


def evaluate_in_a_process(environment):
    command = [sys.executable, "-c", IN_A_PROCESS, request().to_json().decode()]
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_without_credentials_there_is_no_device(client_environment):
    environment = {
        name: value
        for name, value in client_environment.items()
        if not name.startswith("MODAL_TOKEN")
    }
    said = evaluate_in_a_process(environment)
    assert said == (
        "NO-DEVICE no Modal credentials: run `modal setup`, "
        "or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
    )


def test_modal_out_of_reach_is_found_out_soon(client_environment):
    environment = client_environment | {"MODAL_SERVER_URL": "http://127.0.0.1:9"}
    said = evaluate_in_a_process(environment)
    assert said.startswith(
        "ExecutorError Modal could not be reached at http://127.0.0.1:9 within 1.5 s"
    )
    assert json.dumps(said).count("\\n") == 0
