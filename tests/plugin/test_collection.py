"""Which files become items, and what is said of those that cannot."""

from __future__ import annotations

import sys

import pytest

both_modes = pytest.mark.both_modes

IMPORT_MODES = ("prepend", "append", "importlib")


@pytest.mark.parametrize("import_mode", IMPORT_MODES)
@pytest.mark.parametrize("name", ["a_kernel", "test_a_kernel"])
@pytest.mark.parametrize(
    "words", [(), ("--doctest-modules",), ("-o", "python_files=*.py")]
)
def test_a_kernel_is_never_imported(kernels, import_mode, name, words):
    # It imports a module that does not exist: an import would be an error.
    kernels.add(name.removesuffix("_kernel"))
    result = kernels.run(f"--import-mode={import_mode}", *words)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("words", [(), ("--doctest-modules",)])
def test_a_kernel_named_on_the_command_line_is_not_imported_either(kernels, words):
    path = kernels.add("test_a")
    path = path.rename(path.with_name("test_softmax.py"))
    kernels.run(path.name, *words).assert_outcomes(passed=1)


def test_a_kernel_in_a_package_is_not_imported(kernels):
    kernels.add("package/a")
    (kernels.pytester.path / "package" / "__init__.py").write_text("")
    kernels.run().assert_outcomes(passed=1)


def test_ordinary_tests_run_beside_kernels(kernels):
    kernels.add("a")
    kernels.pytester.makepyfile(test_x="def test_x(): pass")
    kernels.run().assert_outcomes(passed=2)


def test_collecting_needs_no_torch(kernels):
    kernels.add("a")
    kernels.pytester.makeconftest(
        """
        import sys

        def pytest_collection_finish(session):
            heavy = {"torch", "modal", "datasets", "numpy", "rich"} & set(sys.modules)
            assert not heavy, heavy
        """
    )
    words = ("--collect-only", "-q", "-p", "no:xdist", "-p", "no:anyio")
    result = kernels.pytester.runpytest_subprocess(*words)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["a_kernel.py::ModelNew"])


def test_a_cuda_file_with_a_directive_is_an_item(kernels):
    (kernels.pytester.path / "relu.cu").write_text(
        "// kernelbench: problem=builtin/relu\n"
        "torch::Tensor forward(torch::Tensor x) { return x; }\n"
    )
    result = kernels.run("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["relu.cu::forward PASSED*"])


def test_one_item_per_gpu(kernels):
    kernels.add("a")
    result = kernels.run("--kb-gpu=l40s,H100,L40S", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "a_kernel.py::ModelNew[[]L40S[]] PASSED*",
            "a_kernel.py::ModelNew[[]H100[]] PASSED*",
            "*= kernelbench: L40S (fake), baseline eager =*",
            "*= kernelbench: H100 (fake), baseline eager =*",
        ]
    )


@pytest.mark.parametrize("named", [(), ("--kb-gpu=B200",)])
def test_a_directive_names_the_gpus_of_its_kernel(kernels, named):
    kernels.add("a", directive="gpu=H100,L4")
    result = kernels.run(*named, "--collect-only", "-q")
    shown = ["H100", "L4"] if not named else ["B200"]
    lines = [f"a_kernel.py::ModelNew[{gpu}]" for gpu in shown]
    assert result.outlines[: len(lines)] == lines


def test_a_directive_does_not_take_a_local_run_to_a_gpu_for_hire(pytester, kernels):
    kernels.add("a", directive="gpu=H100")
    result = pytester.runpytest_inprocess("--collect-only", "-q", "-p", "no:anyio")
    assert result.outlines[0] == "a_kernel.py::ModelNew"


def test_junit_knows_the_line_and_the_numbers(kernels):
    kernels.add("a", "speedup=1.25 runtime=0.002")
    kernels.run("--junit-xml=out.xml")
    text = (kernels.pytester.path / "out.xml").read_text()
    for name, value in (
        ("verdict", "PASS"),
        ("problem", "builtin/softmax"),
        ("device", "fake cpu"),
        ("runtime_s", "0.002"),
        ("speedup", "1.25"),
    ):
        assert f'<property name="kernelbench_{name}" value="{value}"' in text
    assert "None" not in text


def test_an_item_knows_its_line(kernels):
    kernels.add("a")
    items, _ = kernels.pytester.inline_genitems("--kb-executor=fake")
    assert items[0].reportinfo()[1] == 5


