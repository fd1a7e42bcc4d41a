"""What a kernel can see and leave behind: nothing of ours and nothing for long."""

from __future__ import annotations

import ast
import concurrent.futures
import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_kernelbench.engine.lease import lease_path
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.executors.local import LocalExecutor
from pytest_kernelbench.model import Verdict

PATIENCE = 20.0
LEFT = f"kb-left-{os.getpid()}"


def wait_until(condition, what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"still waiting: {what}"
        time.sleep(0.02)


def status(pid: int) -> tuple[int, str] | None:
    """A process's parent and state, None when it is gone."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text()
        state, parent = text.rpartition(")")[2].split()[:2]
        return int(parent), state
    return None


def descendants() -> set[int]:
    parents = {}
    for path in Path("/proc").glob("[1-9]*"):
        if found := status(int(path.name)):
            parents[int(path.name)] = found[0]
    ours = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= grown
    return ours - {os.getpid()}


def is_gone(pid: int) -> bool:
    found = status(pid)
    return found is None or found[1] in "ZX"


def named(name: str) -> list[str]:
    """Processes that have given themselves a name."""
    found = []
    for path in Path("/proc").glob("[1-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == name:
                found.append(path.parent.name)
    return found


def marks(cache: Path, suffix: str) -> list[Path]:
    """What kernels have left beside their source, in builds of a cache."""
    return [*cache.glob(f"builds/*/*.{suffix}")]


class TestTheEnvironmentOfAKernel:
    @pytest.mark.parametrize(
        "where",
        [
            "os.environ",
            "open('/proc/self/environ').read().split('\\0')",
            "subprocess.run(['env'], capture_output=True, text=True).stdout.split()",
        ],
        ids=["environ", "proc", "children"],
    )
    def test_holds_no_token(self, engine, where):
        words = ("TOKEN", "SECRET", "1234", "PASSWORD")
        found = engine.message(
            f"[n for n in {where} if any(w in n.upper() for w in {words})]",
            "import os, subprocess",
        )
        assert found == "[]"

    def test_says_nothing_of_the_test_run(self, engine):
        found = engine.message(
            "[n for n in os.environ if 'PYTEST' in n or n == 'PWD']", "import os"
        )
        assert found == "[]"

    def test_has_a_home_and_a_scratch_of_its_own_that_are_removed(self, engine):
        body = "[os.environ['HOME'], os.environ['TMPDIR'], os.getcwd()]"
        homes = [
            ast.literal_eval(engine.message(body, f"import os; x = {number}"))
            for number in range(2)
        ]
        assert homes[0][0] != homes[1][0]
        for home, scratch, working in homes:
            assert working == home
            assert not Path(home).exists()
            assert not Path(scratch).exists()

    def test_removes_even_what_a_kernel_protects(self, engine):
        top = "import os; p = os.environ['HOME'] + '/d'; os.mkdir(p)\n"
        top += "open(p + '/f', 'w').close(); os.chmod(p, 0)"
        home = engine.message("os.environ['HOME']", top)
        if os.geteuid() == 0:  # others cannot, and the evaluation must end all the same
            assert not Path(home).exists()

    def test_has_no_descriptor_but_output_and_the_connection(self, engine):
        found = engine.message(
            "sorted(n for n in map(int, os.listdir('/proc/self/fd')) "
            "if os.path.exists(f'/proc/self/fd/{n}')"
            " and 'fd' not in os.readlink(f'/proc/self/fd/{n}'))",
            "import os",
        )
        opened = ast.literal_eval(found)
        assert opened[:4] == [0, 1, 2, 3]
        assert len(opened) <= 4

    def test_is_that_of_another_user_exactly_where_that_is_said(self, engine):
        result = engine.evaluate(
            engine.kernel_source("raise Exception(os.getuid())", "import os")
        )
        is_another = result.reason != f"Exception: {os.getuid()}"
        assert is_another == ("a user of their own" in result.environment["isolation"])
        assert result.assurance == "L2" or not is_another

    def test_keeps_it_from_our_processes_at_l2(self, engine):
        body = f"os.kill({os.getpid()}, 0)"
        result = engine.evaluate(engine.kernel_source(body, "import os"))
        if result.assurance == "L2":
            assert result.reason.startswith(("PermissionError", "ProcessLookupError"))

    def test_is_fresh_for_each_kernel(self, engine):
        engine.message("'x'", "import os, sys; os.environ['LEFT'] = sys.left = 'x'")
        found = engine.message(
            "['LEFT' in os.environ, hasattr(sys, 'left')]", "import os, sys"
        )
        assert found == "[False, False]"


class TestOutput:
    def test_is_kept_with_its_escape_sequences_made_harmless(self, engine):
        top = "import os\nprint('\\x1b[31mred\\x1b[0m\\x07')\nos.write(2, b'\\xff')"
        result = engine.evaluate(engine.kernel_source(top=top))
        assert result.verdict is Verdict.PASS
        assert "red\\x07" in result.log
        assert "\x1b" not in result.log
        result.to_json()

    def test_of_ten_megabytes_is_cut_to_its_end(self, engine):
        top = "import sys\nfor stream in (sys.stdout, sys.stderr):\n"
        top += "    for _ in range(10): stream.write('x' * 500_000 + '\\n')\n"
        top += "print('the last words', file=sys.stderr)"
        result = engine.evaluate(engine.kernel_source(top=top))
        assert result.verdict is Verdict.PASS
        assert result.log.endswith("the last words\n")
        assert len(result.log) <= 16_000


class TestProcesses:
    @pytest.mark.parametrize(
        "leave",
        [
            "os.fork() or stay()",
            "os.fork() or (os.setsid(), stay())",
            "os.fork() or (os.setsid(), os.fork() and os._exit(0), stay())",
            "os.fork() or (os.setsid(), os.fork() or os.setsid(), stay())",
            "subprocess.Popen([sys.executable, '-c', PROGRAM], pass_fds=[writing])",
        ],
        ids=["forked", "session", "daemon", "chain", "program"],
    )
    def test_that_a_kernel_starts_end_with_it(self, engine, leave):
        # By name: in namespaces of its own a kernel knows other numbers than we do.
        top = f"""\
            import os, subprocess, sys
            reading, writing = os.pipe()
            PROGRAM = (
                'import os, time\\n'
                'with open("/proc/self/comm", "w") as file:\\n'
                '    file.write("{LEFT}")\\n'
                f'os.write({{writing}}, b"x")\\n'
                'time.sleep(1000)'
            )
            def stay():
                exec(PROGRAM)
            {leave}
            assert os.read(reading, 1) == b'x'
            """
        result = engine.evaluate(engine.kernel_source(top=top))
        assert result.verdict is Verdict.PASS, result.reason
        wait_until(lambda: not named(LEFT), "for what the kernel left")

    def test_that_trace_the_kernel_beyond_its_end_end_with_it(self, engine):
        top = """
            import ctypes, os

            def seize(leader):
                trace = ctypes.CDLL(None).ptrace
                trace.argtypes = [ctypes.c_long] * 4
                return trace(0x4206, leader, 0, 0)
        """
        body = f"""
            leader = os.getpid()
            reading, writing = os.pipe()
            if os.fork() == 0:
                os.setsid()
                open('/proc/self/comm', 'w').write({LEFT!r})
                os.write(writing, str(seize(leader)).encode())
                while True:
                    pass
            raise Exception('traced: ' + os.read(reading, 9).decode())
        """
        result = engine.evaluate(engine.kernel_source(body, top))
        assert result.reason == "Exception: traced: 0"
        assert named(LEFT) == []
        assert engine.evaluate_good().verdict is Verdict.PASS

    def test_are_all_gone_once_the_executor_is_closed(self, engine, shared):
        before = descendants()
        executor = LocalExecutor(cache_dir=shared / "cache")
        mine = type(engine)(executor)
        future = mine.submit(mine.kernel_source())
        seen = set()
        while not future.done():
            seen |= descendants() - before
            time.sleep(0.01)
        assert future.result().verdict is Verdict.PASS
        assert len(seen) >= 3  # warm process, candidate, oracle
        executor.close()
        executor.close()
        assert all(map(is_gone, seen))

    def test_are_all_gone_when_it_is_closed_in_the_middle(self, engine, shared):
        before = descendants()
        executor = LocalExecutor(cache_dir=shared / "cache")
        mine = type(engine)(executor)
        body = "open(__file__ + '.called', 'w').close(); time.sleep(1000)"
        futures = [
            mine.submit(mine.kernel_source(body, f"import time; x = {number}"))
            for number in range(4)
        ]
        wait_until(lambda: marks(shared / "cache", "called"), "for a call")
        seen = descendants() - before
        executor.close()
        for future in futures:
            assert future.cancelled() or isinstance(future.exception(), ExecutorError)
        assert all(map(is_gone, seen))

    def test_are_not_started_by_a_closed_executor(self, engine, shared):
        executor = LocalExecutor(cache_dir=shared / "cache")
        executor.close()
        mine = type(engine)(executor)
        with pytest.raises(ExecutorError, match="closed"):
            mine.evaluate_good()

    def test_of_ours_that_were_killed_are_started_anew(self, engine):
        engine.evaluate_good()
        bench = engine.executor._benches["cpu"]
        bench.launcher._server._process.kill()
        wait_until(lambda: bench.launcher._server is None, "for the loss to be noticed")
        assert engine.evaluate_good().verdict is Verdict.PASS
        bench._oracle.worker.kill()
        assert engine.evaluate_good().verdict is Verdict.PASS


@pytest.fixture
def lease():
    path = lease_path("cpu")
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


class TestTheDevice:
    def test_is_not_touched_while_another_session_has_it(
        self, engine, executor, lease, reachable
    ):
        source = engine.kernel_source(
            "open(__file__ + '.used', 'w').close()\n"
            "return torch.softmax(self.linear(x), dim=-1)",
        )
        future = engine.submit(source)
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(timeout=1)
        assert not marks(reachable / "cache", "used")
        fcntl.flock(lease, fcntl.LOCK_UN)
        assert future.result(PATIENCE).verdict is Verdict.PASS
        assert marks(reachable / "cache", "used")

    def test_is_waited_for_no_longer_once_the_executor_is_closed(
        self, engine, lease, shared
    ):
        executor = LocalExecutor(cache_dir=shared / "cache")
        mine = type(engine)(executor)
        top = "open(__file__ + '.imported', 'w').close()"
        future = mine.submit(mine.kernel_source(top=top))
        wait_until(lambda: marks(shared / "cache", "imported"), "for the build")
        executor.close()  # while we still hold the lease
        assert isinstance(future.exception(), ExecutorError)

    def test_is_never_used_by_two_processes_at_once(self, engine, shared):
        # Every kernel holds a lock while it lives on the device: two would collide.
        # It is that of a file that all can see, whatever else they cannot.
        top = """\
            import fcntl
            class Held:
                file = None
            """
        body = """\
            if Held.file is None:
                Held.file = open(torch.__file__)
                fcntl.flock(Held.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return torch.softmax(self.linear(x), dim=-1)
            """
        source = engine.kernel_source(body, top)
        variants = [f"{source}# {number}\n" for number in range(8)]
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from pytest_kernelbench.executors.local import LocalExecutor\n"
            "from pytest_kernelbench.model import EvalRequest\n"
            "executor = LocalExecutor(cache_dir=Path(sys.argv[1]))\n"
            "requests = map(EvalRequest.from_json, sys.stdin.buffer)\n"
            "futures = [executor.submit(request) for request in requests]\n"
            "print(*[f.result().verdict for f in futures])\n"
            "executor.close()\n"
        )
        requests = b"\n".join(engine.request(each).to_json() for each in variants[4:])
        with subprocess.Popen(
            [sys.executable, "-c", program, str(shared / "cache")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            other.stdin.write(requests)
            other.stdin.close()
            futures = [engine.submit(each) for each in variants[:4]]
            verdicts = [future.result(300).verdict for future in futures]
            theirs = other.stdout.read().decode().split()
        assert verdicts + theirs == [Verdict.PASS] * 8
