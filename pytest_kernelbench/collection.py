"""Kernel files and their items: one item per kernel and GPU.

A kernel is read as text and never imported. Its item waits for the evaluation in
``setup``, where trouble is an ERROR, and judges it in ``runtest``, where a bad kernel
is a FAILURE.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_kernelbench.bases import Standing
from pytest_kernelbench.comparison import with_base
from pytest_kernelbench.errors import KernelBenchError, MappingError, SettingError
from pytest_kernelbench.gates import ungated
from pytest_kernelbench.kernels import Directive, KernelSource, read_kernel
from pytest_kernelbench.model import EvalRequest, EvalResult, Problem, Verdict
from pytest_kernelbench.outcomes import (
    KernelFailure,
    attach,
    escaped,
    escaped_log,
    failure_text,
    forget,
    give_up,
    set_aside,
)
from pytest_kernelbench.problems import ProblemLibrary, problem_for
from pytest_kernelbench.problems.builtin import sized_for
from pytest_kernelbench.session import awaited, evaluations_of
from pytest_kernelbench.settings import Settings, settings_of
from pytest_kernelbench.terms import (
    Terms,
    replay_command,
    replayed_words,
    run_terms,
    tightened,
)
from pytest_kernelbench.text import printable
from pytest_kernelbench.values import gpus

LIBRARY = pytest.StashKey[ProblemLibrary]()
RESULT = pytest.StashKey[EvalResult]()

_MARKS_WITH_ARGUMENTS = (
    "filterwarnings",
    "kernelbench",
    "parametrize",
    "skipif",
    "usefixtures",
)


class KernelFile(pytest.File):
    """A file with one kernel, in place of any other collector for it."""

    def collect(self) -> Iterator[KernelItem]:
        try:
            yield from self._items()
        except KernelBenchError as error:
            message = str(error).replace(f"{self.config.rootpath}/", "")
        else:
            return
        raise self.CollectError(message)

    def _items(self) -> Iterator[KernelItem]:
        settings = settings_of(self.config)
        source = read_kernel(self.path)
        problem = self._problem(source, settings)
        directive = source.directive if settings.directives else Directive()
        where = f"{self.nodeid}:{source.directive.line}"
        terms = tightened(run_terms(settings), directive, where, settings=settings)
        kernel = source.kernel(self.nodeid)
        terms, base = with_base(self.config, terms, self.path, problem)
        devices = _devices(settings, directive, where)
        for gpu in devices or (None,):
            name = source.entry if gpu is None else f"{source.entry}[{gpu}]"
            device = gpu or settings.device_for(source.backend)
            item: KernelItem = KernelItem.from_parent(
                self,
                name=name,
                # As text: from a bracketed name pytest 9.2 builds an id that never
                # equals the one it parses from its cache, and --lf runs the wrong tests.
                nodeid=f"{self.nodeid}::{name}",
                line=source.line,
                terms=terms,
                request=EvalRequest(
                    kernel=kernel,
                    problem=sized_for(problem, device),
                    device=device,
                    options=terms.options,
                    base=base.kernel if base and terms.options.timing else None,
                ),
                unchanged=(
                    base.why if base and base.standing is Standing.UNCHANGED else ""
                ),
            )
            _mark(item, directive, where)
            yield item

    def _problem(self, source: KernelSource, settings: Settings) -> Problem:
        library = library_of(self.config)
        found = self.ihook.pytest_kernelbench_problem_for(
            path=self.path, config=self.config
        )
        if isinstance(found, Problem):
            return found
        if found is not None:
            return self._named(found, library)
        return problem_for(
            source,
            library=library,
            problem_map=settings.problem_map,
            rootdir=settings.rootdir,
            trust_directives=settings.directives,
        )

    def _named(self, query: str, library: ProblemLibrary) -> Problem:
        try:
            return library.find(query)
        except MappingError as error:
            message = f"{self.path}: pytest_kernelbench_problem_for: {error}"
        raise MappingError(message)


class KernelItem(pytest.Item):
    """One kernel judged against one problem on one device."""

    def __init__(
        self,
        *,
        request: EvalRequest,
        terms: Terms,
        line: int,
        unchanged: str = "",
        **node: Any,
    ) -> None:
        super().__init__(**node)
        self.request = request
        self._terms = terms
        self._line = line
        self._unchanged = unchanged
        self._attempts = 0
        self.extra_keyword_matches.update(
            (request.problem.id, request.problem.name, request.kernel.backend)
        )
        self.add_marker(
            pytest.mark.kernelbench(
                problem=request.problem.id,
                backend=request.kernel.backend,
                device=request.device,
            )
        )

    @property
    def will_run(self) -> bool:
        """Whether an evaluation started ahead of the item's turn would be used."""
        xfail = self.get_closest_marker("xfail")
        runs = xfail is None or xfail.kwargs.get("run", True)
        skipped = self.get_closest_marker("skip") is not None or self._unchanged
        return runs and not skipped

    @property
    def is_gated(self) -> bool:
        """Whether it has a limit that it could fail by chance."""
        options = self.request.options
        limits = (options.min_speedup, options.max_runtime, options.max_regression)
        limited = any(limit is not None for limit in limits)
        return self.will_run and (limited or settings_of(self.config).may_regress)

    def share_alpha(self, kernels: int) -> None:
        """Take one share of the chance of a false failure that the run is allowed."""
        options = self.request.options
        options = msgspec.structs.replace(options, alpha=options.alpha / kernels)
        self.request = msgspec.structs.replace(self.request, options=options)

    def submit(self) -> None:
        """Start the evaluation ahead of the item's turn."""
        evaluations_of(self.config).submit(self.request, self.nodeid)

    def setup(self) -> None:
        if self.config.getoption("setuponly", default=False):
            return
        forget(self)
        if self._unchanged:
            set_aside(self, self._unchanged)
            pytest.skip(self._unchanged)
        self.stash[RESULT] = self._terms.noted(self._awaited())

    def _awaited(self) -> EvalResult:
        # A rerun is a new attempt: not the failure that is already known.
        request = msgspec.structs.replace(self.request, attempt=self._attempts)
        self._attempts += 1
        try:
            return awaited(self.config, request, self.nodeid)
        except KernelBenchError as error:
            message = printable(f"not evaluated: {error}")
        except CancelledError:
            message = None
        # Raised out here, or pytest would print what it was raised in handling of.
        if message is None:
            self.session.shouldstop = "kernelbench: the run is stopping"
            pytest.skip("not evaluated: the run is stopping")
        give_up(self, message)
        raise pytest.fail.Exception(message, pytrace=False)

    def runtest(self) -> None:
        result = self.stash[RESULT]
        asked, settings = self.request.options, settings_of(self.config)
        attach(self, result, ungated(result, asked, compares=settings.compares))
        self.ihook.pytest_kernelbench_result(item=self, result=result)
        if result.verdict in settings.forgiven:
            return
        if result.verdict is Verdict.NO_DEVICE and not settings.require_device:
            pytest.skip(escaped(result.reason) or f"no device '{result.device}'")
        replay = replay_command(
            self._nodeid_from_here(), result.seed, replayed_words(settings)
        )
        text = failure_text(result, self._terms, policy=settings.policy, replay=replay)
        if text is not None:
            if result.log:
                self.add_report_section(
                    "call", "kernel output", escaped_log(result.log)
                )
            raise KernelFailure(f"{result.verdict}: {text}")

    def _nodeid_from_here(self) -> str:
        """The node id as it can be typed where pytest was started."""
        here = self.config.invocation_params.dir
        path = self.path
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        return f"{shown.as_posix()}::{self.name}"

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], *more: Any
    ) -> Any:
        if isinstance(excinfo.value, KernelFailure):
            shown = excinfo.getrepr(style="value")
            if shown.reprcrash is not None:  # the line of the short summary
                shown.reprcrash.message = str(excinfo.value).partition("\n")[0]
            return shown
        return super().repr_failure(excinfo, *more)

    def reportinfo(self) -> tuple[Path, int, str]:
        # The file as well: in a heading "ModelNew" alone could be any kernel's. Not as
        # the node id has it, in whose ending pytest would turn dots into colons.
        return self.path, self._line, f"{self.request.kernel.path} {self.name}"


