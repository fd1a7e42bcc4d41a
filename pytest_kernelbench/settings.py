"""What the command line and the ini file say, checked once at the door.

The command line wins over markers and directives, those over ini, ini over the
defaults; what a marker or a directive says is applied in ``terms``. Whoever holds
``Settings`` does not ask pytest's config again.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from pytest_kernelbench import values
from pytest_kernelbench.contradictions import (
    refuse_contradictions,
    refuse_what_is_for_modal,
)
from pytest_kernelbench.executors.gpus import default_device
from pytest_kernelbench.limits import Limit
from pytest_kernelbench.options import OPTIONS, Option


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line and the ini file say, validated."""

    gpu: tuple[str, ...]
    executor: str
    device: str
    max_cost: float | None
    isolation: Literal["process", "container"]
    modal_app: str | None
    parallel: int
    problems: tuple[str, ...]
    precision: str
    trials: int
    tolerance: str
    no_timing: bool
    baseline: str
    min_speedup: float | None
    alpha: float
    max_time: float
    precision_target: float
    timeout: float
    build_timeout: float
    seed: int
    storage: Path
    json: Path | None
    github: Literal["auto", "on", "off"]
    github_comment: Path | None
    save: str | None
    autosave: bool
    compare: str | None
    compare_fail: tuple[Limit, ...]
    compare_across: bool
    record_file: Path | None
    update_records: bool
    max_regression: float
    compare_ref: str | None
    gate: Literal["fail", "warn"]
    session_noise: float | None
    html: Path | None
    resume: bool
    min_assurance: str | None
    require_device: bool
    strict: bool
    require_kernel: bool
    cache: str
    graph: bool
    fast_build: bool
    no_cache: bool
    files: tuple[str, ...]
    problem_map: tuple[tuple[str, str], ...]
    modal_prices: Mapping[str, float]
    """US dollars per hour, by GPU."""
    directives: bool
    rootdir: Path
    command_line: Mapping[str, tuple[str, ...]]
    """Words that say the same again, per field given on the command line."""
    origins: Mapping[str, str]
    """Who said it, per field that is not a default: ``--kb-x`` or ``kb_x (file)``."""

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """Read and check everything.

        Raises:
            pytest.UsageError: one line, names the option or ini key.
        """
        found: dict[str, Any] = {}
        command_line: dict[str, tuple[str, ...]] = {}
        origins: dict[str, str] = {}
        for option in OPTIONS:
            typed = config.getoption(option.key)
            value = _from_command_line(option, typed)
            if value is not None:
                command_line[option.field] = _words(option, typed)
                origins[option.field] = option.flag
            else:
                value = _from_ini(option, config)
                if value is not None:
                    origins[option.field] = f"{option.key} ({_ini_name(config)})"
            found[option.field] = option.default if value is None else value
        _complete(found, config, command_line, origins)
        return cls(
            **found,
            files=tuple(_getini(config, "kb_files")),
            problem_map=tuple(_lines(config, "kb_problem_map", values.mapping)),
            modal_prices=dict(_lines(config, "kb_modal_prices", values.price)),
            directives=_getini(config, "kb_directives"),
            rootdir=config.rootpath,
            command_line=command_line,
            origins=origins,
        )

    def device_for(self, backend: str) -> str:
        """The local device; C++ works on host memory unless told otherwise."""
        if backend == "cpp" and "device" not in self.origins:
            return "cpu"
        return self.device

    @property
    def may_regress(self) -> bool:
        """Whether kernels are held to what they were."""
        held = bool(self.compare_fail) or self.record_file is not None
        return held and not self.no_timing

    @property
    def compares(self) -> bool:
        """Whether kernels are held to what they were, at a commit or in another run."""
        at_commit = self.compare_ref is not None and not self.no_timing
        return at_commit or self.may_regress

    @property
    def forgiven(self) -> tuple[str, ...]:
        """Verdicts that only warn."""
        return ("SLOW", "REGRESSED") if self.gate == "warn" else ()

    @property
    def policy(self) -> dict[str, str]:
        """Verdicts that fail on demand, and the option that demands it."""
        return {
            verdict: f"--kb-{name}"
            for verdict, name, asked in (
                ("AMBIGUOUS", "strict", self.strict and self.gate == "fail"),
                ("NO-DEVICE", "require-device", self.require_device),
            )
            if asked
        }


SETTINGS = pytest.StashKey[Settings]()


