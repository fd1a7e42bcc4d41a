"""One directory per content, reused when its build succeeded and wiped when not."""

from __future__ import annotations

import fcntl
import importlib.metadata
import itertools
import os
import tempfile
import threading
from pathlib import Path

import pytest

from pytest_kernelbench.engine.building.cache import (
    BuildCache,
    default_cache_root,
    evict,
)
from pytest_kernelbench.engine.isolation.launcher import give_to
from pytest_kernelbench.engine.lease import lease_path
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.model import EvalRequest, Kernel, Options, Problem

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root gives files to others"
)
SEEDS = map(str, itertools.count())
PROBLEM = Problem(id="p/1", name="p", source="", origin="p.py")


def request(
    source="class ModelNew: ...",
    path="k/softmax.py",
    *,
    language="python",
    device="cpu",
    options=Options(),  # noqa: B008 - frozen
    problem=PROBLEM,
) -> EvalRequest:
    kernel = Kernel(path=path, source=source, language=language)
    return EvalRequest(kernel=kernel, problem=problem, device=device, options=options)


def place(cache: BuildCache, asked: EvalRequest) -> Path:
    with cache.directory(asked, next(SEEDS)) as directory:
        return directory.path


@pytest.fixture
def cache(tmp_path):
    return BuildCache(tmp_path / "builds")


class TestADirectory:
    def test_is_the_same_for_the_same_kernel(self, cache):
        assert place(cache, request()) == place(cache, request())

    @pytest.mark.parametrize(
        "changed",
        [
            request(source="class ModelNew: pass"),
            request(path="k/gelu.py"),
            request(language="cuda"),
            request(language="cpp"),
            request(device="cuda"),
            request(options=Options(fast_build=False)),
        ],
    )
    def test_is_another_for_another_kernel_or_kind_of_device(self, cache, changed):
        assert place(cache, changed) != place(cache, request())

    @pytest.mark.parametrize(
        "variable", ["TORCH_CUDA_ARCH_LIST", "CUDA_HOME", "CC", "CXX"]
    )
    def test_is_another_for_another_compiler_or_chip(
        self, cache, monkeypatch, variable
    ):
        before = place(cache, request())
        monkeypatch.setenv(variable, "another")
        assert place(cache, request()) != before

    def test_is_another_for_another_architecture(self, tmp_path):
        asked = request(device="cuda")
        places = {place(BuildCache(tmp_path, a), asked) for a in ("8.9", "9.0")}
        assert len(places) == 2

    def test_is_another_for_another_version_of_the_compiler(
        self, cache, monkeypatch, tmp_path
    ):
        compiler = tmp_path / "g++-99"
        compiler.write_text("#!/bin/sh\n")
        compiler.chmod(0o755)
        monkeypatch.setenv("CXX", str(compiler))
        before = place(cache, request())
        compiler.write_text("#!/bin/sh\n# updated\n")
        assert place(cache, request()) != before

    @pytest.mark.parametrize("package", ["torch", "triton"])
    def test_is_another_for_another_version_of_what_compiles(
        self, cache, monkeypatch, package
    ):
        before = place(cache, request())
        real = importlib.metadata.version
        monkeypatch.setattr(
            importlib.metadata,
            "version",
            lambda name: "99.9" if name == package else real(name),
        )
        assert place(cache, request()) != before

    @pytest.mark.parametrize(
        "same",
        [
            request(options=Options(seed=7, trials=1, precision="bf16")),
            request(problem=Problem(id="p/2", name="q", source="x", origin="q.py")),
            request(path="elsewhere/softmax.py"),
            request(device="cpu"),
        ],
    )
    def test_is_shared_by_all_that_a_build_does_not_depend_on(self, cache, same):
        assert place(cache, same) == place(cache, request())

    def test_of_one_gpu_serves_all_gpus(self, cache):
        first = place(cache, request(device="cuda:0"))
        assert place(cache, request(device="cuda:1")) == first

    @pytest.mark.parametrize(
        ("path", "language", "name"),
        [
            ("k/softmax.py", "python", "softmax.py"),
            ("k/softmax.cu", "cuda", "softmax.cu"),
            ("k/softmax.v2.cpp", "cpp", "softmax_v2.cpp"),
        ],
    )
    def test_holds_the_source_under_the_name_of_the_kernel(
        self, cache, path, language, name
    ):
        asked = request("text of é", path, language=language)
        with cache.directory(asked, next(SEEDS)) as directory:
            assert directory.source.name == name
            assert directory.source.read_text(encoding="utf-8") == "text of é"

    def test_is_where_every_compiler_of_the_candidate_writes(self, cache):
        with cache.directory(request(), next(SEEDS)) as directory:
            for variable in directory.environment().values():
                assert Path(variable).is_relative_to(directory.path)


