"""The table of options, what values are taken, and how a directive tightens."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pytest_kernelbench import values
from pytest_kernelbench.directives import Directive
from pytest_kernelbench.errors import SettingError
from pytest_kernelbench.model import Options
from pytest_kernelbench.options import OPTIONS
from pytest_kernelbench.settings import Settings
from pytest_kernelbench.terms import (
    replaced,
    replay_command,
    replayed_words,
    run_terms,
    tightened,
)


def settings(**fields):
    defaults = {option.field: option.default for option in OPTIONS}
    rest = {
        "files": (),
        "problem_map": (),
        "modal_prices": {},
        "directives": True,
        "rootdir": Path(),
        "command_line": {},
        "origins": {},
        "device": "cpu",
        "executor": "fake",
        "seed": 3,
    }
    return Settings(**(defaults | rest | fields))


def terms(directive, **fields):
    chosen = settings(**fields)
    return tightened(run_terms(chosen), directive, "k.py:1", settings=chosen)


def test_each_option_is_a_setting_and_each_setting_an_option():
    fields = {field.name for field in dataclasses.fields(Settings)}
    others = {
        "files",
        "problem_map",
        "modal_prices",
        "directives",
        "rootdir",
        "command_line",
        "origins",
    }
    assert fields - others == {option.field for option in OPTIONS}


def test_defaults_agree_with_the_options_of_an_evaluation():
    assert run_terms(settings(seed=0)).options == Options()


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.fraction, "0.5%", 0.005),
        (values.fraction, "0.005", 0.005),
        (values.gpus, "l40s, H100,L40S", ("L40S", "H100")),
        (values.gpus, "a100-80gb", ("A100-80GB",)),
        (values.device, "cuda:3", "cuda:3"),
        (values.tolerance, "1e-3,1e-2", "1e-3,1e-2"),
        (values.switch, "Off", False),
        (values.mapping, "kernels/*.py = level1/23", ("kernels/*.py", "level1/23")),
        (values.seed, "9223372036854775807", 2**63 - 1),
    ],
)
def test_values_that_are_taken(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (values.positive, "0"),
        (values.positive, "inf"),
        (values.fraction, "150%"),
        (values.fraction, "%"),
        (values.count, "1.5"),
        (values.seed, "9223372036854775808"),
        (values.gpus, "H100,"),
        (values.device, "cuda:"),
        (values.tolerance, "1,2,3"),
        (values.tolerance, "-1"),
        (values.mapping, "a ="),
        (values.text, " "),
    ],
)
def test_values_that_are_refused_say_what_was_expected(parse, text):
    with pytest.raises(ValueError, match=r"^expected "):
        parse(text)


@pytest.mark.parametrize(
    ("held", "asked", "taken"),
    [
        ("kernelbench", "default", True),
        ("kernelbench", "1e-5", True),
        ("kernelbench", "1e-3", False),
        ("1e-3", "1e-4", True),
        ("1e-3", "1e-4,1e-2", False),
        ("1e-3", "default", False),
        ("default", "1e-9", False),
        ("default", "kernelbench", False),
    ],
)
def test_a_tolerance_is_taken_only_if_it_is_certainly_tighter(held, asked, taken):
    made = terms(Directive(tolerance=asked), tolerance=held)
    assert (made.options.tolerance == asked) is taken
    assert bool(made.notes) is not taken


def test_a_relative_part_is_no_tighter_than_none():
    assert terms(Directive(tolerance="1e-5,1e-5"), tolerance="1e-4").notes
    taken = terms(Directive(tolerance="1e-5"), tolerance="1e-4,1e-4")
    assert taken.options.tolerance == "1e-5"


def test_kernelbenchs_tolerance_depends_on_the_precision():
    directive = Directive(tolerance="1e-3", precision="fp16")
    assert terms(directive, tolerance="kernelbench").options.tolerance == "1e-3"


@pytest.mark.parametrize(("asked", "held"), [(60.0, 60.0), (500.0, 180.0)])
def test_a_directive_shortens_the_timeout_only(asked, held):
    assert terms(Directive(timeout=asked)).options.timeout == held


def test_what_the_command_line_says_is_not_tightened():
    given = {"min_speedup": ("--kb-min-speedup=1",)}
    made = terms(Directive(min_speedup=2.0), min_speedup=1.0, command_line=given)
    assert made.options.min_speedup == 1.0


def test_without_timing_no_speedup_is_required():
    made = terms(Directive(min_speedup=2.0), no_timing=True)
    assert made.options.min_speedup is None


def test_a_marker_replaces_ini_but_not_the_command_line():
    chosen = settings(trials=9, precision="fp16", command_line={"trials": ("x",)})
    made = replaced(
        run_terms(chosen),
        {"trials": 2, "precision": "bf16", "max_time_us": 40},
        "here",
        settings=chosen,
    )
    assert (made.options.trials, made.options.precision) == (9, "bf16")
    assert made.options.max_runtime == pytest.approx(40e-6)
    assert made.origins["precision"] == "here"


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp8"},
        {"trials": "many"},
        {"speedup": 1},
        {"trials": 0},
        {"min_speedup": float("nan")},
        {"timeout": -1.0},
        {"tolerance": "loose"},
        {"max_time_us": "soon"},
    ],
)
def test_a_marker_with_a_bad_option_is_refused(options):
    with pytest.raises(SettingError, match=r"^here: "):
        replaced(run_terms(settings()), options, "here", settings=settings())


def test_a_replay_leaves_out_where_results_go():
    given = {
        "gpu": ("--kb-gpu=L4",),
        "json": ("--kb-json=x.json",),
        "seed": ("--kb-seed=1",),
        "problems": ("--kb-problems=a b",),
    }
    command = replay_command(
        "k.py::ModelNew[L4]", 5, replayed_words(settings(command_line=given))
    )
    assert command == (
        "pytest 'k.py::ModelNew[L4]' --kb-gpu=L4 '--kb-problems=a b' --kb-seed=5"
    )
