"""``Evaluator``: many evaluations without pytest, none of which ends the others."""

from __future__ import annotations

import asyncio
import collections
import itertools
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pytest_kernelbench import Evaluator
from pytest_kernelbench.errors import (
    ExecutorError,
    KernelFileError,
    MappingError,
    SettingError,
)
from pytest_kernelbench.executors.fake import FakeExecutor
from pytest_kernelbench.model import EvalRequest, EvalResult, Kernel, Verdict

PROBLEM = "builtin/softmax"


def kernel(script="", name=""):
    return f"# {name}\n# fake: {script}\nclass ModelNew: pass\n"


class HeldExecutor:
    """Finishes what the test says, when it says so."""

    name = "held"

    def __init__(self):
        self.futures: dict[str, Future[EvalResult]] = {}
        self.requests: list[EvalRequest] = []
        self.closed = False

    def submit(self, request):
        self.requests.append(request)
        future = self.futures[request.kernel.path] = Future()
        return future

    def finish(self, name):
        self.futures[name].set_result(
            EvalResult(verdict=Verdict.PASS, kernel=name, problem=PROBLEM, device="cpu")
        )

    def close(self):
        self.closed = True


@pytest.fixture
def evaluator():
    with Evaluator(executor=FakeExecutor(), device="cpu") as opened:
        yield opened


@pytest.fixture
def held():
    return HeldExecutor()


class Counted:
    """Endless pairs that remember how many were read."""

    def __init__(self):
        self.read = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.read += 1
        return kernel(), PROBLEM


class TestOne:
    def test_a_kernel_may_be_text_a_file_or_a_kernel(self, evaluator, tmp_path):
        path = tmp_path / "soft.py"
        path.write_text(kernel())
        made = Kernel(path="made.py", source=kernel())
        found = [evaluator.evaluate(one, PROBLEM) for one in (kernel(), path, made)]
        assert [result.kernel for result in found] == [
            "kernel.py",
            str(path),
            "made.py",
        ]
        assert {result.verdict for result in found} == {Verdict.PASS}

    def test_limits_are_judged_as_in_pytest(self, evaluator):
        script = kernel("speedup=0.9 spread=0.01")
        result = evaluator.evaluate(script, PROBLEM, min_speedup=1.2)
        assert result.verdict is Verdict.SLOW

    def test_each_evaluation_has_a_seed_of_its_own_unless_one_is_given(self, evaluator):
        seeds = {evaluator.evaluate(kernel(), PROBLEM).seed for _ in range(3)}
        assert len(seeds) == 3
        assert evaluator.evaluate(kernel(), PROBLEM, seed=7).seed == 7
        with Evaluator(executor=FakeExecutor(), device="cpu", seed=5) as same:
            assert same.evaluate(kernel(), PROBLEM).seed == 5

    def test_trouble_is_an_exception(self, evaluator, tmp_path):
        with pytest.raises(ExecutorError, match="no luck"):
            evaluator.evaluate(kernel("error='no luck'"), PROBLEM)
        with pytest.raises(MappingError, match="softmax"):
            evaluator.evaluate(kernel(), "builtin/softmx")
        with pytest.raises(KernelFileError):
            evaluator.evaluate(tmp_path / "absent.py", PROBLEM)
        with pytest.raises(SettingError, match="trails"):
            evaluator.evaluate(kernel(), PROBLEM, trails=1)

    def test_threads_share_it(self, evaluator):
        def run(number):
            return evaluator.evaluate(kernel(name=str(number)), PROBLEM).verdict

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(run, range(64))) == {Verdict.PASS}

    def test_after_closing_it_says_so(self):
        evaluator = Evaluator(executor=FakeExecutor(), device="cpu")
        evaluator.close()
        with pytest.raises(ExecutorError, match="was closed"):
            evaluator.evaluate(kernel(), PROBLEM)

    def test_a_cancelled_future_cancels_the_evaluation(self, held):
        future = Evaluator(executor=held, device="cpu").submit(kernel(), PROBLEM)
        assert future.cancel()
        assert held.futures["kernel.py"].cancelled()