def leave_object(cache: BuildCache, *, built: bool) -> Path:
    with cache.directory(request(), next(SEEDS)) as directory:
        made = directory.path / "extensions" / "kernel.so"
        made.write_text("object")
        (made.parent / "lock").touch()
        if built:
            directory.mark_built()
    return made


class TestABuild:
    def test_that_ended_well_is_found_again(self, cache):
        made = leave_object(cache, built=True)
        with cache.directory(request(), next(SEEDS)):
            assert made.read_text() == "object"

    def test_is_not_found_by_a_kernel_that_meets_the_same_inputs_again(self, cache):
        for seeds in ("first", "second", "first"):
            with cache.directory(request(), seeds) as directory:
                answers = directory.path / "extensions" / "answers"
                assert answers.exists() == (seeds == "second")
                answers.touch()
                directory.mark_built()

    def test_that_did_not_end_well_is_wiped(self, cache):
        made = leave_object(cache, built=False)
        with cache.directory(request(), next(SEEDS)) as directory:
            assert not made.exists()
            assert not (made.parent / "lock").exists()
            assert directory.source.exists()

    def test_is_not_reused_when_nobody_wants_that(self, cache):
        asked = request(options=Options(reuse=False))
        with cache.directory(asked, next(SEEDS)) as first:
            first.mark_built()
        with cache.directory(asked, next(SEEDS)) as second:
            assert second.path != first.path
        assert not first.path.exists()
        assert not second.path.exists()

    def test_waits_while_another_process_builds_the_same(self, cache, tmp_path):
        root = place(cache, request()).parent
        (lock,) = root.glob("*.lock")
        entered = threading.Event()

        def build() -> None:
            with cache.directory(request(), next(SEEDS)):
                entered.set()

        waiting = threading.Thread(target=build)
        with lock.open("w") as held:  # a lock of another open file, as a process's
            fcntl.flock(held, fcntl.LOCK_EX)
            waiting.start()
            assert not entered.wait(0.1)
        assert entered.wait(20)
        waiting.join()

    def test_is_waited_for_no_longer_once_the_cache_is_closed(self, cache):
        with cache.directory(request(), next(SEEDS)):
            cache.close()
            with (
                pytest.raises(ExecutorError, match="was closed"),
                cache.directory(request(), next(SEEDS)),
            ):
                pass

    def test_whose_source_was_changed_behind_our_back_gets_it_back(self, cache):
        leave_object(cache, built=True)
        with cache.directory(request(), next(SEEDS)) as directory:
            directory.source.write_text("another text")
        with cache.directory(request(), next(SEEDS)) as directory:
            assert directory.source.read_text() == request().kernel.source

    def test_does_not_wait_for_another_kernel(self, cache):
        with (
            cache.directory(request(), next(SEEDS)),
            cache.directory(request(source="other"), next(SEEDS)),
        ):
            pass


