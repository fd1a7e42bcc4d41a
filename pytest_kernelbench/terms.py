"""What one evaluation must satisfy, and who said so.

The command line wins. A marker or fixture call is trusted code and replaces what the
ini file says. A directive is written by whoever wrote the kernel, so it may only
tighten limits: the stricter of the two holds, and a limit that was not tighter is
reported in a note instead of being dropped in silence.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pytest_kernelbench.bases import Base, Standing
from pytest_kernelbench.errors import SettingError
from pytest_kernelbench.model import EvalResult, Options
from pytest_kernelbench.options import OPTIONS
from pytest_kernelbench.settings import Settings
from pytest_kernelbench.values import nearest, positive

if typing.TYPE_CHECKING:
    from pytest_kernelbench.kernels import Directive

_SAME_NAME = (
    "precision",
    "trials",
    "tolerance",
    "baseline",
    "max_time",
    "precision_target",
    "timeout",
    "build_timeout",
    "seed",
    "cache",
    "graph",
    "fast_build",
    "min_speedup",
    "alpha",
    "require_kernel",
)
_NEGATED = {"timing": "no_timing", "reuse": "no_cache"}
_MICROSECOND = 1e-6
_IN_OTHER_UNITS = {"max_time_us": ("max_runtime", _MICROSECOND)}
_PARSERS = {option.field: option.parse for option in OPTIONS}
_PARSERS["max_runtime"] = positive


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The options of one evaluation with the origin of each that is not a default."""

    options: Options
    origins: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def noted(self, result: EvalResult) -> EvalResult:
        """The result with what there is to say about its terms."""
        notes = tuple(dict.fromkeys((*result.notes, *self.notes)))
        return msgspec.structs.replace(result, notes=notes)


def run_terms(settings: Settings) -> Terms:
    """What command line and ini file say."""
    fields = {name: getattr(settings, name) for name in _SAME_NAME}
    fields |= {ours: not getattr(settings, no) for ours, no in _NEGATED.items()}
    if settings.no_timing:
        fields["min_speedup"] = None  # from ini: without timing it cannot be decided
    elif settings.compare_ref is not None:
        fields["max_regression"] = settings.max_regression
    return Terms(options=Options(**fields), origins=settings.origins)


def compared(terms: Terms, base: Base) -> Terms:
    """The terms of a kernel that stands so to its earlier version."""
    why = (f"not compared: {base.why}",) if base.kernel is None else ()
    options = terms.options
    if base.standing in (Standing.NEW, Standing.UNCHANGED):  # nothing to fall behind
        options = msgspec.structs.replace(options, max_regression=None)
    return dataclasses.replace(terms, options=options, notes=(*terms.notes, *why))


def tightened(
    terms: Terms, directive: Directive, where: str, *, settings: Settings
) -> Terms:
    """The terms of a kernel file with this directive.

    Args:
        terms: Of the run.
        directive: As written in the kernel file.
        where: The directive's place, for messages.
        settings: Tells what was given on the command line and cannot be changed.
    """
    asked = _asked(directive)
    changes: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in asked.items():
        held = getattr(terms.options, name)
        if name in settings.command_line or value == held:
            continue
        if name == "precision" or _tighter(name, value, held, asked, terms.options):
            changes[name] = value
        else:
            notes.append(f"{where}: {name} {value} is not tighter than {held}: ignored")
    return Terms(
        options=msgspec.structs.replace(terms.options, **changes),
        origins={**terms.origins, **dict.fromkeys(changes, where)},
        notes=(*terms.notes, *notes),
    )


def _asked(directive: Directive) -> dict[str, Any]:
    microseconds = directive.max_time_us
    asked = {
        "precision": directive.precision,
        "min_speedup": directive.min_speedup,
        "max_runtime": None if microseconds is None else microseconds * _MICROSECOND,
        "tolerance": directive.tolerance,
        "timeout": directive.timeout,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _tighter(
    name: str, value: Any, held: Any, asked: Mapping[str, Any], options: Options
) -> bool:
    if name == "tolerance":
        precision = asked.get("precision", options.precision)
        return _tighter_tolerance(value, held, precision)
    if held is None:
        return name != "min_speedup" or options.timing
    return bool(value > held if name == "min_speedup" else value < held)


def _tighter_tolerance(value: str, held: str, precision: str) -> bool:
    """Only what is certainly tighter; numbers cannot be compared with ``default``."""
    if held == "kernelbench" and value == "default":
        return True
    if held == "kernelbench":
        held = "1e-4,1e-4" if precision == "fp32" else "1e-2,1e-2"
    if "default" in (value, held) or value == "kernelbench":
        return False
    pairs = zip(_numbers(value), _numbers(held), strict=True)
    return all(ours <= theirs for ours, theirs in pairs)


def _numbers(tolerance: str) -> tuple[float, float]:
    absolute, _, relative = tolerance.partition(",")
    return float(absolute), float(relative or 0)


def replaced(
    terms: Terms, options: Mapping[str, Any], where: str, *, settings: Settings
) -> Terms:
    """The terms of a marker or a fixture call with these options.

    Raises:
        SettingError: an option that does not exist or cannot be used.
    """
    changes: dict[str, Any] = {}
    for name, value in options.items():
        if value is not None and _NEGATED.get(name, name) not in settings.command_line:
            field, factor = _IN_OTHER_UNITS.get(name, (name, None))
            checked = _checked(field, value, f"{where}: {name}")
            changes[field] = checked if factor is None else checked * factor
    try:
        # A round trip through the wire form validates what replace() would not.
        made = Options.from_builtins(terms.options.to_builtins() | changes)
    except msgspec.ValidationError as error:
        message = f"{where}: {error}"
    else:
        origins = {**terms.origins, **dict.fromkeys(changes, where)}
        return Terms(options=made, origins=origins, notes=terms.notes)
    raise SettingError(message)


def _checked(field: str, value: Any, where: str) -> Any:
    """A value as it would be on the command line."""
    if field not in Options.__struct_fields__:
        hint = nearest(field, Options.__struct_fields__)
        raise SettingError(f"{where}: no such option{hint}")
    try:
        parse = _PARSERS.get(field)
        return value if parse is None else parse(str(value))
    except ValueError as error:
        message = f"{where}: {error}"
    raise SettingError(message)


def replayed_words(settings: Settings) -> list[str]:
    """What was said on the command line and matters when a test is run again."""
    left_out = {"seed", "storage", "json", "html", "github", "github_comment", "resume"}
    left_out |= {"save", "autosave", "update_records"}
    if settings.compare is not None:
        left_out.remove("storage")
    return [
        word
        for field, given in settings.command_line.items()
        if field not in left_out
        for word in given
    ]


def replay_command(nodeid: str, seed: int, words: Sequence[str]) -> str:
    """The one command that evaluates this again with the same seed."""
    import shlex  # noqa: PLC0415  only failures need it

    return shlex.join(["pytest", nodeid, *words, f"--kb-seed={seed}"])
