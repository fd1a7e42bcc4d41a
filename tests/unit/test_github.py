"""What a run looks like on GitHub, and that nothing in it can be more than text."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt
from runner_of_github import MOST_OF_A_KIND, SUMMARY_BYTES, assigned, obeyed

from pytest_kernelbench.model import Change, EvalResult, Interval, Runtime, Verdict
from pytest_kernelbench.reports import github, markdown
from pytest_kernelbench.reports.annotations import commands
from pytest_kernelbench.reports.findings import findings
from pytest_kernelbench.reports.overview import headline, overview
from pytest_kernelbench.runs import Evaluated, Run

HOSTILE = (
    "a | b",
    "<img src=x onerror=alert(1)><script>",
    "</details></code></summary><h1>fine</h1>",
    "`` ``` ```` `",
    "**bold** _it_ ~~no~~ [a](http://x) ![b](http://y)",
    "@octocat #1 :tada: http://example.org www.example.org a@b.org",
    "&lt;b&gt; &#60;b&#62; \\<b\\>",
    "\n\n# heading\n\n- list\n\n```\n</details>",
    "::error file=a::b\n##[error]c %0A::warning::d",
    "\x1b[31mred\x1b[0m \u202e \u200b\x00",
    "<!-- --> ${{ secrets.TOKEN }} $(id) {{ x }}",
)
RUNTIME = Runtime(
    **dict.fromkeys(("median", "low", "high", "mean", "min", "max", "q1", "q3"), 1e-3),
    stddev=0.0,
    samples=(1e-3,),
)


def ratio(value: float) -> Interval:
    return Interval(value=value, low=value - 0.01, high=value + 0.01)


def evaluated(name: str = "a", verdict: str = "PASS", **more) -> Evaluated:
    outcome = more.pop("outcome", None)
    line = more.pop("line", 3)
    fields = {"runtime": RUNTIME, "speedup": ratio(1.5)} if verdict == "PASS" else {}
    result = EvalResult(
        **{
            "verdict": Verdict(verdict),
            "kernel": f"kernels/{name}_kernel.py",
            "problem": "builtin/softmax",
            "device": "L40S",
            "executor": "modal",
            "built": verdict != "BUILD",
            "correct": verdict in ("PASS", "SLOW", "AMBIGUOUS"),
            **fields,
            **more,
        }
    )
    failed = result.verdict.is_failure
    nodeid = f"kernels/{name}_kernel.py::ModelNew[L40S]"
    return Evaluated(
        nodeid, outcome or ("failed" if failed else "passed"), result, line
    )


def slower(by: float = 0.95) -> Change:
    verdict = "SLOWER" if by < 1 else "FASTER"
    return Change(verdict=verdict, against="origin/main", speedup=ratio(by))


def run_of(*evaluations: Evaluated, **unevaluated: str) -> Run:
    return Run(
        evaluated=evaluations,
        unevaluated=unevaluated,
        settings={"seed": 7},
        machine={},
        commit={"id": "0123abc"},
        datetime="2026-01-02T03:04:05+00:00",
        version="0.1.0",
        seconds=14.2,
    )


def page(run: Run, limit: int = 60_000) -> str:
    return overview(run, limit=limit)


def shown(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


def tags(html: str) -> set[str]:
    return set(re.findall(r"<(/?\w+)", html))


def told(run: Run, root: Path = Path("/work/repo")) -> list[str]:
    return list(commands(findings(run), root=root, workspace=Path("/work/repo")))


class TestHeadline:
    def test_counts_what_failed_by_verdict_worst_first(self):
        run = run_of(
            evaluated(), evaluated("b", "SLOW"), evaluated("c", "WRONG"), d="x"
        )
        assert headline(run) == (
            "❌ 3 of 4 kernels failed: 1 WRONG, 1 SLOW, 1 not evaluated"
        )

    def test_of_success_is_short(self):
        assert headline(run_of(evaluated())) == "✅ 1 kernel passed"

    def test_tells_of_warnings(self):
        run = run_of(evaluated(), evaluated("b", change=slower()))
        assert headline(run) == "⚠️ 2 kernels passed, 1 with a warning"

    def test_does_not_call_it_success_that_nothing_was_evaluated(self):
        skipped = evaluated("a", "NO-DEVICE", outcome="skipped", reason="no GPU")
        assert headline(run_of(skipped)) == "⚠️ No kernel was evaluated"
        assert headline(run_of()) == "⚠️ No kernel was evaluated"

    def test_does_not_call_it_success_that_the_run_was_stopped(self):
        run = msgspec.structs.replace(run_of(evaluated()), interrupted=True)
        assert headline(run) == "⚠️ Stopped early: 1 evaluated, none failed"
        bad = msgspec.structs.replace(run_of(evaluated("a", "WRONG")), interrupted=True)
        assert headline(bad) == "❌ 1 of 1 kernel failed: 1 WRONG, stopped early"

    def test_of_unchanged_kernels_is_success(self):
        run = msgspec.structs.replace(run_of(), set_aside={"a": "unchanged"})
        assert headline(run) == "✅ Nothing to evaluate"


class TestOverview:
    def test_failures_are_in_the_open_and_the_rest_is_folded(self):
        text = page(run_of(evaluated(), evaluated("b", "WRONG", reason="off by one")))
        open_part = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
        assert "**WRONG**" in open_part
        assert "PASS" not in open_part
        assert "1.50x [1.49,1.51]" in text
        assert len(open_part.strip().splitlines()) <= 10

    def test_a_small_success_needs_no_click(self):
        text = page(run_of(evaluated()))
        assert text.index("1.50x") < text.index("<details>")

    def test_changes_have_a_column_and_a_word(self):
        text = page(run_of(evaluated(change=slower()), evaluated("b")))
        assert "against <code>origin&#47;main</code>" in text
        assert "SLOWER 0.95x [0.94,0.96]" in text
        assert "faster" not in text.lower()

    def test_says_whether_the_gate_ran(self):
        gate = ("gate: 1 of 2 kernels held to their limits", "not gated: new: b")
        text = page(msgspec.structs.replace(run_of(evaluated()), gate=gate))
        open_part, _, folded = text.partition("<details>")
        assert "gate&#58; 1 of 2 kernels held" in open_part
        assert "not gated&#58; new&#58; b" in folded

    def test_several_devices_have_a_column(self):
        text = page(run_of(evaluated(), evaluated("b", device="H100")))
        assert "| device |" in text
        assert "<code>H100</code>" in text

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_text_of_strangers_stays_text(self, hostile):
        fields = {
            "reason": hostile,
            "log": hostile,
            "notes": (hostile,),
            "problem_name": hostile,
            "environment": {hostile: hostile},
            "device_name": hostile,
            "change": msgspec.structs.replace(slower(), against=hostile),
        }
        run = run_of(evaluated(hostile, "WRONG", **fields), **{hostile: hostile})
        tame = dict.fromkeys(("reason", "log", "problem_name", "device_name"), "x")
        tame |= {"notes": ("x",), "environment": {"x": "x"}, "change": slower()}
        expected = run_of(evaluated("x", "WRONG", **tame), x="x")
        html = shown(page(run))
        assert tags(html) == tags(shown(page(expected)))
        assert html.count("<details>") == shown(page(expected)).count("<details>")
        assert not obeyed(page(run))

    def test_a_log_is_shown_as_it_was(self):
        log = "a ```` b\n</details> <b> & *c*"
        html = shown(page(run_of(evaluated("a", "BUILD", log=log))))
        assert "a ```` b\n&lt;/details&gt; &lt;b&gt; &amp; *c*" in html

    @pytest.mark.parametrize("limit", [4096, 60_000, SUMMARY_BYTES])
    def test_keeps_within_the_limit_and_says_what_is_missing(self, limit):
        log = "\n".join("ä`<" * 60 for _ in range(40))
        many = [evaluated(f"good_{n}") for n in range(3000)]
        many += [evaluated(f"bad_{n}", "CRASH", log=log) for n in range(300)]
        text = page(run_of(*many), limit)
        assert limit // 2 < len(text.encode()) <= limit
        (line,) = re.findall(r"^Left out for want of space: .*", text, re.MULTILINE)
        assert re.search(r"\d+ kernels", line)
        rows = re.findall(r"^\| (❌|✅)", text, re.MULTILINE)
        assert rows[0] == "❌"
        assert rows == sorted(rows, reverse=True)
        missing = sum(int(n) for n in re.findall(r"(\d+) kernels?", line))
        assert len(rows) + missing == 3300
        html = shown(text)
        assert html.count("<details>") == html.count("</details>")

    def test_says_nothing_of_space_where_there_is_enough(self):
        assert "Left out" not in page(run_of(evaluated()))


class TestAnnotations:
    def test_name_file_line_and_reason(self):
        run = run_of(evaluated("a", "WRONG", reason="off by one: 3, 4%", line=12))
        (command,) = obeyed("\n".join(told(run)))
        assert command.name == "error"
        assert command.properties["file"] == "kernels/a_kernel.py"
        assert command.properties["line"] == "12"
        assert command.properties["title"] == "WRONG: builtin/softmax on L40S"
        assert command.data == "off by one: 3, 4%"

    def test_have_the_level_of_what_they_tell(self):
        run = run_of(
            evaluated("a"),
            evaluated("b", "AMBIGUOUS", reason="at least 1x required"),
            evaluated("c", change=slower()),
            evaluated("d", change=slower(1.2)),
            evaluated("e", "SLOW", outcome="passed", reason="a gate that only warns"),
            evaluated("f", "NO-DEVICE", outcome="skipped", reason="no GPU"),
            evaluated("g", "WRONG", outcome="skipped", reason="expected to fail"),
            g="gone",
        )
        seen = [
            (one.name, one.properties["title"].partition(":")[0])
            for one in obeyed("\n".join(told(run)))
        ]
        assert seen == [
            ("error", "not evaluated"),
            ("warning", "SLOW"),
            ("warning", "AMBIGUOUS"),
            ("warning", "SLOWER"),
            ("notice", "FASTER"),
            ("notice", "skipped"),
        ]

    def test_of_one_test_blame_only_the_kernel_at_fault(self):
        good = evaluated("a", outcome="failed")
        bad = Evaluated(good.nodeid, "failed", evaluated("b", "WRONG").result, 3)
        assert [
            one.properties["title"]
            for one in obeyed("\n".join(told(run_of(good, bad))))
        ] == ["WRONG: builtin/softmax on L40S"]
        (command,) = obeyed("\n".join(told(run_of(good))))
        assert command.name == "error"

    def test_are_at_most_ten_of_a_kind_the_worst_first(self):
        run = run_of(
            *(evaluated(f"s{n}", "SLOW", reason="slow") for n in range(11)),
            *(evaluated(f"w{n}", "WRONG", reason="wrong") for n in range(8)),
            *(evaluated(f"c{n}", change=slower()) for n in range(10)),
        )
        seen = obeyed("\n".join(told(run)))
        errors = [one.data for one in seen if one.name == "error"]
        assert errors == [
            *["wrong"] * 8,
            "slow",
            "10 more: see the summary of this job",
        ]
        assert [one.name for one in seen].count("warning") == MOST_OF_A_KIND

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_are_one_command_whatever_a_kernel_says(self, hostile):
        run = run_of(
            evaluated(
                "a" + hostile.replace("/", ""),
                "WRONG",
                reason=hostile,
                device_name=hostile,
                problem=hostile,
            ),
            **{hostile: hostile},
        )
        lines = told(run)
        assert [one.name for one in obeyed("\n".join(lines))] == ["error", "error"]
        assert all(line.startswith("::error ") and "\n" not in line for line in lines)

    def test_name_a_file_as_its_own_repository_does(self, tmp_path):
        (tmp_path / "head" / ".git").mkdir(parents=True)
        run = run_of(evaluated("a", "WRONG", reason="x"))
        (command,) = obeyed("\n".join(told(run, tmp_path / "head")))
        assert command.properties["file"] == "kernels/a_kernel.py"

    def test_name_a_file_outside_of_any_repository_in_full(self, tmp_path):
        run = run_of(evaluated("a", "WRONG", reason="x"))
        lines = commands(findings(run), root=tmp_path, workspace=tmp_path / "other")
        (command,) = obeyed("\n".join(lines))
        assert command.properties["file"] == f"{tmp_path}/kernels/a_kernel.py"


class TestOutputs:
    def test_are_counts_and_scores(self, tmp_path):
        run = run_of(
            evaluated(change=slower()),
            evaluated("b", "WRONG"),
            evaluated("c", "NO-DEVICE", outcome="skipped"),
            d="gone",
        )
        actions = github.Actions.of({"GITHUB_OUTPUT": str(tmp_path / "out")})
        assert github.write(run, actions, {"json": Path("a\nb.json")}) == []
        assert assigned(tmp_path / "out") == {
            "conclusion": "failure",
            "kernels": "2",
            "built": "3",
            "correct": "1",
            "failed": "1",
            "not-evaluated": "1",
            "skipped": "1",
            "ambiguous": "0",
            "faster": "0",
            "slower": "1",
            "geomean": "1.5",
            "json": "a\nb.json",
        }

    def test_a_score_that_is_not_known_is_empty(self):
        words = github.outputs(run_of(evaluated("b", "AMBIGUOUS")))
        assert (words["conclusion"], words["geomean"]) == ("success", "")


class TestSummary:
    def write(self, path: Path, run: Run) -> list[str]:
        actions = github.Actions.of({"GITHUB_STEP_SUMMARY": str(path)})
        return github.write(run, actions, {})

    def test_is_added_to_what_is_there(self, tmp_path):
        path = tmp_path / "summary.md"
        path.write_text("before\n")
        self.write(path, run_of(evaluated()))
        assert path.read_text().startswith("before\n\n### ✅")

    def test_shares_the_limit_of_its_step(self, tmp_path):
        path = tmp_path / "summary.md"
        path.write_text("x" * (SUMMARY_BYTES - 5000))
        many = [evaluated(f"good_{n}") for n in range(100)]
        assert self.write(path, run_of(*many)) == []
        assert SUMMARY_BYTES - 2000 < path.stat().st_size <= SUMMARY_BYTES

    def test_is_left_as_it_is_when_full(self, tmp_path):
        path = tmp_path / "summary.md"
        path.write_text("x" * (SUMMARY_BYTES - 100))
        assert self.write(path, run_of(evaluated())) == [
            "the job's summary is full: nothing added"
        ]
        assert path.stat().st_size == SUMMARY_BYTES - 100


class TestComment:
    def body(self, tmp_path: Path, key: str = "", **environment: str) -> str:
        actions = github.Actions.of(environment)
        github.write_comment(tmp_path / "c.md", run_of(evaluated()), actions, key)
        return (tmp_path / "c.md").read_text(encoding="utf-8")

    def test_begins_with_a_hidden_marker_of_workflow_and_job(self, tmp_path):
        body = self.body(tmp_path, GITHUB_WORKFLOW="Kernels --> (x)", GITHUB_JOB="h100")
        assert body.splitlines()[0] == "<!-- pytest-kernelbench Kernels - -x-/h100 -->"
        assert "pytest-kernelbench" not in tags(shown(body))

    def test_takes_a_key_for_what_has_the_same_job(self, tmp_path):
        assert self.body(tmp_path, "L40S").startswith(github.marker("L40S"))

    def test_links_to_its_run(self, tmp_path):
        body = self.body(tmp_path, GITHUB_REPOSITORY="o/r", GITHUB_RUN_ID="7")
        assert "[This run](https://github.com/o/r/actions/runs/7)" in body

    def test_is_short_enough_for_github(self, tmp_path):
        log = "x" * 8000
        many = [evaluated(f"b{n}", "CRASH", log=log) for n in range(2000)]
        actions = github.Actions.of({})
        github.write_comment(tmp_path / "c.md", run_of(*many), actions)
        assert len((tmp_path / "c.md").read_text(encoding="utf-8")) < 65_536


def test_what_is_literal_reads_as_it_was():
    text = "a|b <c> `d` *e* [f](g) @h \\|"
    html = shown(markdown.row(["x", markdown.literal(text)]) + "\n")
    import html as entities

    (inner,) = re.findall(r"<code>(.*?)</code>", html)
    assert entities.unescape(inner) == text
