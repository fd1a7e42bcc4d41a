"""The page: what is on it, that it is whole by itself, and that text stays text."""

from __future__ import annotations

import base64
import hashlib
import re
import sys

import msgspec
import pytest
from pages import Page, evaluated, run

from pytest_kernelbench.model import Change, Interval, Resources, Trial
from pytest_kernelbench.reports import html
from pytest_kernelbench.reports.charts import layers
from pytest_kernelbench.reports.charts.layers import MOST
from pytest_kernelbench.reports.wording import ABSENT
from pytest_kernelbench.runs import read_run, write_run
from pytest_kernelbench.statistics import summarize

HOSTILE = (
    "</script></style></title>\x1b[31m<img src=x onerror=\"document.title='taken'\">"
)
FAILED = evaluated(
    "relu",
    verdict="WRONG",
    reason="97 of 4096 elements differ",
    log="warning: one\nwarning: two",
    trials=(
        Trial(passed=True, max_abs_error=1e-7, allowed_error=2e-5),
        Trial(
            passed=False,
            max_abs_error=3.2,
            allowed_error=2e-5,
            mismatched=97,
            elements=4096,
        ),
    ),
)
FULL = evaluated(
    "softmax",
    speedup=1.28,
    build_seconds=4.2,
    bytes_moved=10**8,
    peak_bandwidth=4e12,
    stages={"build": 4.2, "timing": 2.0},
    limits=("the clock is too coarse",),
    notes=("built with slim headers",),
    change=Change(
        verdict="FASTER",
        against="origin/main",
        speedup=Interval(value=1.11, low=1.1, high=1.12),
    ),
    resources=(
        Resources(
            function="softmax<float>", registers=43, spilled_bytes=0, shared_bytes=1024
        ),
    ),
    environment={"torch": "2.11"},
    telemetry={"sm_clock_mhz": 1980.0, "power_w": 412.5},
)


@pytest.fixture
def no_renderer(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)


def made(*runs) -> Page:
    return Page(html.page(runs))


