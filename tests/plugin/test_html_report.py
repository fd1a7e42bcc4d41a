"""--kb-html and ``pytest-kernelbench report``, from the run to the browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import msgspec
import pytest
import vl_convert  # noqa: F401  loads once a process, and pytester forgets what it loads
from pages import Page, evaluated, run

from pytest_kernelbench.cli import main
from pytest_kernelbench.runs import document

both_modes = pytest.mark.both_modes
HOSTILE = "</script><img src=x onerror=document.title='taken'>"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)


def saved(**fields) -> str:
    return msgspec.json.encode(document(run(evaluated("k", **fields)))).decode()


def edited(old: str, new: str) -> str:
    """A saved run that was changed by hand."""
    made = saved(verdict="CRASH")
    assert old in made
    return made.replace(old, new)


def with_runtime(seconds: str) -> str:
    runtime = r'("runtime":\{"median":)[^,]+'
    changed, count = re.subn(runtime, rf"\g<1>{seconds}", saved(speedup=2.0))
    assert count
    return changed


def page_of(path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@both_modes
def test_a_run_writes_its_page(kernels):
    kernels.add("a", "speedup=1.28 runtime=41.2e-6")
    kernels.add("b", "verdict=WRONG reason='off by one' log='the last words'")
    kernels.add("c", "error='gone'")
    kernels.run("--kb-html=deep/out.html", "--kb-seed=5", "--kb-trials=3")
    page = page_of(kernels.pytester.path / "deep" / "out.html")
    assert any(row.startswith("a ✓ PASS 1.28x") for row in page.texts("tr"))
    assert any(row.startswith("b ✕ WRONG") for row in page.texts("tr"))
    failed, _ = page.texts("details", class_="kernel")
    assert "pytest b_kernel.py::ModelNew --kb-executor=fake --kb-trials=3" in failed
    assert "the last words" in failed
    assert any("gone" in text for text in page.texts("dd"))


def test_a_saved_run_makes_the_same_page(kernels, capsys):
    kernels.add("a", "speedup=1.28")
    kernels.add("b", "verdict=WRONG")
    kernels.run("--kb-html=now.html", "--kb-json=run.json")
    here = kernels.pytester.path
    assert main(["report", f"{here}/run.json", "-o", f"{here}/later.html"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"{here}/later.html")
    assert (here / "later.html").read_text() == (here / "now.html").read_text()


def test_several_saved_runs_make_a_history(kernels):
    for number, speedup in enumerate((1.2, 1.4)):
        kernels.add("a", f"speedup={speedup}")
        kernels.run(f"--kb-json=run{number}.json")
    here = kernels.pytester.path
    runs = [f"{here}/run{number}.json" for number in (1, 0)]
    assert main(["report", *runs, "-o", f"{here}/out.html"]) == 0
    assert "a 1.20x 1.40x" in page_of(here / "out.html").texts("tr")


def test_kept_runs_are_found_by_name_and_without_one_all_are_taken(kernels, capsys):
    for number, speedup in enumerate((1.2, 1.4), 1):
        kernels.add("a", f"speedup={speedup}")
        kernels.run(f"--kb-save=try{number}")
    here = kernels.pytester.path
    where = ["--storage", f"{here}/.kernelbench", "-o", f"{here}/out.html"]
    assert main(["report", *where]) == 0
    assert "a 1.20x 1.40x" in page_of(here / "out.html").texts("tr")
    assert main(["report", "try1", *where]) == 0
    assert "History" not in page_of(here / "out.html").texts("h3")
    assert main(["report", "try3", *where]) == 2
    assert "no saved run 'try3'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "not a saved run"),
        ("<html>", "not a saved run"),
        (edited("outcome", "outcam"), "not a saved run: .* `outcome`"),
        (edited('"CRASH"', '"CRAZY"'), "not a saved run: Invalid enum value 'CRAZY'"),
        (with_runtime("1e308"), r"not a saved run: Expected `float` <= 1e\+100"),
        (with_runtime("-1.0"), "not a saved run: Expected `float` >= 0"),
        (edited('"benchmarks":[', '"benchmarks":[{"stats":{"data":[]}}'), "0 timed"),
    ],
)
def test_what_is_no_saved_run_is_one_line(tmp_path, capsys, content, said):
    path = tmp_path / "run.json"
    path.write_text(content)
    assert main(["report", str(path), "-o", str(tmp_path / "out.html")]) == 2
    assert re.fullmatch(
        rf"pytest-kernelbench: .*run\.json: .*{said}.*\n", capsys.readouterr().err
    )
    assert not (tmp_path / "out.html").exists()


def test_where_no_run_was_kept_it_says_how_to_keep_one(tmp_path, capsys):
    where = ["--storage", str(tmp_path), "-o", str(tmp_path / "out.html")]
    for names in ([], ["monday.json"]):
        assert main(["report", *names, *where]) == 2
        assert "no saved run in" in capsys.readouterr().err
    assert not (tmp_path / "out.html").exists()


def test_a_page_that_cannot_be_written_is_one_line(kernels, capsys):
    kernels.add("a")
    kernels.run("--kb-json=run.json")
    here = kernels.pytester.path
    assert main(["report", f"{here}/run.json", "-o", f"{here}/run.json/x.html"]) == 2
    assert "x.html: not written: " in capsys.readouterr().err


def test_where_it_cannot_be_written_nothing_is_evaluated(kernels):
    kernels.add("a")
    (kernels.pytester.path / "out.html").mkdir()
    result = kernels.run("--kb-html=out.html")
    result.stderr.fnmatch_lines(["ERROR: --kb-html: cannot write *: is a directory"])
    result = kernels.run("--kb-html=one", "--kb-json=one")
    result.stderr.fnmatch_lines(["ERROR: --kb-json: cannot write *: so does --kb-html"])
    assert not kernels.events()


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_runs_the_pages_script_and_no_other(kernels, tmp_path):
    kernels.add("a", f'verdict=CRASH reason="{HOSTILE}"')
    kernels.add("b", "speedup=1.2")
    kernels.run("--kb-html=out.html")
    shown = Page(dumped(kernels.pytester.path / "out.html", tmp_path / "profile"))
    (title,) = shown.texts("title")
    assert title != "taken"
    (table,) = shown.texts("table", class_="sortable")
    buttons = shown.texts("button")
    assert [text for text in buttons if text in table] == buttons
    assert "kernel" in buttons


def dumped(page, profile) -> str:
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--disable-gpu", "--disable-quic"),
            *(["--no-sandbox"] if os.getuid() == 0 else []),
            *("--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
