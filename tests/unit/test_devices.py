"""What a device says of itself."""

from __future__ import annotations

import pytest

from pytest_kernelbench.engine.devices import driver_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23",
            "570.86.15",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05\nGCC 12.2.0",
            "580.95.05",
        ),
    ],
)
def test_the_driver_is_what_its_module_says(tmp_path, text, version):
    file = tmp_path / "version"
    file.write_text(text)
    assert driver_version(file) == {"driver": version}


def test_a_driver_that_does_not_say_is_left_out(tmp_path):
    assert driver_version(tmp_path / "version") == {}
