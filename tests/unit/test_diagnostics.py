"""Compiler messages name the lines of the user's file."""

from __future__ import annotations

import pytest

from pytest_kernelbench.engine.building.diagnostics import at_user_lines

KERNEL = '''\
import torch

SOURCE = """
#include <torch/extension.h>
int f() {
  return missing;
}
"""
ESCAPED = """
int g() {\\n return 1; }
int h();
"""
'''


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "a_kernel.py"
    path.write_text(KERNEL)
    return path


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "main.cpp"
    lines = KERNEL.splitlines()[3:7]
    path.write_text("\n".join(["#include <torch/extension.h>", "", *lines, "// end"]))
    return path


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("{}:5:10: error: 'missing' was not declared", ":6:10: error"),
        ("{}(5): error: identifier", "(6): error"),
    ],
    ids=["g++", "nvcc"],
)
def test_a_line_of_a_string_is_the_line_of_the_file(kernel, written, said, place):
    assert f"{kernel}{place}" in at_user_lines(said.format(written), kernel)


@pytest.mark.parametrize("line", [1, 7, 99])
def test_a_line_that_the_user_did_not_write_keeps_its_place(kernel, written, line):
    said = f"{written}:{line}:1: error: no"
    assert at_user_lines(said, kernel) == said


def test_files_that_are_not_there_keep_their_names(kernel):
    said = "/nowhere/at/all.cpp:3:1: error: no"
    assert at_user_lines(said, kernel) == said


def test_strings_whose_lines_are_not_those_of_the_file_are_left_alone(kernel, tmp_path):
    written = tmp_path / "cuda.cu"
    written.write_text("\nint g() {\n return 1; }\nint h();\n")
    said = f"{written}(4): error: no"
    assert at_user_lines(said, kernel) == said


def test_a_kernel_that_is_no_python_is_no_obstacle(tmp_path, written):
    kernel = tmp_path / "kernel.cpp"
    kernel.write_text("int f( {")
    said = f"{written}:3:1: error: no"
    assert at_user_lines(said, kernel) == said
