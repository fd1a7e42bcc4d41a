"""Text that users type, turned into values; refused with what would have worked.

Each parser takes the text and returns the value or raises ``ValueError`` whose
message starts with "expected". Who said it (option, ini key) is the caller's to add.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping

GPUS = (
    "T4",
    "L4",
    "A10",
    "L40S",
    "A100",
    "A100-40GB",
    "A100-80GB",
    "RTX-PRO-6000",
    "H100",
    "H200",
    "B200",
    "B300",
)
"""The names that Modal knows; one more word there is one more line here."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'modal'?``, or nothing."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def text(value: str) -> str:
    if not value.strip():
        raise ValueError("expected a value, got nothing")
    return value


def file_name(value: str) -> str:
    illegal = [char for char in r"\/:*?<>|" if char in value]
    if not value or illegal or not value.isprintable():
        raise ValueError(rf"expected a name without \ / : * ? < > |, got '{value}'")
    return value


def positive(value: str) -> float:
    number = _finite(value, "a number above 0")
    if number <= 0:
        raise ValueError(f"expected a number above 0, got '{value}'")
    return number


def fraction(value: str) -> float:
    """``0.5%`` or ``0.005``."""
    wanted = "a share above 0 and below 100%, such as 0.5%"
    percent = value.endswith("%")
    number = _finite(value.removesuffix("%"), wanted) / (100 if percent else 1)
    if not 0 < number < 1:
        raise ValueError(f"expected {wanted}, got '{value}'")
    return number


def count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"expected a whole number of at least 1, got '{value}'")
    return int(value)


def seed(value: str) -> int:
    if not value.isdecimal() or int(value) >= 2**63:
        raise ValueError(f"expected a whole number from 0 to 2**63 - 1, got '{value}'")
    return int(value)


def switch(value: str) -> bool:
    if value.lower() not in ("on", "off", "true", "false"):
        raise ValueError(f"expected on or off, got '{value}'")
    return value.lower() in ("on", "true")


def choice(*known: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in known:
            listed = ", ".join(known)
            hint = nearest(value, known)
            raise ValueError(f"expected one of {listed}, got '{value}'{hint}")
        return value

    return parse


def tolerance(value: str) -> str:
    """``default``, ``kernelbench`` or ``ATOL[,RTOL]``."""
    wanted = "'default', 'kernelbench' or ATOL[,RTOL]"
    if value in ("default", "kernelbench"):
        return value
    numbers = [_finite(part, wanted, value) for part in value.split(",")]
    if len(numbers) > 2 or min(numbers) < 0:
        raise ValueError(f"expected {wanted}, got '{value}'")
    return value


def device(value: str) -> str:
    name, _, index = value.partition(":")
    if value in ("cpu", "cuda") or (name == "cuda" and index.isdecimal()):
        return value
    raise ValueError(f"expected cpu, cuda or cuda:N, got '{value}'")


def gpus(value: str) -> tuple[str, ...]:
    """``L40S,h100`` as Modal spells them, each once, in the order given."""
    names = [name.strip() for name in value.split(",")]
    return tuple(dict.fromkeys(_gpu(name) for name in names))


def _gpu(value: str) -> str:
    for name in GPUS:
        if name.lower() == value.lower():
            return name
    listed = " ".join(GPUS)
    raise ValueError(f"expected GPU names, got '{value}'{_gpu_hint(value)} ({listed})")


def _gpu_hint(value: str) -> str:
    bare = value.rstrip("!")
    return nearest(bare, GPUS)


def mapping(value: str) -> tuple[str, str]:
    pattern, equals, problem = (part.strip() for part in value.partition("="))
    if not (pattern and equals and problem):
        raise ValueError(f"expected lines 'glob = problem', got '{value}'")
    return pattern, problem


def price(value: str) -> tuple[str, float]:
    """``L40S = 1.95``, in US dollars per hour."""
    gpu, equals, dollars = (part.strip() for part in value.partition("="))
    if not equals:
        raise ValueError(f"expected lines 'GPU = USD per hour', got '{value}'")
    return _gpu(gpu), positive(dollars)


def _finite(value: str, wanted: str, whole: str | None = None) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected {wanted}, got '{whole or value}'")
    return number


OF_OPTIONS: Mapping[str, Callable[[str], object]] = {
    "device": device,
    "precision": choice("fp32", "fp16", "bf16"),
    "trials": count,
    "tolerance": tolerance,
    "baseline": choice("eager", "compile", "best"),
    "max_time": positive,
    "precision_target": fraction,
    "timeout": positive,
    "build_timeout": positive,
    "seed": seed,
    "cache": choice("cold", "warm"),
    "min_speedup": positive,
    "max_runtime": positive,
    "max_regression": fraction,
    "alpha": fraction,
}
"""What options of an evaluation are held to where no command line has read them."""
