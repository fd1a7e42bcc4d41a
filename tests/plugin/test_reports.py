"""The table, the JSON file and the journal."""

from __future__ import annotations

import json
import math

import pytest

from pytest_kernelbench.runs import read_run, write_run

both_modes = pytest.mark.both_modes


@both_modes
def test_the_table_has_every_kernel_and_the_scores(kernels):
    kernels.add("a", "speedup=1.28 runtime=41.2e-6")
    kernels.add("b", "speedup=0.94 runtime=70.1e-6", directive="min-speedup=1.0")
    kernels.add("c", "verdict=WRONG")
    result = kernels.run()
    result.stdout.fnmatch_lines(
        [
            "*= kernelbench: cpu (fake), baseline eager =*",
            " kernel       problem          verdict  runtime        speedup            L",
            " a_kernel.py  builtin/softmax  PASS     41.2 us ±1.0%  1.28x [[]1.27,1.29]  L1",
            " b_kernel.py  builtin/softmax  SLOW     70.1 us ±1.0%  0.94x [[]0.93,0.95]  L1",
            " c_kernel.py  builtin/softmax  WRONG    ?              ?                  L1",
            (
                " 3 kernels · built 3/3 · correct 2/3 · geomean 1.10x · max 1.28x · "
                "fast_1 1/3 · * s"
            ),
        ],
        consecutive=True,
    )
    assert "faster" not in result.stdout.str()


def test_the_word_in_verbose_output_is_the_speedup(kernels):
    kernels.add("a", "speedup=1.284")
    kernels.run("-v").stdout.fnmatch_lines(["a_kernel.py::ModelNew PASSED 1.28x*"])


@both_modes
def test_replayed_graphs_have_a_column_and_an_entry_in_json(kernels):
    kernels.add("a", "graph=1.72 runtime=8e-6")
    kernels.add("b", "note='no CUDA graph: this is no GPU'")
    result = kernels.run("--kb-graph", "--kb-json=out.json")
    result.stdout.fnmatch_lines([" kernel * graph", " a * 4.00 us 1.72x", " b * L1 *"])
    report = json.loads((kernels.pytester.path / "out.json").read_text())
    graphs = [one["graph"] for one in report["kernelbench"]["evaluations"]]
    assert [graph and graph["speedup"]["value"] for graph in graphs] == [1.72, None]
    assert "4.00 us" not in kernels.run().stdout.str()