class TestMany:
    def test_results_come_as_they_finish(self, held):
        evaluator = Evaluator(executor=held, device="cpu")
        results = evaluator.evaluate_many([(kernel(), PROBLEM)] * 3, in_flight=3)
        threading.Timer(0.05, lambda: held.finish("kernel_2.py")).start()
        assert next(results).kernel == "kernel_2.py"
        held.finish("kernel_0.py")
        assert next(results).kernel == "kernel_0.py"
        held.finish("kernel_1.py")
        assert [result.kernel for result in results] == ["kernel_1.py"]

    def test_or_in_the_order_of_the_pairs(self, evaluator):
        scripts = ["sleep=0.2", "", "sleep=0.1", ""]
        pairs = [(kernel(script), PROBLEM) for script in scripts]
        results = evaluator.evaluate_many(pairs, ordered=True)
        assert [result.kernel for result in results] == [
            f"kernel_{index}.py" for index in range(4)
        ]

    @pytest.mark.parametrize("ordered", [False, True])
    def test_pairs_are_never_read_further_ahead_than_said(self, evaluator, ordered):
        pairs = Counted()
        results = evaluator.evaluate_many(pairs, in_flight=5, ordered=ordered)
        assert pairs.read == 0
        for taken, _ in enumerate(itertools.islice(results, 3000), 1):
            assert pairs.read <= taken + 4
        results.close()
        assert pairs.read == 3004

    @pytest.mark.parametrize("ordered", [False, True])
    def test_trouble_with_one_pair_is_a_result(self, evaluator, ordered):
        pairs = [
            (kernel(), PROBLEM),
            (kernel("error=lost"), PROBLEM),
            (kernel("problem_error=broken"), PROBLEM),
            (kernel(), "no/such"),
            ("absent.py", PROBLEM),
            (None, PROBLEM),
            (kernel(), 5),
            (kernel(),),
            7,
            (kernel("verdict=CRASH"), PROBLEM),
        ]
        results = list(evaluator.evaluate_many(pairs, ordered=ordered, in_flight=3))
        verdicts = collections.Counter(result.verdict for result in results)
        assert verdicts == {"PASS": 1, "ERROR": 8, "CRASH": 1}
        assert all(result.reason for result in results[1:] if ordered)
        assert {result.score for result in results if result.verdict == "ERROR"} == {0}

    def test_what_is_wrong_for_all_is_said_at_once(self, evaluator):
        with pytest.raises(SettingError, match="trails"):
            evaluator.evaluate_many([], trails=3)
        with pytest.raises(SettingError, match="at least 1"):
            evaluator.evaluate_many([], in_flight=0)

    def test_whoever_stops_taking_cancels_the_rest(self, held):
        evaluator = Evaluator(executor=held, device="cpu")
        results = evaluator.evaluate_many(Counted(), in_flight=4)
        threading.Timer(0.05, lambda: held.finish("kernel_1.py")).start()
        next(results)
        results.close()
        others = [held.futures[f"kernel_{index}.py"] for index in (0, 2, 3)]
        assert all(future.cancelled() for future in others)

    def test_closing_in_the_middle_ends_the_batch_with_errors(self):
        evaluator = Evaluator(executor=FakeExecutor(slots=2), device="cpu")
        pairs = [(kernel(), PROBLEM)] + [(kernel("sleep=600"), PROBLEM)] * 6
        results = evaluator.evaluate_many(pairs)
        assert next(results).verdict is Verdict.PASS
        evaluator.close()
        rest = list(results)
        assert [result.verdict for result in rest] == [Verdict.ERROR] * 6
        assert {result.reason for result in rest} <= {
            "the evaluator was closed",
            "the executor was closed",
        }

    def test_an_exception_of_the_pairs_is_the_callers_and_leaves_nothing(self, held):
        def pairs():
            yield kernel(), PROBLEM
            raise LookupError("mine")

        evaluator = Evaluator(executor=held, device="cpu")
        with pytest.raises(LookupError, match="mine"):
            list(evaluator.evaluate_many(pairs()))
        assert held.futures["kernel_0.py"].cancelled()


