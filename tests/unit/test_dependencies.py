"""Which local files a kernel depends on, by its text."""

from __future__ import annotations

import pytest

from pytest_kernelbench.dependencies import local_files


@pytest.fixture
def tree(tmp_path):
    def write(**files: str):
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            path = tmp_path / f"{stem.replace('__', '/')}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def names(root, kernel: str) -> set[str]:
    found = local_files((root / kernel).resolve(), root.resolve())
    return {path.relative_to(root.resolve()).as_posix() for path in found}


@pytest.mark.parametrize(
    "line",
    [
        "import parts",
        "from parts import x",
        "from . import parts",
        "from .parts import x",
    ],
)
def test_an_imported_neighbour(tree, line):
    root = tree(k__a_py=f"{line}\nimport torch\n", k__parts_py="x = 1\n")
    assert names(root, "k/a.py") == {"k/parts.py"}


@pytest.mark.parametrize("line", ["import lib.parts", "from lib import parts"])
def test_a_module_below_the_root_or_its_src(tree, line):
    root = tree(k__a_py=f"{line}\n", src__lib__parts_py="")
    assert names(root, "k/a.py") == {"src/lib/parts.py"}


def test_what_is_imported_by_what_is_imported(tree):
    root = tree(a_py="import b\n", b_py="import c\n", c_py="import a\n", d_py="")
    assert names(root, "a.py") == {"b.py", "c.py"}


def test_included_headers_also_of_sources_inside_python(tree):
    root = tree(
        a_py="source = '''\n#include \"tile.cuh\"\n#include <torch/extension.h>\n'''\n",
        tile_cuh='#include "common.h"\n',
        common_h="",
    )
    assert names(root, "a.py") == {"tile.cuh", "common.h"}


def test_what_cannot_be_parsed_names_nothing(tree):
    assert names(tree(a_py="import b\nclass (\n", b_py=""), "a.py") == set()