def test_a_table_with_changes_fits_80_columns(kernels, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    kernels.add("softmax", "spread=0.1")
    kernels.run("--kb-save=main")
    lines = kernels.run("--kb-compare", "--kb-min-speedup=1.5").outlines
    (row,) = [line for line in lines if line.startswith(" softmax ")]
    assert row.count("AMBIGUOUS") == 2
    assert len(row) <= 80


def test_quiet_is_one_line(kernels):
    kernels.add("a")
    lines = kernels.run("-q").outlines
    shown = [line for line in lines if "kernel" in line and "evaluation" not in line]
    assert len(shown) == 1
    assert shown[0].startswith("kernelbench: 1 kernel · built 1/1")


def test_a_narrow_table_drops_what_all_kernels_share(kernels, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("softmax", "gelu"):
        kernels.add(f"a_long_folder_name/and_another_one/{name}")
    lines = kernels.run().outlines
    rows = [line for line in lines if "PASS" in line]
    assert [row.split()[0] for row in rows] == ["gelu", "softmax"]
    assert all(len(row) <= 80 for row in rows)


def test_a_long_name_is_cut_from_the_left(kernels, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    kernels.add("a_very_long_name_of_which_only_the_end_matters")
    (row,) = [line for line in kernels.run().outlines if "PASS" in line]
    assert row.startswith(" …")
    assert "matters" in row
    assert len(row) <= 80


def test_limits_and_notes_are_told_once(kernels):
    for name in ("a", "b"):
        kernels.add(name, "limit='clock too coarse' note='built from stock headers'")
    result = kernels.run()
    result.stdout.fnmatch_lines(
        [
            " limit: clock too coarse (2 kernels)",
            " note: built from stock headers (2 kernels)",
        ]
    )


@both_modes
def test_json_holds_every_evaluation_and_benchmarks_what_was_timed(kernels):
    kernels.add("a", "speedup=1.28 runtime=41.2e-6")
    kernels.add("b", "verdict=WRONG reason='off by one'")
    kernels.add("c", "error='gone'")
    kernels.run("--kb-json=deep/out.json", "--kb-seed=5")
    report = json.loads((kernels.pytester.path / "deep" / "out.json").read_text())
    (benchmark,) = report["benchmarks"]
    assert benchmark["fullname"] == "a_kernel.py::ModelNew"
    assert math.isclose(benchmark["stats"]["median"], 41.2e-6)
    assert benchmark["stats"]["rounds"] == 3
    assert {"machine_info", "commit_info", "datetime", "version"} <= report.keys()
    ours = report["kernelbench"]
    assert [e["verdict"] for e in ours["evaluations"]] == ["PASS", "WRONG"]
    assert ours["evaluations"][1]["speedup"] is None
    assert ours["evaluations"][1]["reason"] == "off by one"
    assert ours["settings"]["seed"] == 5
    assert ours["summary"]["correct"] == 1
    assert [lost["nodeid"] for lost in ours["not_evaluated"]] == [
        "c_kernel.py::ModelNew"
    ]


def test_json_replaces_the_file_as_a_whole(kernels):
    kernels.add("a")
    (kernels.pytester.path / "out.json").write_text("old")
    kernels.run("--kb-json=out.json")
    json.loads((kernels.pytester.path / "out.json").read_text())
    assert not list(kernels.pytester.path.glob(".out.json*"))


def test_json_that_cannot_be_written_in_the_end_is_one_line(kernels):
    kernels.add("a")
    kernels.pytester.makeconftest(
        """
        def pytest_runtest_teardown(item):
            (item.config.rootpath / "out.json").mkdir()
        """
    )
    result = kernels.run("--kb-json=out.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["kernelbench: *out.json: not written: *"])


@both_modes
def test_the_journal_has_a_line_per_result(kernels):
    kernels.add("a", "speedup=1.28")
    kernels.add("b", "verdict=WRONG")
    result = kernels.run()
    lines = [json.loads(line) for line in kernels.journal()]
    assert sorted((e["nodeid"], e["result"]["verdict"]) for e in lines) == [
        ("a_kernel.py::ModelNew", "PASS"),
        ("b_kernel.py::ModelNew", "WRONG"),
    ]
    result.stdout.fnmatch_lines([" seed * · .kernelbench/runs/*.jsonl"])


def test_the_journal_holds_the_verdict_after_the_thresholds(kernels):
    kernels.add("a", "speedup=0.9")
    kernels.run("--kb-min-speedup=1")
    (line,) = map(json.loads, kernels.journal())
    assert line["result"]["verdict"] == "SLOW"


def test_results_are_shown_though_they_cannot_be_saved(kernels):
    kernels.add("a")
    (kernels.pytester.path / ".kernelbench").write_text("in the way")
    result = kernels.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([" warning: results are not saved: *", " seed *"])


def test_colour_is_for_terminals(kernels):
    kernels.add("a")
    assert "\x1b[" not in kernels.run().stdout.str()
    assert "\x1b[32mPASS" in kernels.run("--color=yes").stdout.str()


def test_verbose_output_has_what_compilers_gave_device_functions(kernels):
    kernels.add("a", "registers=40")
    kernels.run("-v").stdout.fnmatch_lines(["   fake: 40 registers"])
    kernels.run().stdout.no_fnmatch_line("*40 registers*")


def test_a_run_is_read_as_it_was_written(kernels):
    kernels.add("a", directive="min-speedup=1")
    kernels.add("b", "error=gone")
    kernels.run("--kb-json=out.json", "-x")
    run = read_run(kernels.pytester.path / "out.json")
    assert run.gate[0].startswith("gate: 1 of ")
    assert run.interrupted is False
    write_run(kernels.pytester.path / "again.json", run)
    assert read_run(kernels.pytester.path / "again.json") == run


def test_a_run_that_was_interrupted_says_so(kernels):
    kernels.add("a")
    kernels.pytester.makepyfile(test_b="def test_b(): raise KeyboardInterrupt")
    words = ("--kb-executor=fake", "-pno:anyio", "--kb-json=out.json")
    kernels.pytester.runpytest_subprocess(*words)
    assert read_run(kernels.pytester.path / "out.json").interrupted


@both_modes
def test_a_kernel_that_cannot_be_collected_was_not_evaluated(kernels):
    kernels.add("a").write_text("class ModelNew:\n  )\n")
    kernels.add("b")
    kernels.run("--kb-json=out.json", "--continue-on-collection-errors")
    run = read_run(kernels.pytester.path / "out.json")
    assert [one.nodeid for one in run.evaluated] == ["b_kernel.py::ModelNew"]
    assert run.unevaluated == {
        "a_kernel.py": "a_kernel.py:2: syntax error: unmatched ')'"
    }