def test_a_place_that_cannot_be_written_is_no_fault_of_a_kernel(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    with (
        pytest.raises(ExecutorError, match="cannot write the build cache"),
        BuildCache(blocked / "builds").directory(request(), next(SEEDS)),
    ):
        pass


def test_the_cache_lies_where_the_user_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_root() == tmp_path / "pytest-kernelbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 1000)
    assert default_cache_root() == tmp_path / ".cache" / "pytest-kernelbench"


def test_the_cache_of_root_lies_where_the_users_of_kernels_can_go(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert not default_cache_root().is_relative_to("/root")


class TestEviction:
    @pytest.fixture
    def filled(self, cache):
        """Three builds of 100 kB and more, the first used longest ago."""
        places = []
        for age, source in enumerate(["oldest", "middle", "newest"]):
            with cache.directory(request(source=source), next(SEEDS)) as directory:
                (directory.path / "object").write_bytes(b"x" * 100_000)
                directory.mark_built()
            used = 1_000_000 + age
            os.utime(directory.path.with_suffix(".lock"), (used, used))
            places.append(directory.path)
        return places

    def test_removes_what_was_used_longest_ago_until_the_rest_fits(self, filled):
        root = filled[0].parent
        evict(root, 250_000)
        assert [path.exists() for path in filled] == [False, True, True]
        assert not filled[0].with_suffix(".built").exists()
        assert not filled[0].with_suffix(".lock").exists()

    def test_leaves_all_that_fits(self, filled):
        evict(filled[0].parent)
        assert all(path.exists() for path in filled)

    def test_leaves_what_is_in_use(self, cache, filled):
        with cache.directory(request(source="oldest"), next(SEEDS)) as directory:
            used = 1_000_000
            os.utime(directory.path.with_suffix(".lock"), (used, used))
            evict(filled[0].parent, 150_000)
            assert filled[0].exists()
        assert [path.exists() for path in filled] == [True, False, False]

    def test_is_survived_by_whoever_waits_for_the_lock(self, cache, filled):
        root = filled[0].parent
        lock = filled[0].with_suffix(".lock")
        waiting = threading.Thread(target=place, args=[cache, request(source="oldest")])
        with lock.open("a+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            waiting.start()
            lock.unlink()  # as who evicts does, while it holds the lock
        waiting.join(20)
        assert not waiting.is_alive()
        assert lock.exists()
        evict(root, 0)
        assert not list(root.iterdir())

    def test_takes_a_damaged_note_for_no_size(self, filled):
        filled[0].with_suffix(".lock").write_text("not a number")
        evict(filled[0].parent, 250_000)
        assert all(path.exists() for path in filled)


def test_a_failed_build_leaves_nothing(cache):
    with cache.directory(request(), next(SEEDS)) as directory:
        (directory.path / "extensions" / "half.o").write_text("half")
    assert not directory.path.exists()


@as_root
def test_what_a_kernel_has_linked_to_is_not_given_to_the_next(tmp_path):
    (tmp_path / "secret").touch()
    build = tmp_path / "build"
    build.mkdir()
    (build / "own").touch()
    (build / "taken").hardlink_to(tmp_path / "secret")
    give_to(61_000, build)
    assert (build / "own").stat().st_uid == build.stat().st_uid == 61_000
    assert (tmp_path / "secret").stat().st_uid == 0


@as_root
@pytest.mark.parametrize("place", ["cache", "cache/builds"])
def test_a_cache_that_somebody_else_has_made_is_not_used(tmp_path, place):
    (tmp_path / "cache" / "builds").mkdir(parents=True)
    os.chown(tmp_path / place, 61_000, 61_000)
    builds = BuildCache(tmp_path / "cache" / "builds")
    with (
        pytest.raises(ExecutorError, match="belongs to another user"),
        builds.directory(request(), next(SEEDS)),
    ):
        pass


@as_root
def test_a_lock_that_somebody_else_has_made_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert lease_path("cpu").parent.stat().st_uid == 0
    os.chown(lease_path("cpu").parent, 61_000, 61_000)
    with pytest.raises(ExecutorError, match="belongs to another user"):
        lease_path("cpu")
