"""How a kernel's C++ and CUDA is compiled: the leanest headers that will do.

``torch.utils.cpp_extension`` writes a ninja file and runs it. Here the same file is run
with other include directories in front, and nothing else changed: first with the mini
headers (a strict subset of torch over opaque handles), then with slim ones (torch's
own, only what the source names), then as torch wrote it. A miss falls to the next, and
an error that a user sees is always one of torch's own headers.

This runs in the untrusted process and nothing of it is trusted with a verdict: a kernel
that undoes it gets a slower build.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pytest_kernelbench.engine.building.diagnostics import at_user_lines
from pytest_kernelbench.engine.building.slim import write_slim_headers

TIERS = ("mini", "slim", "stock")
_MEMORY = "headers"
"""Beside a build: the tier that it came to, so that the next begins there."""
_NICENESS = 10
"""Below whatever is being timed meanwhile."""

_NAMES = re.compile(r"\b(?:torch|at|c10|py|pybind11)((?:::\w+)+)")
_INCLUDES = re.compile(
    r"^\s*#\s*include\s*[<\"]((?:torch|ATen|c10|pybind11)/[^>\"]+)", re.MULTILINE
)
_MACROS = re.compile(r"\b((?:TORCH|AT|C10|PYBIND11)_[A-Z0-9_]+)\s*\(")
_WANTED = {
    "half": r"\b(?:Half|BFloat16)\b|AND_HALF|_AND2?\(",
    "cuda_half": r"\b(?:__half2?|half2?|__nv_bfloat162?)\b",
    "climits": r"\b(?:U?INT|U?LL?ONG|CHAR|SHRT)_(?:MAX|MIN)\b",
    "cstdio": r"\b(?:std::)?f?printf\b",
    "cstdlib": r"\b(?:exit|abort|getenv|malloc|free|abs|rand)\s*\(",
    "cstring": r"\b(?:mem(?:cpy|set|move|cmp)|str(?:len|cmp|ncmp|cpy))\b",
    "functional": r"\bstd::(?:function|plus|multiplies|greater|less)\b",
    "iostream": r"\bstd::(?:cout|cerr|endl|ostream)\b",
    "map": r"\bstd::map\b",
    "memory": r"\bstd::(?:unique_ptr|shared_ptr|make_unique|make_shared)\b",
    "mutex": r"\bstd::(?:mutex|lock_guard|once_flag|call_once)\b",
    "numeric": r"\bstd::(?:accumulate|iota|inner_product|partial_sum)\b",
    "sstream": r"\bstd::o?stringstream\b",
    "unordered_map": r"\bstd::unordered_map\b",
}
"""What torch's headers bring, by what a source says when it needs it."""
_TORCH_LIBRARY = re.compile(
    r"\s-l(?:c10|c10_cuda|torch|torch_cpu|torch_cuda|torch_python)\b"
)


class Mini(NamedTuple):
    """The mini headers and the library behind them."""

    include: Path
    library: Path


