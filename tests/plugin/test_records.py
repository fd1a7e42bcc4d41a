"""The record file: what it defends, and when its lines change."""

from __future__ import annotations

import json

import pytest

both_modes = pytest.mark.both_modes


@pytest.fixture(autouse=True)
def as_on_a_gpu(kernels):
    """The noise between sessions that a GPU has; on a CPU little would be certain."""
    kernels.always = ("--kb-session-noise=1%",)


FILE = "--kb-record-file=records.jsonl"
UPDATE = (FILE, "--kb-update-records")


def records(kernels):
    path = kernels.pytester.path / "records.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def text(kernels):
    return (kernels.pytester.path / "records.jsonl").read_text()


@both_modes
def test_what_is_measured_for_the_first_time_is_added_in_order(kernels):
    kernels.add("b", "speedup=1.23456 torch=2.11")
    kernels.add("a", "speedup=2")
    result = kernels.run(*UPDATE)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([" records.jsonl: 2 added"])
    first, second = records(kernels)
    assert (first["kernel"], second["kernel"]) == ("a_kernel.py", "b_kernel.py")
    digests = {second.pop("kernel_digest"), second.pop("problem_digest")}
    assert {len(digest) for digest in digests} == {12}
    assert second == {
        "kernel": "b_kernel.py",
        "problem": "builtin/softmax",
        "precision": "fp32",
        "device": "fake cpu",
        "speedup": 1.235,
        "low": 1.222,
        "high": 1.247,
        "baseline": "eager",
        "cache": "cold",
        "versions": {"torch": "2.11"},
    }


@both_modes
def test_what_falls_below_its_record_for_certain_fails(kernels):
    kernels.add("a", "speedup=1.5")
    kernels.add("b", "speedup=1.5")
    kernels.run(*UPDATE)
    before = text(kernels)
    kernels.add("a", "speedup=1.3")
    result = kernels.run(FILE)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "REGRESSED: speedup 1.3x, 13.3% lower [[]*, *] than 1.5x in "
                "records.jsonl, at most 3% allowed (--kb-max-regression=3%)"
            ),
            " against records.jsonl: 1 SAME, 1 SLOWER",
        ]
    )
    assert text(kernels) == before


def test_how_far_below_is_chosen(kernels):
    kernels.add("a", "speedup=1.5")
    kernels.run(*UPDATE)
    kernels.add("a", "speedup=1.3")
    kernels.run(FILE, "--kb-max-regression=20%").assert_outcomes(passed=1)
    kernels.pytester.makeini(
        "[pytest]\nkb_record_file = records.jsonl\nkb_max_regression = 2%"
    )
    result = kernels.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*at most 2% allowed (kb_max_regression (tox.ini))"])


def test_only_lines_of_what_got_faster_for_certain_change(kernels):
    for name in ("a", "b", "c"):
        kernels.add(name, "speedup=1.5 torch=2.11")
    kernels.run(*UPDATE)
    before = text(kernels).splitlines()
    kernels.add("a", "speedup=2 torch=2.11")  # faster
    kernels.add("b", "speedup=1.52 torch=2.11")  # as far as noise goes
    kernels.add("c", "speedup=1.48 torch=2.11")
    result = kernels.run(*UPDATE)
    result.stdout.fnmatch_lines([" records.jsonl: 1 raised"])
    after = text(kernels).splitlines()
    assert after[1:] == before[1:]
    assert records(kernels)[0]["speedup"] == 2
    kernels.run(*UPDATE).stdout.fnmatch_lines([" records.jsonl: nothing to update"])
    assert text(kernels).splitlines() == after


def test_a_part_of_the_kernels_changes_no_other_line(kernels):
    for name in ("a", "b"):
        kernels.add(name, "speedup=1.5")
    kernels.run(*UPDATE)
    kernels.add("a", "speedup=2")
    kernels.run(*UPDATE, "a_kernel.py")
    assert [one["speedup"] for one in records(kernels)] == [2, 1.5]


@pytest.mark.parametrize("script", ["verdict=WRONG", "error='gone'"])
def test_a_run_that_did_not_pass_changes_nothing(kernels, script):
    kernels.add("a", "speedup=1.5")
    kernels.run(*UPDATE)
    before = text(kernels)
    kernels.add("a", "speedup=2")
    kernels.add("b", script)
    result = kernels.run(*UPDATE)
    result.stdout.fnmatch_lines([" records.jsonl not updated: the run did not pass"])
    assert text(kernels) == before


def test_without_the_switch_nothing_is_written(kernels):
    kernels.add("a", "speedup=1.5")
    kernels.run(*UPDATE)
    before = text(kernels)
    kernels.add("a", "speedup=2")
    kernels.add("b")
    result = kernels.run(FILE)
    result.stdout.fnmatch_lines(
        [" not gated: not compared: no record in records.jsonl: b_*"]
    )
    assert text(kernels) == before


