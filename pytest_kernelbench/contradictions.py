"""What must not be said together: refused at the door, never dropped in silence.

A limit that holds nothing would look like one that everything keeps. What only the ini
file says gives way instead: it is there for every run, also for those that it does not
suit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

_MODAL_ONLY = ("gpu", "max_cost", "isolation", "modal_app", "parallel")
_OF_TIME = (
    *("min_speedup", "max_regression", "compare", "compare_fail"),
    *("update_records", "record_file", "graph"),
)


def refuse_contradictions(
    found: Mapping[str, Any],
    command_line: Mapping[str, Any],
    origins: Mapping[str, str],
) -> None:
    """Refuse what would do nothing beside the other options.

    Args:
        found: Values by field.
        command_line: Fields that were given there.
        origins: Who said it, by field.

    Raises:
        pytest.UsageError: names both sides.
    """
    for limit in _OF_TIME:
        if found["no_timing"] and limit in command_line:
            raise pytest.UsageError(
                f"{origins[limit]} needs timing: drop {origins['no_timing']}"
            )
    if found["compare_fail"] and found["compare"] is None:
        raise pytest.UsageError(
            f"{origins['compare_fail']}: nothing to compare with: add --kb-compare"
        )
    if found["update_records"] and found["record_file"] is None:
        raise pytest.UsageError(
            f"{origins['update_records']}: no records to update: add --kb-record-file"
        )
    compares = found["compare_ref"] or found["record_file"]
    if "max_regression" in command_line and not compares:
        raise pytest.UsageError(
            f"{origins['max_regression']}: nothing to fall behind: "
            "add --kb-compare-ref or --kb-record-file"
        )
    if {"gpu", "device"} <= command_line.keys():
        raise pytest.UsageError("--kb-device is for local runs: drop it or --kb-gpu")
    if {"gate", "strict"} <= command_line.keys() and found["gate"] == "warn":
        raise pytest.UsageError(
            "--kb-strict fails what --kb-gate=warn lets pass: drop one"
        )


def refuse_what_is_for_modal(
    found: Mapping[str, Any],
    command_line: Mapping[str, Any],
    origins: Mapping[str, str],
) -> None:
    """Refuse what means nothing on this machine.

    Raises:
        pytest.UsageError: says how to get there.
    """
    for field in _MODAL_ONLY:
        if field == "gpu" and found["gpu"]:
            raise pytest.UsageError(
                f"{origins['gpu']} is for runs on Modal: drop {origins['executor']}"
            )
        if field in command_line:
            flag = origins[field]
            raise pytest.UsageError(f"{flag} is for runs on Modal: add --kb-gpu=NAME")
