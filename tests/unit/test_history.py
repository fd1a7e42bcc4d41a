"""Where runs are kept, and which evaluations belong together."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from pytest_kernelbench.gates import judge_change
from pytest_kernelbench.history.comparable import evaluation_of, obstacles
from pytest_kernelbench.history.records import read_records, write_records
from pytest_kernelbench.history.store import Store, ago, automatic_name, by_device, slug
from pytest_kernelbench.history.updating import Terms, updated
from pytest_kernelbench.model import Baseline, EvalResult, Interval, Runtime, Verdict
from pytest_kernelbench.runs import Evaluated, Run

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)


def runtime():
    names = ("median", "low", "high", "mean", "min", "max", "q1", "q3")
    return Runtime(stddev=0.0, samples=(1.0,), **dict.fromkeys(names, 1.0))


def result(**fields):
    known = {
        "verdict": Verdict.PASS,
        "kernel": "k.py",
        "problem": "p",
        "device": "cuda",
        "device_name": "NVIDIA H200",
        "correct": True,
        "runtime": runtime(),
        "baseline": Baseline(kind="eager", runtime=runtime()),
        "speedup": Interval(value=2.0, low=1.99, high=2.01),
    }
    return EvalResult(**(known | fields))


def evaluated(*results):
    return tuple(Evaluated(f"{one.kernel}::ModelNew", "passed", one) for one in results)


def run(*results, **fields):
    known = {
        "evaluated": evaluated(*results),
        "unevaluated": {},
        "settings": {},
        "machine": {},
        "commit": {"id": "abc", "dirty": False},
        "datetime": NOW.isoformat(),
        "version": "1",
        "seconds": 1.0,
    }
    return Run(**(known | fields))


@pytest.mark.parametrize(
    ("device", "folder"),
    [
        ("NVIDIA H200", "NVIDIA-H200"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel-R-Xeon-R-CPU-2.20GHz"),
        ("../../etc", "etc"),
        ("", "unknown"),
        ("显卡", "unknown"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_devices_folder_is_a_plain_name(device, folder):
    assert slug(device) == folder


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ({"seconds": 3}, "seconds"),
        ({"seconds": -3}, "seconds"),
        ({"minutes": 1}, "1 minute"),
        ({"hours": 5}, "5 hours"),
        ({"days": 400}, "400 days"),
    ],
)
def test_an_age_is_one_number(delta, said):
    assert ago((NOW - dt.timedelta(**delta)).isoformat(), NOW) == said
    assert (
        ago((NOW - dt.timedelta(**delta)).replace(tzinfo=None).isoformat(), NOW) == said
    )


def test_an_age_of_nonsense_is_said_to_be_unknown():
    assert ago("yesterday", NOW) == "an unknown time"


def test_an_automatic_name_has_commit_and_time():
    assert automatic_name(run()) == "abc_20260304_050607"
    assert automatic_name(run(commit={"id": "0" * 40})) == f"{'0' * 12}_20260304_050607"
    dirty = run(commit={"id": "abc", "dirty": True})
    assert automatic_name(dirty) == "abc_20260304_050607_uncommitted-changes"


def test_what_was_not_seen_on_a_device_belongs_to_the_one_that_was_asked_for():
    seen, built = result(), result(kernel="b.py", device_name="", runtime=None)
    other = result(kernel="c.py", device="cpu", device_name="")
    parts = by_device(run(seen, built, other))
    kernels = {
        name: [one.result.kernel for one in part.evaluated]
        for name, part in parts.items()
    }
    assert kernels == {"NVIDIA H200": ["k.py", "b.py"], "cpu": ["c.py"]}


def test_runs_that_are_saved_at_once_get_numbers_of_their_own(tmp_path):
    store = Store(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: store.save(run(result()), "x"), range(24)))
    names = sorted(path.name for paths in made for path in paths)
    assert names == [f"{number:04}_x.json" for number in range(1, 25)]
    assert {path.name for path in (tmp_path / "NVIDIA-H200").iterdir()} == set(names)


def test_numbers_have_no_end(tmp_path):
    folder = tmp_path / "NVIDIA-H200"
    folder.mkdir()
    (folder / "9999_x.json").touch()
    (path,) = Store(tmp_path).save(run(result()), "x")
    assert path.name == "10000_x.json"
    (newest,) = Store(tmp_path).find("10000")
    assert [one.result.kernel for one in newest.run.evaluated] == ["k.py"]


def test_two_kernels_from_text_under_one_name_are_told_apart_by_their_source():
    first, second = (result(kernel_digest=digest) for digest in "ab")
    both = evaluated(first, second)
    assert evaluation_of(both, second) == second
    assert evaluation_of(both, result(kernel_digest="c")) is None
    assert evaluation_of(evaluated(first), second) == first  # it was changed
    assert evaluation_of(both, result(kernel="other.py")) is None


@pytest.mark.parametrize(
    ("fields", "said", "across"),
    [
        ({"device_name": "NVIDIA L40S"}, "on NVIDIA H200 then, NVIDIA L40S now", False),
        ({"environment": {"driver": "580"}}, "driver unknown then, 580 now", False),
        ({"cache": "warm"}, "cold cache then, warm now", True),
        (
            {"baseline": Baseline(kind="compile", runtime=runtime())},
            "eager baseline then, compile now",
            True,
        ),
        ({"problem_digest": "b"}, "the problem has changed since", True),
    ],
)
def test_what_makes_two_measurements_different_is_said(fields, said, across):
    then = result(problem_digest="a")
    now = msgspec.structs.replace(then, **fields)
    assert obstacles(then, now, across=False) == [said]
    assert obstacles(then, now, across=True) == ([said] if across else [])


def test_what_two_gates_say_is_told_once_and_together():
    ambiguous = (Verdict.AMBIGUOUS, "maybe")
    first = judge_change(result(), [ambiguous])
    assert (first.verdict, first.reason) == (Verdict.AMBIGUOUS, "maybe")
    assert judge_change(first, [ambiguous]) == first
    assert (
        judge_change(first, [(Verdict.AMBIGUOUS, "or not")]).reason == "maybe; or not"
    )
    worse = judge_change(first, [ambiguous, (Verdict.REGRESSED, "slower")])
    assert (worse.verdict, worse.reason) == (Verdict.REGRESSED, "slower")
    assert judge_change(worse, [ambiguous]) == worse


def test_records_come_back_whatever_a_kernel_is_called(tmp_path):
    path = tmp_path / "records.jsonl"
    names = ["plain.py", "line\u2028.py", "next\x85.py", "new\nline.py", "kärnel.py"]
    found = [result(kernel=name, kernel_digest=name) for name in names]
    terms = Terms(noise=0.01, alpha=0.01, across=False)
    records = updated({}, found, terms).records
    write_records(path, records)
    assert read_records(path) == records
    assert path.read_text(encoding="utf-8").count("\n") == len(names)


def test_noise_raises_hardly_any_record():
    import math
    import random

    draw = random.Random(3)

    def measured(kernel):
        value = math.exp(draw.gauss(0, 0.01))
        return result(
            kernel=str(kernel),
            speedup=Interval(value=value, low=value * 0.999, high=value * 1.001),
        )

    terms = Terms(noise=0.01, alpha=0.01, across=False)
    raised = 0
    for _ in range(20):
        records = updated({}, map(measured, range(100)), terms).records
        update = updated(records, map(measured, range(100)), terms)
        raised += len(update.raised)
        assert not update.added
        assert not update.replaced
    assert raised <= 2