class TestWhatIsOnThePage:
    def test_a_row_for_each_kernel_and_the_scores(self):
        page = made(run(FULL, FAILED))
        first, second = [row for row in page.texts("tr") if "level1/23" in row]
        assert first.startswith("softmax.py ✓ PASS 1.28x [1.25, 1.31] 103 us")
        assert first.endswith(f"FASTER 1.11x level1/23 4.20 s {ABSENT}")
        assert second.startswith(f"relu.py ✕ WRONG {ABSENT} {ABSENT}")
        assert page.texts("dd")[:4] == ["2", "2/2", "1/2", "1.28x"]
        assert "1 of 2 evaluations failed." in page.texts("p", class_="lead bad")[0]
        assert page.texts("h2")[0] == "H200 (local), baseline eager"

    def test_what_was_skipped_is_not_said_to_have_been_evaluated(self):
        replace = msgspec.structs.replace
        first = run(FULL)
        skipped = replace(first.evaluated[0], nodeid="other", outcome="skipped")
        page = made(replace(first, evaluated=(*first.evaluated, skipped)))
        assert "None of 1 evaluation failed." in page.texts("p", class_="lead good")[0]
        page = made(replace(first, evaluated=(skipped,)))
        assert "Nothing was evaluated." in page.texts("p", class_="lead good")[0]

    def test_a_failure_tells_all_that_is_known_and_how_to_replay_it(self):
        page = made(run(FULL, FAILED))
        (told,) = [one for one in page.all("details") if "relu" in one.text]
        assert "open" in told.attributes
        for text in (
            "97 of 4096 elements differ",
            "1 of 2 trials passed",
            "trial 2: failed max error 3.2, allowed 2e-05, 97 of 4096 elements",
            "pytest kernels/relu.py::ModelNew --kb-min-speedup=1 --kb-seed=7",
            "warning: one warning: two",
        ):
            assert text in told.text

    def test_of_a_kernel_that_passed_everything_is_there_to_be_opened(self):
        page = made(run(FULL, FAILED))
        (told,) = [one for one in page.all("details") if "slim headers" in one.text]
        assert "open" not in told.attributes
        for text in (
            f"softmax<float> 43 0 1024 {ABSENT}",
            "Limit: the clock is too coarse",
            "Note: built with slim headers",
            "Stages: build 4.20 s, timing 2.00 s",
            "The GPU meanwhile: sm_clock_mhz 1980, power_w 412.5",
            "FASTER 1.11x [1.10,1.12] against origin/main",
        ):
            assert text in told.text

    def test_what_could_not_be_carried_out_is_told(self):
        page = made(run(FULL, unevaluated={"k.py::ModelNew": "preempted"}))
        assert "1 could not be carried out." in page.texts("p", class_="lead bad")[0]
        assert "preempted" in page.texts("dd")

    def test_that_no_runtime_counts_is_told_with_the_reason(self):
        page = made(run(evaluated("zeros", unscorable="the problem accepts zeros")))
        (row,) = [row for row in page.texts("tr") if row.startswith("zeros")]
        assert "unscorable" in row
        (told,) = page.texts("details", class_="kernel")
        assert "Unscorable: the problem accepts zeros" in told

    def test_a_run_of_nothing_is_a_page_too(self):
        assert made(run()).texts("p", class_="lead good") == ["Nothing was evaluated."]

    def test_each_device_has_a_section(self):
        other = evaluated("softmax", speedup=1.1, device_name="L40S")
        page = made(run(FULL, other))
        titles = ["H200 (local), baseline eager", "L40S (local), baseline eager"]
        assert page.texts("h2")[:2] == titles
        assert [link[: len(t)] for link, t in zip(nav(page), titles, strict=True)] == (
            titles
        )

    def test_it_is_the_same_from_a_file(self, tmp_path):
        now = run(FULL, FAILED)
        write_run(tmp_path / "run.json", now)
        assert html.page([read_run(tmp_path / "run.json")]) == html.page([now])


def nav(page: Page) -> list[str]:
    items = page.texts("li")
    return [item for item in items if "baseline" in item]


