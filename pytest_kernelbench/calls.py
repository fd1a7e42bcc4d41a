"""Evaluations asked for by a hand-written test.

The options of a call win over those of the ``kernelbench`` marker, which win over the
ini file; the command line wins over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_kernelbench import values
from pytest_kernelbench.collection import library_of
from pytest_kernelbench.comparison import with_base
from pytest_kernelbench.errors import (
    KernelBenchError,
    KernelFileError,
    MappingError,
    SettingError,
)
from pytest_kernelbench.gates import judge, ungated
from pytest_kernelbench.kernels import kernel_from_text, read_kernel
from pytest_kernelbench.model import EvalRequest, EvalResult, Kernel, Problem, Verdict
from pytest_kernelbench.outcomes import attach, escaped, failure_text, named_failure
from pytest_kernelbench.problems import problem_for
from pytest_kernelbench.problems.builtin import sized_for
from pytest_kernelbench.problems.folder import read_problem
from pytest_kernelbench.session import awaited
from pytest_kernelbench.settings import settings_of
from pytest_kernelbench.terms import (
    Terms,
    replaced,
    replay_command,
    replayed_words,
    run_terms,
)
from pytest_kernelbench.text import printable

_NOT_OPTIONS = ("problem", "device", "backend")
_SOFT = (Verdict.SLOW, Verdict.REGRESSED, Verdict.AMBIGUOUS)


class Call:
    """The result of one call: an ``EvalResult`` that can be asserted on."""

    def __init__(self, result: EvalResult, terms: Terms, replay: str) -> None:
        self.result = result
        self._terms = terms
        self._replay = replay

    def __getattr__(self, name: str) -> Any:
        return getattr(self.result, name)

    def __repr__(self) -> str:
        return f"<{self.result.verdict} {self.result.kernel} {self.result.problem}>"

    def assert_correct(self) -> None:
        """Fail unless the kernel built and computes what the problem asks for."""
        __tracebackhide__ = True
        if self.result.verdict not in _SOFT:
            self._assert(self.result, self._terms, {})

    def assert_not_regressed(self) -> None:
        """Fail if the kernel got worse than this run allows."""
        __tracebackhide__ = True
        if self.result.verdict is Verdict.REGRESSED:
            self._assert(self.result, self._terms, {})

    def assert_speedup(self, least: float) -> None:
        """Fail unless the kernel is correct and its speedup at least this.

        An interval that contains the limit decides nothing and fails too: a test that
        asserts wants to be told.
        """
        __tracebackhide__ = True
        self.assert_correct()
        here = f"assert_speedup({least:g})"
        options = msgspec.structs.replace(
            self._terms.options, min_speedup=least, max_runtime=None
        )
        terms = Terms(options=options, origins={"min_speedup": here})
        plain = msgspec.structs.replace(self.result, verdict=Verdict.PASS, reason="")
        self._assert(judge(plain, options), terms, {"AMBIGUOUS": here})

    def _assert(
        self, result: EvalResult, terms: Terms, policy: Mapping[str, str]
    ) -> None:
        __tracebackhide__ = True
        text = failure_text(result, terms, policy=policy, replay=self._replay)
        if text is not None:
            raise named_failure(result.verdict, text)


class Caller:
    """What the ``kernelbench`` fixture is: call it to evaluate a kernel."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._config = item.config
        self._settings = settings_of(item.config)

    def __call__(
        self, kernel: str | Path, problem: str | Path | None = None, **options: Any
    ) -> Call:
        """Evaluate a kernel and wait for the result.

        Args:
            kernel: A path, relative to the test file or to where pytest runs; or
                source text, which is what has a line break.
            problem: An id, a name, a path or source text; without it the marker's,
                or what belongs to the kernel's file.
            options: ``device``, ``backend``, and whatever ``Options`` has, such as
                ``precision="fp16"``, ``trials=10``, ``min_speedup=1.2``, ``timing=False``.
        """
        __tracebackhide__ = True
        try:
            call = self._evaluate(kernel, problem, options)
        except KernelBenchError as error:
            message = printable(f"not evaluated: {error}")
        except CancelledError:
            self._item.session.shouldstop = "kernelbench: the run is stopping"
            message = "not evaluated: the run is stopping"
        else:
            self._skip_without_device(call.result)
            # Whoever runs the tests asked for it; the test need not know.
            if Verdict.REGRESSED not in self._settings.forgiven:
                call.assert_not_regressed()
            return call
        raise pytest.fail.Exception(message, pytrace=False)

    def _evaluate(
        self, kernel: str | Path, problem: str | Path | None, options: dict[str, Any]
    ) -> Call:
        marker = self._item.get_closest_marker("kernelbench")
        defaults = dict(marker.kwargs) if marker else {}
        if marker and marker.args:
            defaults["problem"] = marker.args[0]
        wanted = {**defaults, **options}
        terms = self._terms(defaults, options)
        terms, request = self._request(
            kernel, problem or wanted.get("problem"), wanted, terms
        )
        item = self._item
        result = terms.noted(awaited(self._config, request, item.nodeid))
        compares = self._settings.compares
        attach(item, result, ungated(result, request.options, compares=compares))
        item.ihook.pytest_kernelbench_result(item=item, result=result)
        words = replayed_words(self._settings)
        replay = replay_command(item.nodeid, result.seed, words)
        return Call(result, terms, replay)

    def _terms(self, defaults: Mapping[str, Any], options: Mapping[str, Any]) -> Terms:
        terms = run_terms(self._settings)
        for given, where in (
            (defaults, "the kernelbench marker"),
            (options, "the call"),
        ):
            chosen = {k: v for k, v in given.items() if k not in _NOT_OPTIONS}
            terms = replaced(terms, chosen, where, settings=self._settings)
        return terms

    def _request(
        self,
        kernel: str | Path,
        problem: str | Path | None,
        wanted: Mapping[str, Any],
        terms: Terms,
    ) -> tuple[Terms, EvalRequest]:
        settings = self._settings
        fixed = bool({"gpu", "device"} & settings.command_line.keys())
        device = None if fixed else self._device(wanted)
        read, path = self._kernel(kernel)
        if wanted.get("backend") is not None:
            read = msgspec.structs.replace(read, backend=wanted["backend"])
        device = device or next(iter(settings.gpu), settings.device_for(read.backend))
        found = self._problem(problem, path)
        terms, base = with_base(self._config, terms, path, found)
        return terms, EvalRequest(
            kernel=read,
            problem=sized_for(found, device),
            device=device,
            options=terms.options,
            base=base.kernel if base and terms.options.timing else None,
        )

    def _device(self, wanted: Mapping[str, Any]) -> str | None:
        """Checked where the names are known: a slip there would be skipped, as missing."""
        named = wanted.get("device")
        if named is None or self._settings.executor != "local":
            return None if named is None else str(named)
        try:
            return values.device(str(named))
        except ValueError as error:
            message = f"the call or its marker: device: {error}"
            raise SettingError(message) from None

    def _kernel(self, kernel: str | Path) -> tuple[Kernel, Path | None]:
        if isinstance(kernel, str) and "\n" in kernel:
            return kernel_from_text(kernel, self._item.nodeid), None
        path = self._found(kernel)
        if path is None:
            raise KernelFileError(f"no kernel file {kernel}")
        source = read_kernel(path)
        return source.kernel(self._shown(path)), path

    def _problem(self, problem: str | Path | None, kernel: Path | None) -> Problem:
        library = library_of(self._config)
        if problem is None and kernel is None:
            raise MappingError("say which problem: kernelbench(kernel, problem)")
        if problem is None and kernel is not None:
            return problem_for(
                read_kernel(kernel),
                library=library,
                problem_map=self._settings.problem_map,
                rootdir=self._settings.rootdir,
                trust_directives=self._settings.directives,
            )
        text = str(problem)
        if "\n" in text:
            name = self._item.name
            return Problem(id=name, name=name, source=text, origin=self._item.nodeid)
        path = self._found(text) if text.endswith(".py") else None
        if path is None:
            return library.find(text)
        return read_problem(path, problem_id=self._shown(path))

    def _found(self, path: str | Path) -> Path | None:
        bases = (self._item.path.parent, self._config.invocation_params.dir)
        return next((base / path for base in bases if (base / path).is_file()), None)

    def _shown(self, path: Path) -> str:
        root = self._settings.rootdir
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        return shown.as_posix()

    def _skip_without_device(self, result: EvalResult) -> None:
        __tracebackhide__ = True
        if result.verdict is not Verdict.NO_DEVICE:
            return
        if self._settings.require_device:
            message = f"NO-DEVICE: {escaped(result.reason)} (--kb-require-device)"
            raise pytest.fail.Exception(message, pytrace=False)
        pytest.skip(escaped(result.reason) or f"no device '{result.device}'")