@both_modes
def test_properties_reach_junit(kernels):
    kernels.add("a", "verdict=WRONG reason='off by one'")
    kernels.run("--junit-xml=out.xml")
    text = (kernels.pytester.path / "out.xml").read_text()
    assert '<property name="kernelbench_reason" value="off by one"' in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# kernelbench: problem=builtin/sofmax\nclass ModelNew: ...\n",
            "*a_kernel.py*builtin/sofmax*nearest: builtin/softmax*",
        ),
        (
            "# kernelbench: problm=builtin/softmax\nclass ModelNew: ...\n",
            "a_kernel.py:1: *problm*did you mean 'problem'*",
        ),
        (
            "# kernelbench: problem=builtin/softmax\nclass Model: ...\n",
            "a_kernel.py: defines no class ModelNew*",
        ),
        (
            "# kernelbench: problem=builtin/softmax\nclass ModelNew(:\n",
            "a_kernel.py:2: syntax error*",
        ),
        ("class ModelNew: ...\n", "a_kernel.py: no problem*"),
        (
            (
                "# kernelbench: problem=builtin/softmax marks=parametrize\n"
                "class ModelNew: ...\n"
            ),
            "a_kernel.py:1: marks: 'parametrize' cannot be set by a directive",
        ),
        (
            "# kernelbench: problem=builtin/softmax gpu=L4O\nclass ModelNew: ...\n",
            "a_kernel.py:1: gpu: expected GPU names, got 'L4O'; did you mean 'L4*'*",
        ),
    ],
)
def test_a_file_that_cannot_be_collected_is_one_line(kernels, text, message):
    (kernels.pytester.path / "a_kernel.py").write_text(text)
    result = kernels.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
    assert "Traceback" not in result.stdout.str()
    assert "collection.py" not in result.stdout.str()


def test_two_mappings_that_disagree_are_an_error(kernels):
    kernels.add("a")
    kernels.pytester.makeini("[pytest]\nkb_problem_map =\n    a_* = builtin/gelu")
    result = kernels.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*kb_problem_map*builtin/gelu*builtin/softmax*"])


def test_without_directives_a_kernel_cannot_skip_or_choose(kernels):
    kernels.pytester.makeini(
        "[pytest]\nkb_directives = off\nkb_problem_map =\n    a_* = builtin/gelu"
    )
    kernels.add("theirs/a", directive="marks=skip min-speedup=1.9 precision=fp16")
    result = kernels.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*a_kernel.py*builtin/gelu*PASS*"])


def test_marks_of_a_directive_are_real_marks(kernels):
    kernels.pytester.makeini("[pytest]\nmarkers = slow: takes long")
    kernels.add("a", directive="marks=slow")
    kernels.add("b")
    result = kernels.run("-m", "not slow", "--strict-markers")
    result.assert_outcomes(passed=1, deselected=1)


def test_an_unregistered_mark_is_refused_under_strict_markers(kernels):
    kernels.add("a", directive="marks=slow")
    # Another process: the marks of the pytest that runs this test are known to it.
    words = ("--kb-executor=fake", "-p", "no:anyio", "--strict-markers")
    result = kernels.pytester.runpytest_subprocess(*words)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*'slow' not found in `markers`*"])


def test_an_empty_directory_is_no_tests(kernels):
    assert kernels.run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_project_without_kernels_sees_no_difference(pytester):
    pytester.makepyfile(
        test_a="def test_a(): pass\ndef test_b(): assert 0\n",
        helper="class ModelOld: ...\n",
    )
    with_plugin, without = (
        _output(pytester, *words) for words in ((), ("-p", "no:kernelbench"))
    )
    assert with_plugin == without


def _output(pytester, *words):
    result = pytester.runpytest_subprocess("-v", "-rA", *words)
    lines = [
        line
        for line in result.outlines
        if not line.startswith(("plugins:", "metadata:"))
    ]
    lines[-1] = lines[-1].partition(" in ")[0]  # the time it took
    return lines, result.errlines, result.ret


def test_loading_the_plugin_loads_little(pytester):
    path = pytester.makepyfile(
        probe="""
        import sys
        import pytest
        import pytest_kernelbench.plugin

        heavy = "torch modal datasets numpy rich asyncio msgspec multiprocessing"
        print(sorted(set(heavy.split()) & set(sys.modules)))
        """
    )
    result = pytester.run(sys.executable, path)
    assert result.outlines == ["[]"]


def test_a_folder_of_problems_is_found_from_where_pytest_is_started(
    kernels, monkeypatch
):
    kernels.pytester.makeini("[pytest]")
    kernels.add("deep/a", problem="mine")
    folder = kernels.pytester.path / "deep" / "problems"
    folder.mkdir()
    (folder / "mine.py").write_text("class Model: ...\ndef get_inputs(): return []\n")
    monkeypatch.chdir(folder.parent)
    kernels.run("--kb-problems=problems", "a_kernel.py").assert_outcomes(passed=1)
