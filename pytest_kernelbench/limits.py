"""How much worse than before a kernel may get, as users write it: ``speedup:5%``."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Literal, cast

Field = Literal["speedup", "median", "mean"]

_FIELDS = ("speedup", "median", "mean")
_WITHOUT_INTERVAL = ("min", "max", "stddev", "iqr")
_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_AMOUNT = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(%|x|s|ms|us|ns|)")
_WANTED = "FIELD:AMOUNT such as speedup:5%, median:2.5% or median:2us"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What is compared, and by how much it may get worse."""

    field: Field
    share: float | None
    """Of what it was before; None where the amount is absolute."""
    absolute: float | None
    """A speedup or seconds."""
    text: str
    """As typed."""


def limit(text: str) -> Limit:
    """Read what ``--kb-compare-fail`` takes; all that has an interval can be asked for."""
    field, colon, amount = (part.strip() for part in text.partition(":"))
    if field in _WITHOUT_INTERVAL:
        raise ValueError(
            f"expected one of {', '.join(_FIELDS)}, got '{text}': "
            f"{field} has no interval to decide with"
        )
    found = _AMOUNT.fullmatch(amount)
    if field not in _FIELDS or not colon or found is None:
        raise ValueError(f"expected {_WANTED}, got '{text}'")
    number, unit = _number(found[1], text), found[2]
    named = cast(Field, field)
    if unit == "%":
        return Limit(field=named, share=number / 100, absolute=None, text=text)
    if unit not in (("", "x") if field == "speedup" else _UNITS):
        raise ValueError(f"expected {_WANTED}, got '{text}'")
    seconds = number * _UNITS.get(unit, 1.0)
    return Limit(field=named, share=None, absolute=seconds, text=text)


def _number(digits: str, text: str) -> float:
    try:
        number = float(digits)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected {_WANTED}, got '{text}'")
    return number