def test_under_other_versions_a_record_is_refused_until_it_is_replaced(kernels):
    kernels.add("a", "speedup=1.5 torch=2.11")
    kernels.run(*UPDATE)
    kernels.add("a", "speedup=1.2 torch=2.13")
    result = kernels.run(FILE)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            (
                " warning: a_kernel.py: not compared: records.jsonl: torch 2.11 then, "
                "2.13 now (--kb-compare-across allows it)"
            )
        ]
    )
    kernels.run(FILE, "--kb-strict").assert_outcomes(failed=1)
    kernels.run(FILE, "--kb-compare-across").assert_outcomes(failed=1)
    result = kernels.run(*UPDATE)
    result.stdout.fnmatch_lines([" records.jsonl: 1 replaced, as they could not*"])
    (record,) = records(kernels)
    assert (record["speedup"], record["versions"]) == (1.2, {"torch": "2.13"})


def test_each_device_has_its_record(kernels):
    kernels.add("a", "speedup=1.5 chip='NVIDIA H200'")
    kernels.run(*UPDATE)
    kernels.add("a", "speedup=1.2 chip='NVIDIA L40S'")
    result = kernels.run(*UPDATE)
    result.assert_outcomes(passed=1)
    assert [(one["device"], one["speedup"]) for one in records(kernels)] == [
        ("NVIDIA H200", 1.5),
        ("NVIDIA L40S", 1.2),
    ]


def test_two_kernels_under_one_name_have_no_record(kernels):
    kernels.pytester.makepyfile(
        test_it="""
        def test(kernelbench):
            for speedup in (1, 2):
                kernelbench(f"# fake: speedup={speedup}\\nclass ModelNew: ...", "builtin/softmax")
        """
    )
    result = kernels.run("test_it.py", *UPDATE)
    result.stdout.fnmatch_lines(
        [
            " records.jsonl: nothing to update",
            " records.jsonl: test_it.py::test was measured more than once: left out",
        ]
    )


def test_what_is_hardly_known_is_nothing_to_defend(kernels):
    kernels.add("a", "speedup=1.5 spread=0.3")
    kernels.add("b", "speedup=1.5")
    result = kernels.run(*UPDATE)
    result.stdout.fnmatch_lines(
        [
            " records.jsonl: 1 added",
            " records.jsonl: a_kernel.py is known only to [[]1.05, 1.95]: left out",
        ]
    )
    assert [one["kernel"] for one in records(kernels)] == ["b_kernel.py"]


def test_a_record_of_a_kernel_that_is_gone_is_named(kernels):
    gone = kernels.add("a")
    kernels.add("b")
    kernels.run(*UPDATE)
    gone.unlink()
    result = kernels.run(*UPDATE)
    result.stdout.fnmatch_lines(
        [" records.jsonl: a_kernel.py is there no more: delete its line"]
    )


def test_a_saved_run_and_a_record_are_both_held(kernels):
    kernels.add("a", "speedup=2")
    kernels.run(*UPDATE, "--kb-save=x")
    kernels.add("a", "speedup=1.5")
    words = ("--kb-compare", "--kb-compare-fail=speedup:50%", FILE)
    result = kernels.run(*words)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["REGRESSED: *in records.jsonl*", " against 0001_x (*): 1 SLOWER"]
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "records.jsonl:1: not a record: *missing required field `kernel`"),
        ("\n<<<<<<< HEAD", "records.jsonl:2: not a record: *"),
        ('{"speedup": "x"}', "records.jsonl:1: not a record: *"),
        (b"\xff", "records.jsonl: not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(kernels, content, message):
    path = kernels.pytester.path / "records.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for words in ((FILE,), UPDATE):
        result = kernels.run(*words)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: --kb-record-file: */{message}"])
        assert len([line for line in result.errlines if line.strip()]) == 1


def test_a_record_twice_or_of_nonsense_is_one_line(kernels):
    kernels.add("a")
    kernels.run(*UPDATE)
    path = kernels.pytester.path / "records.jsonl"
    path.write_text(text(kernels) * 2)
    result = kernels.run(FILE)
    result.stderr.fnmatch_lines(["ERROR: *:2: a second record of a_kernel.py, *"])
    line = records(kernels)[0] | {"low": 0}
    path.write_text(json.dumps(line))
    result = kernels.run(FILE)
    result.stderr.fnmatch_lines(["ERROR: *:1: *expected 0 < low <= speedup <= high"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((FILE,), "--kb-record-file: no file *: --kb-update-records makes it"),
        (
            ("--kb-update-records",),
            "--kb-update-records: no records to update: add --kb-record-file",
        ),
        (
            (*UPDATE, "--kb-no-timing"),
            "--kb-update-records needs timing: drop --kb-no-timing",
        ),
        (
            ("--kb-record-file=.", "--kb-update-records"),
            "--kb-record-file: cannot write *: is a directory",
        ),
    ],
)
def test_what_cannot_work_is_one_line(kernels, words, message):
    result = kernels.run(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