class TestAPageIsWholeByItself:
    def test_it_names_nothing_remote(self):
        text = html.page([run(FULL, FAILED), run(FULL, day=2)])
        assert "://" not in text
        assert not re.search(r"url\(|@import|\ssrc=|srcset", text)
        links = [link.attributes["href"] for link in Page(text).all("a")]
        assert links
        assert all(link.startswith("#") for link in links)

    def test_its_policy_lets_nothing_in_but_its_own_style_and_script(self):
        page = made(run(FULL))
        (meta,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
        text = html.page([run(FULL)])
        style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
        script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
        assert meta.attributes["content"] == (
            f"default-src 'none'; style-src {hashed(style)}; "
            f"script-src {hashed(script)}; base-uri 'none'; form-action 'none'"
        )
        # Under this policy a style attribute would be dropped without a word.
        assert not [one for one in page.elements if "style" in one.attributes]

    def test_what_is_pointed_at_is_there_once(self):
        other = evaluated("softmax", speedup=1.1, device_name="L40S")
        page = made(run(FULL, FAILED, other), run(FULL, other, day=2))
        assert len(page.ids()) == len(set(page.ids()))
        for element in page.elements:
            named = element.attributes.get("href", "").removeprefix("#").split()
            for attribute in ("aria-labelledby", "aria-describedby"):
                named += (element.attributes.get(attribute) or "").split()
            assert set(named) <= set(page.ids())

    def test_every_heading_cell_says_what_it_heads(self):
        cells = made(run(FULL, FAILED), run(FULL, day=2)).all("th")
        assert {cell.attributes["scope"] for cell in cells} == {"col", "row"}


def hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


class TestTextOfStrangers:
    @pytest.fixture
    def page(self):
        return Page(self.text())

    def text(self) -> str:
        return html.page([self.hostile_run(1), self.hostile_run(2)])

    def hostile_run(self, number: int):
        return run(
            self.hostile(number),
            unevaluated={HOSTILE: HOSTILE},
            settings={HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}], "replay": [HOSTILE]},
            machine={HOSTILE: {HOSTILE: HOSTILE}},
            commit=dict.fromkeys(("id", "project", "branch", "dirty"), HOSTILE),
            datetime=f"{HOSTILE}{number}",
        )

    def hostile(self, torch: int):
        return evaluated(
            HOSTILE,
            speedup=1.5,
            outcome="failed",
            reason=HOSTILE,
            log=HOSTILE,
            problem=HOSTILE,
            problem_name=HOSTILE,
            device_name=HOSTILE,
            backend=HOSTILE,
            executor=HOSTILE,
            unscorable=HOSTILE,
            telemetry={HOSTILE: 1.0},
            change=Change(
                verdict="SLOWER",
                against=HOSTILE,
                speedup=Interval(value=0.9, low=0.8, high=1.0),
            ),
            notes=(HOSTILE,),
            limits=(HOSTILE,),
            stages={HOSTILE: 1.0},
            environment={"torch": f"{HOSTILE}{torch}"},
            build_seconds=1.0,
            trials=(Trial(passed=False, message=HOSTILE),),
            resources=(
                Resources(
                    function=HOSTILE, registers=1, spilled_bytes=0, shared_bytes=0
                ),
            ),
        )

    def test_is_no_markup(self, page):
        assert not page.all("img")
        assert len(page.all("script")) == len(page.all("style")) == 1
        handlers = [
            name
            for element in page.elements
            for name in element.attributes
            if name.startswith("on")
        ]
        assert not handlers

    def test_is_shown_as_it_is(self, page):
        seen = HOSTILE.replace("\x1b[31m", "")
        assert any(seen in text for text in page.texts("pre"))
        name = seen.rpartition("/")[2]
        assert any(name in text for text in page.texts("figcaption"))
        assert page.texts("h4")[0] == "Speedup over PyTorch"

    def test_has_no_escape_sequences(self):
        assert "\x1b" not in self.text()


class TestCharts:
    def test_are_pictures_with_a_name_and_a_description(self):
        page = made(run(FULL, FAILED))
        pictures = page.all("svg")
        assert page.texts("h4") == [
            "Speedup over PyTorch",
            "Runtime of each call",
            "Memory roofline",
            "Build time",
        ]
        assert len(pictures) == 4
        captions = page.texts("figcaption")
        assert captions[0].startswith("1 faster than PyTorch, 0 slower, 0 with 1")
        assert "4,000 GB/s" in captions[2]
        for picture in pictures:
            assert picture.attributes["role"] == "img"
        inside = {e.tag for e in page.elements if "role" in e.attributes}
        assert inside <= {"svg", "div", "pre"}

    def test_follow_the_colours_of_the_page(self):
        text = html.page([run(FULL)])
        picture = text.partition("<svg")[2].partition("</svg>")[0]
        assert set(re.findall(r'fill="([^"]*)"', picture)) <= {
            *("none", "transparent"),
            *("var(--faster)", "var(--ink)", "var(--muted)", "var(--surface)"),
        }

    def test_are_left_out_where_there_is_nothing_to_draw(self):
        assert not made(run(FAILED)).all("svg")

    def test_are_left_out_without_the_renderer_and_the_page_says_how_to_get_them(
        self, no_renderer
    ):
        page = made(run(FULL, FAILED), run(FULL, day=2))
        assert not page.all("svg")
        (note,) = page.texts("p", class_="note")
        assert "pip install 'pytest-kernelbench[report]'" in note
        assert any(row.startswith("softmax.py") for row in page.texts("tr"))

    def test_say_nothing_of_how_to_get_them_where_they_are(self):
        assert not made(run(FULL)).texts("p", class_="note")

    def test_of_many_kernels_show_the_ends_and_say_so(self):
        many = [evaluated(f"k{n:03}", speedup=1 + n / 50) for n in range(MOST + 10)]
        (caption, *_) = made(run(*many)).texts("figcaption")
        assert f"{MOST} of {MOST + 10} kernels are shown" in caption

    def test_nothing_measured_as_zero_spoils_the_page(self):
        odd = evaluated(
            "odd",
            speedup=0.0,
            runtime=summarize([0.0, 0.0]),
            bytes_moved=0,
            peak_bandwidth=0.0,
            build_seconds=0.0,
        )
        page = made(run(odd), run(odd, day=2))
        assert not page.all("svg")
        assert "odd.py 0.00x 0.00x" in page.texts("tr")

    @pytest.mark.parametrize("low", [0.001, 0.3, 0.9, 0.99])
    @pytest.mark.parametrize("high", [1.001, 1.3, 5.0, 3000.0])
    def test_an_axis_of_ratios_has_a_few_round_marks_and_room(self, low, high):
        axis = layers.ratios([low, high])
        left, right = axis["scale"]["domain"]
        assert left < low
        assert high < right
        marks = axis["axis"]["values"]
        assert 2 <= len(marks) <= 9
        assert all(left <= mark <= right for mark in marks)