class TestAsync:
    def test_many_evaluations_may_be_awaited_at_once(self, evaluator):
        async def run():
            waits = [evaluator.evaluate_async(kernel(), PROBLEM) for _ in range(20)]
            return await asyncio.gather(*waits)

        assert {result.verdict for result in asyncio.run(run())} == {Verdict.PASS}

    @pytest.mark.parametrize("ordered", [False, True])
    def test_a_stream_reads_no_further_ahead_than_said(self, evaluator, ordered):
        async def run():
            pairs, taken = Counted(), 0
            stream = evaluator.stream(pairs, in_flight=5, ordered=ordered)
            async for _ in stream:
                taken += 1
                assert pairs.read <= taken + 4
                if taken == 1000:
                    break
            await stream.aclose()

        asyncio.run(run())

    def test_trouble_with_one_pair_does_not_end_the_stream(self, evaluator):
        pairs = [(kernel("error=lost"), PROBLEM), (kernel(), "no/such"), 7]

        async def run():
            stream = evaluator.stream([*pairs, (kernel(), PROBLEM)], ordered=True)
            return [result.verdict async for result in stream]

        assert asyncio.run(run()) == ["ERROR", "ERROR", "ERROR", "PASS"]

    def test_a_cancelled_stream_cancels_what_runs_and_the_next_one_works(self, held):
        evaluator = Evaluator(executor=held, device="cpu")

        async def consume(started):
            async for _ in evaluator.stream(Counted(), in_flight=4):
                started.set()

        async def run():
            started = asyncio.Event()
            task = asyncio.create_task(consume(started))
            while "kernel_3.py" not in held.futures:  # noqa: ASYNC110  no event there
                await asyncio.sleep(0)
            held.finish("kernel_1.py")
            await started.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0)
            left = [future for future in held.futures.values() if not future.done()]
            again = asyncio.create_task(evaluator.evaluate_async(kernel(), PROBLEM))
            await asyncio.sleep(0)
            held.finish("kernel.py")
            return left, await again

        left, again = asyncio.run(run())
        assert not left
        assert again.verdict is Verdict.PASS


class TestWhereItRuns:
    def test_a_misspelt_gpu_is_refused_with_the_nearest(self):
        with pytest.raises(SettingError, match="did you mean 'L40S'"):
            Evaluator(gpu="L4OS")
        with pytest.raises(SettingError, match="one GPU"):
            Evaluator(gpu="L40S,H100")

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("device", "cdua", "expected cpu, cuda or cuda:N"),
            ("trials", 0, "expected a whole number of at least 1, got '0'"),
            ("precision", "fp8", "expected one of fp32, fp16, bf16"),
            ("tolerance", "lax", "expected 'default', 'kernelbench' or ATOL"),
            ("max_time", -1.0, "expected a number above 0"),
        ],
    )
    def test_what_the_command_line_refuses_is_refused_here(self, name, value, told):
        with pytest.raises(SettingError, match=f"{name}: {told}"):
            Evaluator(**{name: value})

    def test_gpus_and_devices_exclude_each_other(self):
        with pytest.raises(SettingError, match="drop it or gpu"):
            Evaluator(gpu="L40S", device="cpu")

    def test_an_executor_is_not_a_name(self):
        with pytest.raises(SettingError, match="expected an Executor, got 'modal'"):
            Evaluator(executor="modal")

    def test_what_is_for_modal_is_refused_elsewhere(self):
        with pytest.raises(SettingError, match="are for Modal: add gpu"):
            Evaluator(device="cpu", max_cost=3)

    def test_a_limit_of_cost_refuses_before_modal_is_called(self, monkeypatch):
        monkeypatch.setenv("MODAL_SERVER_URL", "http://127.0.0.1:9")
        with Evaluator(gpu="l40s", max_cost=0.01) as evaluator:
            with pytest.raises(ExecutorError, match=r"limit of \$0.01"):
                evaluator.evaluate(kernel(), PROBLEM)
            assert evaluator.cost.spent == 0

    def test_on_this_machine_the_engine_judges_good_and_bad(self):
        pytest.importorskip("torch")
        good = "import torch\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return torch.softmax(x, dim=1)\n"
        texts = [good, good.replace("dim=1", "dim=0"), "class ModelNew(:\n"]
        with Evaluator(device="cpu", timing=False, trials=1) as evaluator:
            pairs = [(text, PROBLEM) for text in texts]
            results = list(evaluator.evaluate_many(pairs, ordered=True))
            assert evaluator.cost is None
        assert [result.verdict for result in results] == ["PASS", "WRONG", "BUILD"]


class TestABase:
    def test_is_timed_beside_the_kernel(self, evaluator):
        child, parent = kernel("runtime=1e-3"), kernel("runtime=2e-3")
        change = evaluator.evaluate(child, PROBLEM, base=parent).change
        assert change.verdict == "FASTER"
        assert change.speedup.value == pytest.approx(2)

    def test_may_be_awaited(self, evaluator):
        same = kernel("runtime=1e-3")
        asked = evaluator.evaluate_async(same, PROBLEM, base=same)
        assert asyncio.run(asked).change.verdict == "SAME"