def settings_of(config: pytest.Config) -> Settings:
    """The settings of this run, read on first use; where any are given, at the start."""
    if SETTINGS not in config.stash:
        config.stash[SETTINGS] = Settings.of(config)
    return config.stash[SETTINGS]


def _executor_names(config: pytest.Config) -> list[str]:
    found = config.hook.pytest_kernelbench_executors(config=config)
    return sorted({name for factories in found for name in factories})


def _from_command_line(option: Option, typed: Any) -> Any:
    if typed is None or typed is True:
        return typed
    if isinstance(typed, list):
        return tuple(_parse(option.parse, word, option.flag) for word in typed)
    return _parse(option.parse, typed, option.flag)


def _from_ini(option: Option, config: pytest.Config) -> Any:
    raw = _getini(config, option.key)
    if raw is None or isinstance(raw, bool):
        return raw
    origin = f"{option.key} ({_ini_name(config)})"
    if isinstance(raw, list):
        return tuple(_parse(option.parse, line, origin) for line in raw)
    # Numbers pass through the same door as text: -1 and nan are refused alike.
    return _parse(option.parse, str(raw), origin)


def _getini(config: pytest.Config, key: str) -> Any:
    try:
        return config.getini(key)
    except (TypeError, ValueError, pytest.UsageError) as error:
        message = f"{key} ({_ini_name(config)}): {error}"
    raise pytest.UsageError(message)


def _parse(parse: Callable[[str], Any], word: str, origin: str) -> Any:
    try:
        return parse(word.strip())
    except ValueError as error:
        message = f"{origin}: {error}"
    raise pytest.UsageError(message)


def _lines(config: pytest.Config, key: str, parse: Callable[[str], Any]) -> list[Any]:
    origin = f"{key} ({_ini_name(config)})"
    return [_parse(parse, line, origin) for line in _getini(config, key)]


def _words(option: Option, typed: Any) -> tuple[str, ...]:
    if typed is True:
        return (option.flag,)
    given = typed if isinstance(typed, list) else [typed]
    return tuple(f"{option.flag}={word}" for word in given)


def _ini_name(config: pytest.Config) -> str:
    return config.inipath.name if config.inipath is not None else "-o"


def _complete(
    found: dict[str, Any],
    config: pytest.Config,
    command_line: Mapping[str, Any],
    origins: dict[str, str],
) -> None:
    """Fill in what depends on other values, and refuse what cannot go together."""
    refuse_contradictions(found, command_line, origins)
    _take_home(found, command_line, origins)
    if found["executor"] is None:
        found["executor"] = "modal" if found["gpu"] else "local"
    elif found["executor"] not in (names := _executor_names(config)):
        hint = values.nearest(found["executor"], names)
        raise pytest.UsageError(
            f"{origins['executor']}: expected one of {', '.join(names)}, "
            f"got '{found['executor']}'{hint}"
        )
    if found["executor"] == "local":
        refuse_what_is_for_modal(found, command_line, origins)
    if found["device"] is None:
        # Whoever names GPUs needs none here, so none is looked for.
        found["device"] = next(iter(found["gpu"]), None) or default_device()
    if found["seed"] is None:
        found["seed"] = _shared_seed(config) or _drawn_seed()
    base = config.invocation_params.dir
    found["storage"] = config.rootpath / found["storage"]
    if found["record_file"] is not None:
        found["record_file"] = config.rootpath / found["record_file"]
    if "problems" in command_line:
        root = config.rootpath
        found["problems"] = tuple(_typed(one, base, root) for one in found["problems"])
    for name in ("json", "html", "github_comment"):
        found[name] = None if found[name] is None else base / found[name]


def _typed(source: str, here: Path, root: Path) -> str:
    """A path as it was typed, in a directory below the root, where it is none there."""
    known = (root / source).exists() or not (here / source).exists()
    return source if known else str((here / source).resolve())


def _take_home(
    found: dict[str, Any], command_line: Mapping[str, Any], origins: dict[str, str]
) -> None:
    """Forget the ini file's GPUs for hire where the command line says: here."""
    executor = found["executor"] if "executor" in command_line else None
    here = executor == "local" or "device" in command_line
    if here and found["gpu"] and "gpu" not in command_line:
        found["gpu"] = ()
        del origins["gpu"]


def _shared_seed(config: pytest.Config) -> int | None:
    """The seed that an xdist worker's controller has drawn."""
    seed: int | None = (
        getattr(config, "workerinput", {}).get("kernelbench", {}).get("seed")
    )
    return seed


def _drawn_seed() -> int:
    return int.from_bytes(os.urandom(8), "big") >> 1
