"""What keeps a kernel apart, for root and for everybody else; and what L1 says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
AS_USER = HERE / "ordinary_user.py"


@pytest.fixture(scope="module")
def project():
    directory = Path(tempfile.mkdtemp(prefix="kernelbench-project-"))
    directory.chmod(0o755)
    (directory / "secret_results").touch()
    yield directory
    shutil.rmtree(directory)


def run_as(*words: str) -> str:
    """Run Python, after ordinary_user.py where that is the first word."""
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    with tempfile.TemporaryDirectory(prefix="kernelbench-user-") as scratch:
        Path(scratch).chmod(0o755)
        done = subprocess.run(
            [sys.executable, *words],
            env=os.environ | {"PYTHONPATH": path, "TMPDIR": scratch},
            capture_output=True,
            text=True,
            check=False,
        )
    if "Operation not permitted" in done.stderr and os.geteuid() == 0:
        pytest.skip("root may not make namespaces here")
    assert done.returncode == 0, done.stderr
    return done.stdout


def explored(project: Path, *before: str) -> dict[str, object]:
    output = run_as(*before, str(HERE / "exploring.py"), str(project))
    return json.loads(output.splitlines()[-1])


@pytest.fixture(scope="module", params=["as we are", "as an ordinary user"])
def found(request, project):
    before = [str(AS_USER)] if "ordinary" in request.param else []
    found = explored(project, *before)
    if not found["isolation"].startswith("L2: namespaces"):
        pytest.skip(f"{request.param}: {found['isolation']}")
    return found


@pytest.fixture(scope="module")
def found_at_l1(project):
    return explored(project, str(AS_USER), "--without-namespaces")


@pytest.fixture(scope="module")
def found_as_a_user(project):
    return explored(project, str(AS_USER), "--root", "--without-namespaces")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give it a user of its own")
class TestAKernelOfAUserOfItsOwn:
    def test_is_at_l2(self, found_as_a_user):
        assert found_as_a_user["isolation"].startswith(
            "L2: a user of their own (no name"
        )
        assert found_as_a_user["user"] != 0

    def test_has_no_rights_over_processes_of_ours(self, found_as_a_user):
        assert found_as_a_user["kill controller"] == "PermissionError"
        assert found_as_a_user["slow controller"] == "PermissionError"
        assert found_as_a_user["trace parent"] == -1
        assert set(found_as_a_user["capabilities"]) == {0}

    def test_writes_to_no_file_of_ours(self, found_as_a_user):
        assert found_as_a_user["write system"] == "PermissionError"
        assert found_as_a_user["write package"] == "PermissionError"
        assert found_as_a_user["lease"] == "PermissionError"
        assert found_as_a_user["write own"] == found_as_a_user["write home"] == 1

    def test_leaves_nothing_behind(self, found_as_a_user):
        assert found_as_a_user["write scratch"] == found_as_a_user["write shared"] == 1
        assert found_as_a_user["shared memory"] is True
        assert found_as_a_user["left"] == []


class TestAKernelAtL2:
    def test_can_name_no_process_of_ours(self, found):
        assert found["kill controller"] == "ProcessLookupError"
        assert found["slow controller"] == "ProcessLookupError"
        assert found["see controller"] is False
        assert found["trace parent"] == -1

    def test_cannot_touch_the_process_that_keeps_its_room(self, found):
        assert found["end the keeper"] in (None, "PermissionError")  # to no effect
        assert found["read the keeper"] == "PermissionError"
        assert found["start programs"] == 0

    def test_sees_neither_the_project_nor_other_builds_nor_the_lease(self, found):
        assert found["project"] == "FileNotFoundError"
        assert found["lease"] == "FileNotFoundError"
        assert found["builds"] == 1

    def test_writes_to_nothing_but_its_own(self, found):
        assert found["write system"] in ("OSError", "PermissionError")
        assert found["write package"] in ("OSError", "PermissionError")
        assert found["write own"] == found["write home"] == 1

    def test_has_no_network_and_no_rights(self, found):
        assert found["connect"] in ("OSError", "ConnectionRefusedError")
        assert set(found["capabilities"]) == {0}
        assert found["core"] == [0, 0]

    def test_leaves_nothing_behind(self, found):
        assert found["write scratch"] == found["write shared"] == 1
        assert found["shared memory"] is True
        assert found["left"] == []


class TestAKernelAtL1:
    def test_says_why_it_is_kept_apart_no_better(self, found_at_l1):
        assert found_at_l1["isolation"] == (
            "L1: processes of their own (no namespaces: user.max_user_namespaces is 0; "
            "no user of its own: not root)"
        )

    def test_has_no_rights_and_leaves_no_core(self, found_at_l1):
        assert set(found_at_l1["capabilities"]) == {0}
        assert found_at_l1["core"] == [0, 0]

    @pytest.mark.parametrize("case", ["R15", "E28d"])
    def test_cannot_hold_up_others_for_ever(self, case):
        words = ["-m", "tests.adversarial", "--device", "cpu", "--only", case]
        told = run_as(str(AS_USER), "--without-namespaces", *words)
        assert "1 exploits: 1 caught" in told

    def test_cannot_take_answers_from_the_process_of_the_baseline(self):
        words = ["-m", "tests.adversarial", "--device", "cpu", "--only", "E45"]
        told = run_as(str(AS_USER), "--without-namespaces", *words)
        assert "1 exploits: 1 neutral" in told
