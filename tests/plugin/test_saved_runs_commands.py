"""``pytest-kernelbench list|show|compare|history|export|prune``."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import re
import sqlite3
import subprocess
import sys

import pytest

from pytest_kernelbench.cli import main
from pytest_kernelbench.reports.wording import ABSENT


@pytest.fixture
def command(kernels, capsys, monkeypatch):
    """Runs a command where the kernels are; its exit code, output and errors."""
    monkeypatch.chdir(kernels.pytester.path)

    def run(*words):
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as error:
            code = error.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def save(kernels, name, *words, **scripts):
    for kernel, script in scripts.items():
        kernels.add(kernel, script)
    kernels.run(f"--kb-save={name}", *words)


def files(kernels):
    root = kernels.pytester.path / ".kernelbench"
    return sorted(path.name for path in root.glob("*/*.json"))


def one_line(text):
    return text.startswith("pytest-kernelbench: ") and text.count("\n") == 1


class TestList:
    def test_says_what_there_is(self, kernels, command):
        save(kernels, "main", a="speedup=2 torch=2.11", b="speedup=0.5 torch=2.11")
        save(kernels, "next", b="verdict=WRONG")
        code, out, _ = command("list")
        assert code == 0
        head, first, second = out.splitlines()[1:]
        assert head.split() == [
            "device",
            "run",
            "age",
            "commit",
            "timed",
            "geomean",
            "versions",
        ]
        assert re.fullmatch(
            r"fake-cpu +0001_main +.* unknown +2/2 +1.00x +torch 2.11", first
        )
        assert re.search("0002_next .* 1/2 +2.00x", second)
        assert "0001" not in command("list", "next")[1]

    def test_says_how_to_begin_where_there_is_nothing(self, command):
        code, out, _ = command("list")
        assert code == 0
        assert out == (
            "no saved run in .kernelbench: --kb-autosave or --kb-save makes one\n"
        )

    def test_goes_on_past_a_file_that_cannot_be_read(self, kernels, command):
        save(kernels, "main", a="")
        folder = kernels.pytester.path / ".kernelbench" / "fake-cpu"
        (folder / "0002_broken.json").write_text('{"benchmarks": []}')
        code, out, err = command("list")
        assert code == 2
        assert "0001_main" in out
        assert one_line(err)
        assert "0002_broken.json: not a saved run" in err


class TestShow:
    def test_is_of_the_newest_on_any_device(self, kernels, command):
        save(kernels, "one", a="chip=H200 speedup=2")
        save(kernels, "two", a="chip=A100 speedup=1.5 torch=2.11")
        code, out, _ = command("show")
        title, _, row, versions = out.splitlines()
        assert code == 0
        assert re.fullmatch(r"0001_two \(A100\), .* old, commit unknown", title)
        cells = re.split(r" {2,}", row)
        assert cells[:3] == ["a_kernel.py", "builtin/softmax", "PASS"]
        assert cells[3:] == ["1.00 ms ±1.0%", "1.50x [1.49,1.51]", ABSENT]
        assert versions == "torch 2.11"
        assert "2.00x" in command("show", "one")[1]

    def test_names_what_was_not_evaluated(self, kernels, command):
        save(kernels, "one", a="", b="error=gone")
        assert "not evaluated: b_kernel.py::ModelNew: " in command("show")[1]

    def test_obeys_nothing_that_a_name_says(self, kernels, command):
        save(kernels, "one", **{"[red]a[/red]": ""})
        assert "[red]a[/red]_kernel.py" in command("show")[1]

    def test_of_an_unknown_run_is_one_line(self, kernels, command):
        save(kernels, "main", a="")
        code, _, err = command("show", "mian")
        assert code == 2
        assert one_line(err)
        assert err.endswith("did you mean 'main'?\n")


class TestCompare:
    def test_is_of_the_newest_two_and_returns_0_without_a_limit(self, kernels, command):
        save(kernels, "zero", a="speedup=9")
        save(kernels, "main", a="speedup=2", b="", gone="")
        (kernels.pytester.path / "gone_kernel.py").unlink()
        save(kernels, "next", a="speedup=1", c="")
        code, out, _ = command("compare", "--session-noise=1%")
        assert code == 0
        title, _, *rows, closing = out.splitlines()
        assert title == "fake-cpu/0002_main → fake-cpu/0003_next"
        changes = [re.split(r" {2,}", row)[4] for row in rows]
        assert changes[0].startswith("SLOWER 0.50x [0.48,")
        assert changes[1].startswith("SAME 1.00x")
        assert changes[2:] == ["new", "gone"]
        assert closing == "2 compared, 0 regressed, 2 not compared"

    def test_returns_1_when_a_limit_is_exceeded_for_certain(self, kernels, command):
        save(kernels, "main", a="speedup=2", b="")
        save(kernels, "next", a="speedup=1")
        words = ("compare", "--session-noise=1%")
        code, out, _ = command(*words, "--fail=speedup:5%", "--fail", "median:5%")
        assert code == 1
        assert re.search(
            r"^REGRESSED a_kernel.py: speedup 1x, 50.0% lower \[.*\] than 2x in the "
            r"base, at most 5% allowed \(--fail=speedup:5%\)$",
            out,
            re.MULTILINE,
        )
        assert command(*words, "--fail=speedup:60%")[0] == 0
        assert command("compare", "--fail=speedup:5%")[0] == 0  # the noise of a CPU
        assert "AMBIGUOUS a_kernel.py" in command("compare", "--fail=speedup:5%")[1]

    def test_takes_two_runs_by_name_or_path(self, kernels, command):
        for name, speedup in (("one", 1), ("two", 2), ("three", 3)):
            save(kernels, name, a=f"speedup={speedup}")
        path = ".kernelbench/fake-cpu/0003_three.json"
        for words in (("1", "3"), ("one", "thr*"), ("one", path), ("one",)):
            title = command("compare", *words)[1].splitlines()[0]
            assert title == "fake-cpu/0001_one → fake-cpu/0003_three"

    def test_across_versions_or_devices_is_refused(self, kernels, command):
        save(kernels, "one", a="torch=2.11")
        save(kernels, "two", a="torch=2.13")
        code, out, err = command("compare", "--fail=speedup:5%")
        assert (code, out) == (2, "")
        assert one_line(err)
        assert "0001_one and 0002_two cannot be compared: torch 2.11 then" in err
        code, out, _ = command("compare", "--across")
        assert code == 0
        assert "AMBIGUOUS 1.00x" in out
        save(kernels, "three", a="torch=2.13 chip=H200")
        code, _, err = command("compare", "two", "three")
        assert code == 2
        assert "on fake cpu then, H200 now: --across allows" in err

    def test_says_of_one_kernel_why_it_is_not_compared(self, kernels, command):
        save(kernels, "one", a="torch=2.11", b="")
        save(kernels, "two", a="torch=2.13")
        code, out, _ = command("compare")
        assert code == 0
        assert "torch 2.11 then, 2.13 now" in out
        assert out.endswith("1 compared, 0 regressed, 1 not compared\n")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "no saved run before 0001_main on fake-cpu"),
            (("other",), "no saved run 'other' in .kernelbench"),
        ],
    )
    def test_without_a_second_run_is_one_line(self, kernels, command, words, said):
        save(kernels, "main", a="")
        code, _, err = command("compare", *words)
        assert code == 2
        assert one_line(err)
        assert said in err

    def test_of_a_bad_limit_is_a_message_of_argparse(self, command):
        code, _, err = command("compare", "--fail=min:5%")
        assert code == 2
        assert "argument --fail: expected one of speedup, median, mean" in err


class TestHistory:
    def test_shows_each_kernel_over_time_with_what_changed(self, kernels, command):
        save(kernels, "one", a="speedup=1 torch=2.11", b="speedup=3")
        save(kernels, "two", a="speedup=2 torch=2.13")
        code, out, _ = command("history", "a_kernel")
        assert code == 0
        title, head, first, second, _ = out.splitlines()
        assert title == "a_kernel.py, builtin/softmax (fp32) on fake cpu"
        assert head.split() == [
            "run",
            "date",
            "commit",
            "verdict",
            "runtime",
            "speedup",
            "changed",
        ]
        assert first.startswith("0001_one")
        assert second.endswith("2.00x [1.98,2.02]  torch 2.11 → 2.13, kernel")
        assert "b_kernel.py" in command("history")[1]
        assert "0001_one" not in command("history", "a_*", "--last=1")[1]

    def test_says_how_much_equal_sessions_differ(self, kernels, command):
        for speedup in (1.0, 1.1, 1.2):
            save(kernels, "x", a="speedup=1 spread=1e-6")
            path = (
                kernels.pytester.path / ".kernelbench" / "fake-cpu" / files(kernels)[-1]
            )
            whole = json.loads(path.read_text())
            (one,) = whole["kernelbench"]["evaluations"]
            one["speedup"] = {"value": speedup, "low": speedup, "high": speedup}
            path.write_text(json.dumps(whole))
        out = command("history")[1]
        assert (
            "3 sessions of the same source and versions differ by 9.12% (standard "
            "deviation), 9.12% beyond their own intervals (--kb-session-noise)" in out
        )

    def test_follows_runs_that_come_and_go_and_survives_its_cache(
        self, kernels, command
    ):
        cache = kernels.pytester.path / ".kernelbench" / "cache" / "history.sqlite"
        save(kernels, "one", a="")
        save(kernels, "two", a="")
        assert "0002_two" in command("history")[1]
        (kernels.pytester.path / ".kernelbench/fake-cpu/0002_two.json").unlink()
        assert "0002_two" not in command("history")[1]
        assert cache.exists()
        assert (cache.parent / ".gitignore").read_text() == "*\n"
        cache.write_bytes(b"no database at all" * 100)
        assert "0001_one" in command("history")[1]
        connection = sqlite3.connect(cache)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        assert "0001_one" in command("history")[1]
        cache.unlink()
        assert "0001_one" in command("history")[1]

    def test_works_where_it_may_not_write(self, kernels, command):
        save(kernels, "one", a="")
        (kernels.pytester.path / ".kernelbench" / "cache").write_text("in the way")
        assert "0001_one" in command("history")[1]

    def test_of_an_unknown_kernel_is_one_line(self, kernels, command):
        save(kernels, "one", a="")
        code, _, err = command("history", "zzz")
        assert code == 2
        assert one_line(err)
        assert "no evaluation of 'zzz' on '*' in .kernelbench" in err


class TestExport:
    def test_writes_a_row_for_each_evaluation(self, kernels, command):
        save(kernels, "one", a="speedup=2 runtime=0.25 torch=2.11", b="verdict=WRONG")
        code, out, _ = command("export")
        assert code == 0
        first, second = csv.DictReader(io.StringIO(out))
        assert first["kernel"] == "a_kernel.py"
        assert (first["run"], first["verdict"]) == ("0001_one", "PASS")
        assert (float(first["runtime"]), float(first["speedup"])) == (0.25, 2)
        assert first["versions"] == "torch=2.11"
        assert (second["verdict"], second["speedup"]) == ("WRONG", "")
        lines = command("export", "--format=jsonl")[1].splitlines()
        assert [json.loads(line)["speedup"] for line in lines] == [2, None]
        rows = json.loads(command("export", "one", "--format=json")[1])
        assert [row["dirty"] for row in rows] == [False, False]

    def test_goes_into_a_file_of_the_form_that_its_name_says(self, kernels, command):
        save(kernels, "one", a="")
        for name in ("out.json", "out.csv", "out.jsonl"):
            assert command("export", "-o", name) == (0, "", "")
        here = kernels.pytester.path
        assert json.loads((here / "out.json").read_text())[0]["run"] == "0001_one"
        assert (here / "out.csv").read_text().startswith("run,device,")
        assert (here / "out.jsonl").read_text().count("\n") == 1

    def test_leaves_no_formula_in_a_spreadsheet(self, kernels, command):
        save(kernels, "one", a="", b="verdict=WRONG reason='=cmd()'")
        (_, second) = csv.DictReader(io.StringIO(command("export")[1]))
        assert second["reason"] == "'=cmd()"

    def test_that_cannot_be_written_is_one_line(self, kernels, command):
        save(kernels, "one", a="")
        code, _, err = command("export", "-o", "nowhere/out.csv")
        assert code == 2
        assert one_line(err)
        assert "-o nowhere/out.csv: not written: " in err


class TestPrune:
    def test_keeps_the_newest_of_each_device(self, kernels, command):
        for name in ("one", "two"):
            save(kernels, name, a="chip=H200", b="chip=A100")
        save(kernels, "three", "-k", "b_kernel", b="chip=A100")
        code, out, _ = command("prune", "--keep=1", "--dry-run")
        assert code == 0
        assert len(files(kernels)) == 5
        assert out.count("would remove") == 3 + 2  # journals too
        command("prune", "--keep=1")
        assert files(kernels) == ["0002_two.json", "0003_three.json"]
        assert len(list(kernels.pytester.path.glob(".kernelbench/runs/*.jsonl"))) == 1
        assert command("prune", "--keep=1")[1] == "nothing to remove\n"

    def test_removes_what_is_old_by_its_own_date(self, kernels, command):
        save(kernels, "old", a="")
        save(kernels, "new", a="")
        path = kernels.pytester.path / ".kernelbench" / "fake-cpu" / "0001_old.json"
        whole = json.loads(path.read_text())
        past = dt.datetime.now(dt.UTC) - dt.timedelta(days=40)
        path.write_text(json.dumps(whole | {"datetime": past.isoformat()}))
        assert command("prune", "--older-than=50d")[1] == "nothing to remove\n"
        assert "nothing" in command("prune", "--older-than=30d", "--keep=2")[1]
        command("prune", "--older-than=5w", "--device=fake-*")
        assert files(kernels) == ["0002_new.json"]

    def test_removes_old_journals_by_the_date_of_the_file(self, kernels, command):
        save(kernels, "x", a="")
        (journal,) = kernels.pytester.path.glob(".kernelbench/runs/*.jsonl")
        os.utime(journal, (0, 0))
        command("prune", "--older-than=30d", "--device=runs")
        assert not journal.exists()
        assert files(kernels)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "prune: say what may go: --keep=N or --older-than=AGE"),
            (("--keep=0",), "expected a whole number of at least 1, got '0'"),
            (("--older-than=soon",), "expected an age such as 30d, 12h or 8w"),
            (("--older-than=99999999999w",), "expected a shorter age"),
        ],
    )
    def test_needs_to_be_told_what_may_go(self, command, words, said):
        code, _, err = command("prune", *words)
        assert code == 2
        assert said in err
        assert "Traceback" not in err

    def test_numbers_go_on_after_what_is_left(self, kernels, command):
        for name in ("one", "two"):
            save(kernels, name, a="")
        command("prune", "--keep=1")
        save(kernels, "three", a="")
        assert files(kernels) == ["0002_two.json", "0003_three.json"]


def test_as_a_program_it_answers_by_its_exit_code(kernels):
    save(kernels, "main", a="speedup=2")
    save(kernels, "next", a="speedup=0.1")
    program = [sys.executable, "-m", "pytest_kernelbench", "compare"]
    done = subprocess.run(
        [*program, "--fail=speedup:5%"],
        cwd=kernels.pytester.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 compared, 1 regressed" in done.stdout


@pytest.mark.parametrize("words", [("status", "main"), ("github", "run", "a.py", "-q")])
def test_arguments_that_are_not_known_are_told_with_the_usage_of_the_command(
    command, words
):
    code, _, err = command(*words)
    assert code == 2
    name = " ".join(("pytest-kernelbench", *words[:-1])).removesuffix(" a.py")
    assert err.startswith(f"usage: {name} ")
    assert err.endswith(f"{name}: error: unrecognized arguments: {words[-1]}\n")


@pytest.mark.parametrize("name", ["list", "show", "history", "export"])
def test_nobody_reading_on_is_no_traceback(kernels, name):
    kernels.add("a")
    kernels.run("--kb-save=main").assert_outcomes(passed=1)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_kernelbench", name],
            cwd=kernels.pytester.path,
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == ""


def test_what_cannot_be_exported_leaves_the_file_as_it_was(kernels, command):
    kernels.add("a")
    kernels.run("--kb-save=main").assert_outcomes(passed=1)
    (saved,) = (kernels.pytester.path / ".kernelbench").glob("*/0001_main.json")
    saved.write_text("{")
    kept = kernels.pytester.path / "all.csv"
    kept.write_text("of yesterday")
    code, _, err = command("export", "-o", "all.csv")
    assert code == 2
    assert "not a saved run" in err
    assert kept.read_text() == "of yesterday"