class TestSeveralRuns:
    def test_the_newest_is_on_top_and_all_are_the_history(self):
        old = run(evaluated("softmax", speedup=1.2, environment={"torch": "2.11"}))
        new = run(
            evaluated("softmax", speedup=1.4, environment={"torch": "2.13"}), day=2
        )
        page = made(new, old)
        assert page.texts("dd")[3] == "1.40x"
        rows = page.texts("tr")
        assert "2 2026-01-02 10:00 222222222 1/1 1.40x torch 2.11 → 2.13" in rows
        assert f"1 2026-01-01 10:00 111111111 1/1 1.20x {ABSENT}" in rows
        assert "softmax.py 1.20x 1.40x" in rows
        assert "1.20x in run 1, 1.40x in run 2" in page.texts("figcaption")

    def test_a_run_in_which_a_kernel_failed_is_a_gap(self):
        runs = [
            run(evaluated("softmax", speedup=1.2)),
            run(evaluated("softmax", verdict="WRONG"), day=2),
            run(evaluated("softmax", speedup=1.3), day=3),
        ]
        assert "softmax.py 1.20x WRONG 1.30x" in made(*runs).texts("tr")

    def test_a_kernel_that_is_gone_has_no_history(self):
        old = run(evaluated("old", speedup=1.2), evaluated("kept", speedup=1.2))
        page = made(old, run(evaluated("kept", speedup=1.3), day=2))
        assert not any(text.startswith("old.py") for text in page.texts("h4"))

    def test_one_run_in_two_files_is_one(self):
        both = run(FULL, evaluated("softmax", speedup=2.0, device_name="L40S"))
        half = run(evaluated("softmax", speedup=2.0, device_name="L40S"))
        page = made(both, half)
        assert len(nav(page)) == 2
        assert "History" not in page.texts("h3")

    def test_each_device_shows_the_newest_run_that_it_has(self):
        old = run(evaluated("softmax", speedup=2.0, device_name="L40S"))
        page = made(old, run(FULL, day=2))
        assert page.texts("h2")[:2] == [
            "H200 (local), baseline eager",
            "L40S (local), baseline eager",
        ]
        assert [text for text in page.texts("p", class_="hint") if "Eval" in text] == [
            "Evaluated 2026-01-01 10:00 UTC, commit 111111111"
        ]


def test_kernels_with_one_name_are_told_apart():
    twice = [evaluated("softmax", speedup=s, problem="level1/24") for s in (1.1, 1.2)]
    page = made(run(FULL, *twice))
    names = [row.split(" ✓")[0] for row in page.texts("tr") if "✓" in row]
    assert names == [
        "softmax.py (level1/23)",
        "softmax.py (level1/24) #1",
        "softmax.py (level1/24) #2",
    ]