def library_of(config: pytest.Config) -> ProblemLibrary:
    """The problems of this run, opened on first use."""
    if LIBRARY not in config.stash:
        settings = settings_of(config)
        found = config.hook.pytest_kernelbench_problem_sources(config=config)
        brought = [source for sources in found for source in sources]
        config.stash[LIBRARY] = ProblemLibrary.open(
            [*settings.problems, *(spec for spec in brought if isinstance(spec, str))],
            root=settings.rootdir,
            extra_sources=[one for one in brought if not isinstance(one, str)],
        )
    return config.stash[LIBRARY]


def _devices(settings: Settings, directive: Directive, where: str) -> tuple[str, ...]:
    """The GPUs to run on; a directive's only where GPUs are asked for by name."""
    if "gpu" in settings.command_line or not directive.gpu:
        return settings.gpu
    if settings.executor == "local":
        return ()
    try:
        return gpus(",".join(directive.gpu))
    except ValueError as error:
        message = f"{where}: gpu: {error}"
    raise SettingError(message)


def _mark(item: pytest.Item, directive: Directive, where: str) -> None:
    for name in directive.marks:
        if name in _MARKS_WITH_ARGUMENTS or not name.isidentifier():
            raise SettingError(f"{where}: marks: '{name}' cannot be set by a directive")
        reason = (
            {"reason": f"directive in {where}"} if name in ("skip", "xfail") else {}
        )
        item.add_marker(getattr(pytest.mark, name)(**reason))
