"""The reference pages say what the code has: no more, no less, and no other."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

import pytest

from pytest_kernelbench.cli import GROUPS
from pytest_kernelbench.directives import Directive
from pytest_kernelbench.model import EvalResult, Trial, Verdict
from pytest_kernelbench.options import OPTIONS, Option

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
README = REFERENCE.parents[1] / "README.md"
HEAD = "| option | ini | default | meaning |\n|---|---|---|---|\n"


def options_table() -> str:
    return HEAD + "".join(map(row, OPTIONS))


def row(option: Option) -> str:
    value = f"={option.metavar}" if option.metavar else ""
    value = value if option.bare is None else f"[{value}]"
    words = f"{option.flag}{value}".replace("|", r"\|")
    return f"| `{words}` | `{option.key}` | {default(option)} | {option.help} |\n"


def default(option: Option) -> str:
    match option.default:
        case None | ():
            return ""
        case bool(on):
            return "on" if on else "off"
        case float(number):
            return f"`{number:g}`"
    return f"`{option.default}`"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    """The words in backquotes in the first column of all tables."""
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def test_the_options_table_is_what_is_registered():
    written = page("options.md").partition("<!-- options -->\n")[2]
    written = written.partition("<!-- end -->")[0].strip()
    expected = options_table().strip()
    if written != expected:
        pytest.fail(f"docs/reference/options.md should have:\n{expected}", False)


@pytest.mark.parametrize(
    "key", ["kb_files", "kb_problem_map", "kb_modal_prices", "kb_directives"]
)
def test_ini_only_keys_are_told(key, pytestconfig):
    pytestconfig.getini(key)  # raises for one that is not registered
    assert f"| `{key}` |" in page("options.md")


def test_every_verdict_is_explained_once_in_order():
    told = first_cells(page("verdicts.md").partition("## Assurance")[0])
    assert told == [verdict.value for verdict in Verdict]


def test_every_key_of_a_directive_is_explained_once_in_order():
    fields = [field.name for field in dataclasses.fields(Directive)]
    keys = [name.replace("_", "-") for name in fields if name != "line"]
    assert first_cells(page("directive.md")) == keys


def test_every_key_of_an_evaluation_is_explained():
    evaluation = page("json.md").partition("## An evaluation")[2]
    evaluation = evaluation.partition("## The journal")[0]
    keys = first_cells(evaluation)
    assert sorted(keys) == sorted(
        ["nodeid", "line", "outcome", *EvalResult.__struct_fields__]
    )
    assert f"`{' '.join(Trial.__struct_fields__)}`" in evaluation


def test_every_command_is_told_of():
    commands = argparse.ArgumentParser().add_subparsers()
    for group in GROUPS:
        group.add_commands(commands)
    assert sorted(first_cells(page("commands.md"))) == sorted(commands.choices)


def test_every_hook_has_a_docstring_with_an_example():
    from pytest_kernelbench import hookspecs

    hooks = [name for name in vars(hookspecs) if name.startswith("pytest_")]
    assert hooks
    for name in hooks:
        text = getattr(hookspecs, name).__doc__
        assert f"def {name}(" in text, name


def pages() -> list[Path]:
    root = README.parent
    found = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    return [path for path in found if "_build" not in path.parts]


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_no_page_names_an_option_that_does_not_exist(path):
    known = {option.flag for option in OPTIONS}
    named = set(re.findall(r"--kb-[a-z][a-z-]*[a-z]", path.read_text(encoding="utf-8")))
    assert named <= known


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s:]+)(?:#[\w-]+)?\)", text)
    missing = [name for name in targets if not (path.parent / name).exists()]
    assert not missing
