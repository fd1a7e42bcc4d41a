"""``pytest-kernelbench audit``: a row for each problem of a source."""

from __future__ import annotations

import json

import pytest

from pytest_kernelbench.cli import main


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


PROBLEM = """\
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        {}
def get_inputs():
    return {}
"""


@pytest.fixture
def problems(tmp_path):
    folder = tmp_path / "level1"
    folder.mkdir()
    for name, forward, inputs in (
        ("1_good", "return x.cos()", "[torch.randn(8, 8)]"),
        ("2_broken", "return undefined", "[torch.randn(8, 8)]"),
        ("3_shy", "return x.relu()", "[torch.rand(8, 8)]"),
        ("4_idle", "return x * 0", "[torch.randn(8, 8)]"),
    ):
        (folder / f"{name}.py").write_text(PROBLEM.format(forward, inputs))
    return tmp_path


def audit(*words):
    return main(["audit", "--kb-device=cpu", *map(str, words)])


def test_a_table_has_a_row_for_each_problem_also_after_a_broken_one(problems, capsys):
    assert audit(f"--kb-problems={problems}") == 0
    head, *rows, closing = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["problem", "verdict"]
    assert [row.split()[2] for row in rows] == [
        "ok",
        "broken",
        "tightened",
        "unscorable",
    ]
    assert "NameError" in rows[1]
    assert "an input" in rows[2]
    assert "random signs" in rows[2]
    assert "zeros" in rows[3]
    assert closing == "4 problems: 1 broken, 1 ok, 1 tightened, 1 unscorable"


def test_as_json_each_problem_is_a_line(problems, capsys):
    assert audit(f"--kb-problems={problems}", "--only=*/[34]*", "--json") == 0
    shy, idle = map(json.loads, capsys.readouterr().out.splitlines())
    assert (shy["problem"], shy["redraw"]) == ("level1/3", "random signs")
    assert (idle["verdict"], idle["tolerance"]) == ("unscorable", "")


@pytest.mark.parametrize(("only", "code"), [("*/3", 0), ("*/4", 1), ("*/2", 1)])
def test_what_is_good_for_nothing_fails_on_demand(problems, only, code):
    source = f"--kb-problems={problems}"
    assert audit(source, f"--only={only}", "--fail-unscorable") == code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only=nix"], "--only=nix: no problem has such an id"),
        (["--kb-problems=nix"], "--kb-problems=nix: no such folder"),
        (["--kb-tolerance=nix"], "--kb-tolerance: expected"),
    ],
)
def test_a_mistake_is_one_line(words, message, capsys):
    assert audit(*words) == 2
    assert capsys.readouterr().err.startswith(f"pytest-kernelbench: {message}")
