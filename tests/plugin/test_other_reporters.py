"""What programs and plugins of others read of a run."""

from __future__ import annotations

import html
import json
import re
from xml.etree import ElementTree as ET

import pytest

both_modes = pytest.mark.both_modes

TWICE = """
KERNEL = '''
# fake: speedup={}
class ModelNew: pass
'''

def test_both(kernelbench):
    kernelbench(KERNEL.format(1.25), "builtin/softmax")
    kernelbench(KERNEL.format(1.5), "builtin/softmax")
"""


def benchmarks(kernels):
    kernels.run("--kb-json=run.json")
    text = (kernels.pytester.path / "run.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are no JSON


class TestDashboards:
    """``--kb-json`` where pytest-benchmark's file is expected."""

    @both_modes
    def test_github_action_benchmark_finds_what_its_pytest_tool_reads(self, kernels):
        # extractPytestResult in benchmark-action/github-action-benchmark, src/extract.ts
        # at v1.22.0; it refuses a file without any benchmark.
        kernels.add("a", "runtime=41.2e-6")
        kernels.add("b", "verdict=WRONG")
        (bench,) = benchmarks(kernels)["benchmarks"]
        stats = bench["stats"]
        assert bench["fullname"] == "a_kernel.py::ModelNew"
        assert stats["ops"] == pytest.approx(1 / 41.2e-6)
        assert stats["mean"] == pytest.approx(41.2e-6)
        assert isinstance(stats["stddev"], float)
        assert stats["rounds"] == 3

    @both_modes
    def test_bencher_finds_what_its_python_pytest_adapter_reads(self, kernels):
        # bencherdev/bencher, lib/bencher_adapter/src/adapters/python/pytest.rs at
        # v0.6.12: a null, or a name of more than 1024 bytes, refuses the whole file.
        kernels.add("a", "runtime=41.2e-6")
        kernels.add("b", "runtime=1e-9")
        report = benchmarks(kernels)
        assert {"machine_info", "commit_info"} <= report.keys()
        assert len(report["benchmarks"]) == 2
        for bench in report["benchmarks"]:
            assert 0 < len(bench["fullname"].encode()) <= 1024
            for name in ("mean", "stddev", "median", "iqr"):
                assert type(bench["stats"][name]) in (int, float)

    def test_each_evaluation_of_a_test_has_a_name_of_its_own(self, kernels):
        kernels.pytester.makepyfile(test_it=TWICE)
        names = [bench["fullname"] for bench in benchmarks(kernels)["benchmarks"]]
        assert names == ["test_it.py::test_both", "test_it.py::test_both (2)"]


class TestJUnit:
    def suite(self, kernels, *words):
        kernels.run("--junitxml=junit.xml", *words)
        root = ET.parse(kernels.pytester.path / "junit.xml").getroot()
        (suite,) = root.iter("testsuite")
        return suite

    @both_modes
    def test_counts_and_properties_are_those_of_the_run(self, kernels):
        kernels.add("a", "speedup=1.28")
        kernels.add("b", "verdict=WRONG reason='off by one'")
        kernels.add("c", "verdict=NO-DEVICE reason='no GPU'")
        kernels.add("d", "error=gone")
        suite = self.suite(kernels)
        counts = {name: suite.get(name) for name in ("tests", "failures", "errors")}
        assert counts == {"tests": "4", "failures": "1", "errors": "1"}
        assert suite.get("skipped") == "1"
        told = {case.get("classname"): properties(case) for case in suite}
        assert told["a_kernel"]["kernelbench_verdict"] == "PASS"
        assert float(told["a_kernel"]["kernelbench_speedup"]) == 1.28
        assert told["b_kernel"]["kernelbench_reason"] == "off by one"

    def test_two_evaluations_of_a_test_are_not_mixed_up(self, kernels):
        kernels.pytester.makepyfile(test_it=TWICE)
        (case,) = self.suite(kernels)
        told = [one.get("name") for one in case.iter("property")]
        assert len(told) == len(set(told))
        assert properties(case)["kernelbench_speedup"] == "1.25"
        assert properties(case)["kernelbench_2_speedup"] == "1.5"

    @pytest.mark.parametrize("family", ["xunit1", "xunit2"])
    def test_is_xml_whatever_a_kernel_says(self, kernels, family):
        said = r"\x1b[31m]]> <b> & \" \x00 ü"
        kernels.add("a", f"verdict=CRASH reason='{said}' log='{said}'")
        (case,) = self.suite(kernels, "-o", f"junit_family={family}")
        assert "]]> <b> &" in properties(case)["kernelbench_reason"]


def properties(case):
    return {one.get("name"): one.get("value") for one in case.iter("property")}


@both_modes
def test_reportlog_has_the_results_on_its_reports(kernels):
    pytest.importorskip("pytest_reportlog")
    kernels.add("a", "speedup=1.28")
    kernels.run("--report-log=log.jsonl")
    lines = (kernels.pytester.path / "log.jsonl").read_text().splitlines()
    (call,) = [one for one in map(json.loads, lines) if one.get("when") == "call"]
    assert dict(call["user_properties"])["kernelbench_speedup"] == 1.28
    (evaluation,) = call["kernelbench"]["evaluations"]
    assert evaluation["result"]["verdict"] == "PASS"


class TestPytestHtml:
    @pytest.fixture(autouse=True)
    def _needed(self):
        pytest.importorskip("pytest_html")

    def written(self, kernels, *words):
        kernels.run("--html=report.html", *words)
        return self.read(kernels)

    def read(self, kernels):
        page = (kernels.pytester.path / "report.html").read_text(encoding="utf-8")
        (data,) = re.findall(r'data-jsonblob="(.*?)"', page)
        return page, json.loads(html.unescape(data))["tests"]

    @both_modes
    def test_has_columns(self, kernels):
        kernels.add("a", "speedup=1.28 runtime=41.2e-6")
        kernels.add("b", "verdict=WRONG")
        kernels.pytester.makepyfile(test_it="def test_plain(): pass")
        page, tests = self.written(kernels)
        assert "<th>Verdict</th>" in page
        cells = {name: rows[0]["resultsTableRow"][2:5] for name, rows in tests.items()}
        assert cells["a_kernel.py::ModelNew"] == [
            '<td class="col-verdict">PASS</td>',
            '<td class="col-runtime">41.2 us ±1.0%</td>',
            '<td class="col-speedup">1.28x [1.27,1.29]</td>',
        ]
        assert "WRONG" in cells["b_kernel.py::ModelNew"][0]
        assert cells["test_it.py::test_plain"][0] == '<td class="col-verdict"></td>'

    def test_a_row_tells_its_numbers_also_without_columns(self, kernels):
        kernels.add("a", "verdict=WRONG")
        kernels.pytester.makeconftest(
            """
            from pytest_kernelbench.executors.fake import FakeExecutor

            def pytest_kernelbench_executors():
                return {"local": lambda settings: FakeExecutor()}
            """
        )
        kernels.pytester.runpytest_inprocess("--html=report.html", "-pno:anyio")
        page, tests = self.read(kernels)
        assert "<th>Verdict</th>" not in page
        (row,) = tests["a_kernel.py::ModelNew"]
        assert row["log"].startswith("WRONG · ")

    def test_a_project_without_kernels_has_the_columns_it_had(self, pytester):
        pytester.makepyfile("def test_it(): pass")
        pytester.runpytest_inprocess("--html=report.html")
        page = (pytester.path / "report.html").read_text(encoding="utf-8")
        assert "Verdict" not in page

    def test_two_evaluations_of_a_test_share_its_row(self, kernels):
        kernels.pytester.makepyfile(test_it=TWICE)
        _, tests = self.written(kernels)
        (row,) = tests["test_it.py::test_both"]
        assert row["resultsTableRow"][4].count("x [") == 2