class Extensions:
    """Stands where ``cpp_extension`` runs ninja."""

    def __init__(
        self, source: Path, mini: Mini | None, lean: tuple[str, ...] = TIERS[:-1]
    ) -> None:
        self._source = source
        self._mini = mini
        self._lean = lean
        self._words: frozenset[str] | None = None
        self.used: list[str] = []
        """The tier of each build so far."""

    def install(self, cpp_extension: ModuleType) -> None:
        """Take the place of ``cpp_extension``'s own runner."""
        self._torch = Path(cpp_extension.__file__ or "").parents[1]
        self._workers = getattr(cpp_extension, "_get_num_workers", lambda _: None)
        cpp_extension._run_ninja_build = self.build  # type: ignore[attr-defined]  # noqa: SLF001

    @property
    def headers(self) -> str:
        """The tiers used, least lean last."""
        return ", ".join(tier for tier in TIERS if tier in self.used)

    def build(self, build_directory: str, verbose: bool, error_prefix: str) -> None:
        """Build with the leanest headers that do.

        Raises:
            RuntimeError: it cannot be built with torch's own headers.
        """
        directory = Path(build_directory)
        ninja = _Ninja((directory / "build.ninja").read_text(encoding="utf-8"))
        made = self._leanest(directory, ninja) if ninja.target else None
        tier, output = made or ("stock", self._stock_build(directory, error_prefix))
        self.used.append(tier)
        (directory / _MEMORY).write_text(tier, encoding="utf-8")
        if verbose:
            sys.stdout.write(f"{output}\n")

    def _leanest(self, directory: Path, ninja: _Ninja) -> tuple[str, str] | None:
        """The first tier that does, and what ninja printed."""
        for tier in self._tiers(directory):
            built, output = self._lean_build(tier, directory, ninja)
            if built:
                return tier, output
            if not _is_miss(output):
                return None
        return None

    def _tiers(self, directory: Path) -> Iterator[str]:
        known = ""
        with contextlib.suppress(OSError):
            known = (directory / _MEMORY).read_text(encoding="utf-8")
        first = TIERS.index(known) if known in TIERS else 0
        yield from (tier for tier in TIERS[first:-1] if tier in self._lean)

    def _lean_build(
        self, tier: str, directory: Path, ninja: _Ninja
    ) -> tuple[bool, str]:
        """Whether the tier will do, and what ninja printed."""
        sources = ninja.sources_text()
        place = directory / tier
        place.mkdir(exist_ok=True)
        if tier == "mini":
            if self._mini is None or not self._might_do(sources):
                return False, ""
            text = ninja.with_mini(self._mini, self._torch / "include", sources)
        else:
            if not write_slim_headers(sources, self._torch / "include", place):
                return False, ""
            text = ninja.with_include(place)
        (place / "build.ninja").write_text(text, encoding="utf-8")
        code, output = self._run_ninja(place)
        return code == 0 and _loads(directory / ninja.target), output

    def _stock_build(self, directory: Path, error_prefix: str) -> str:
        code, output = self._run_ninja(directory)
        if code != 0:
            output = at_user_lines(output, self._source)
            error = re.search(r"^.*\berror\b.*$", output, re.MULTILINE)
            summary = f"{error[0].strip()}\n" if error else ""
            raise RuntimeError(f"{error_prefix}: {summary}{output}")
        return output

    def _run_ninja(self, directory: Path) -> tuple[int, str]:
        command = ["ninja", "-v"]
        workers = self._workers(False)
        if workers is not None:
            command += ["-j", str(workers)]
        sys.stdout.flush()
        done = subprocess.run(
            ["nice", "-n", str(_NICENESS), *command],  # noqa: S607 - found as torch does
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace")

    def _might_do(self, sources: str) -> bool:
        """Whether the mini headers know all names of torch in the sources."""
        assert self._mini is not None
        if self._words is None:
            text = "".join(
                path.read_text(encoding="utf-8")
                for path in self._mini.include.rglob("*.h")
            )
            self._words = frozenset(re.findall(r"\w+", text))
        names = {part for name in _NAMES.findall(sources) for part in name.split("::")}
        names |= set(_MACROS.findall(sources))
        return names - {""} <= self._words and all(
            (self._mini.include / name).exists() for name in _INCLUDES.findall(sources)
        )


class _Ninja:
    """A ninja file as ``cpp_extension`` writes it."""

    def __init__(self, text: str) -> None:
        self._text = text
        found = re.search(r"^default (\S+\.so)$", text, re.MULTILINE)
        self.target = found[1] if found else ""
        """The library that it links, empty where it links none."""

    def sources_text(self) -> str:
        paths = re.findall(
            r"^build \S+: (?:cuda_)?compile ((?:\$ |\S)+)$", self._text, re.MULTILINE
        )
        return "\n".join(
            Path(path.replace("$ ", " ")).read_text(encoding="utf-8", errors="replace")
            for path in paths
        )

    def with_include(self, place: Path) -> str:
        return self._with_flags(f"-I{shlex.quote(str(place))}")

    def with_mini(self, mini: Mini, torch_include: Path, sources: str) -> str:
        """With our headers instead of torch's, and our library instead of its."""
        wanted = [
            f"-DKB_WANTS_{name}"
            for name, pattern in _WANTED.items()
            if re.search(pattern, sources)
        ]
        text = self._with_flags(
            " ".join([f"-I{shlex.quote(str(mini.include))}", *wanted])
        )
        hidden = rf"\s-isystem {re.escape(shlex.quote(str(torch_include)))}\S*"
        text = re.sub(hidden, "", text)
        text = _TORCH_LIBRARY.sub("", text)
        library = shlex.quote(str(mini.library))
        return re.sub(r"^ldflags =", f"ldflags = {library}", text, flags=re.MULTILINE)

    def _with_flags(self, flags: str) -> str:
        def added(match: re.Match[str]) -> str:
            return f"{match[0]} {flags}"

        text = re.sub(r"^(?:cuda_)?cflags =", added, self._text, flags=re.MULTILINE)
        # It is run in a directory of the tier's, for the library beside that.
        target = rf"^(build|default) {re.escape(self.target)}(?=[:\n])"
        return re.sub(target, rf"\1 ../{self.target}", text, flags=re.MULTILINE)


def _is_miss(output: str) -> bool:
    """Whether more of torch could mend it: some error is about torch, or none is seen.

    Only a guess, to save the time of a build: the verdict is that of torch's headers.
    """
    errors = [line for line in output.splitlines() if re.search(r"\berror\b", line)]
    about_torch = re.compile(r"\b(?:at|c10|caffe2|torch|pybind11|kb\w*)::|\.h\b")
    return not errors or any(about_torch.search(line) for line in errors)


def _loads(library: Path) -> bool:
    """Whether all that it needs is there: what is missing shows only now."""
    try:
        ctypes.CDLL(str(library), mode=os.RTLD_NOW)
    except OSError:
        return False
    return True


def extensions_for(source: Path, headers: dict[str, Any]) -> Extensions:
    """Hook into ``cpp_extension``, with what the controller says of headers."""
    from torch.utils import cpp_extension  # noqa: PLC0415 - imports much

    mini = None
    if headers["mini"] is not None:
        mini = Mini(Path(headers["mini"]), Path(headers["library"]))
    made = Extensions(source, mini, tuple(headers["lean"]))
    made.install(cpp_extension)
    return made
