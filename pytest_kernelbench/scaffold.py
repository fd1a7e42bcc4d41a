"""What a repository needs to begin with: settings, an example, a workflow.

A plan is made first and is all that is ever written. Nothing that is there is changed,
but for a section at the end of ``pyproject.toml``; doing it twice does nothing more.
"""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pytest_kernelbench.errors import SettingError

_KERNELS = "kernels"
_EXAMPLE = ("swiglu_kernel.py", "swiglu_ref.py")
_WORKFLOW = Path(".github", "workflows", "kernels.yml")
_OWN_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
"""That hold nothing but pytest's settings."""
_SHARED_FILES = {"tox.ini": "pytest", "setup.cfg": "tool:pytest"}
"""Files that may hold them in a section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One file, and what is to become of it."""

    path: Path
    does: Literal["write", "append", "keep"]
    text: str = ""
    remark: str = ""


def plan(directory: Path) -> list[Step]:
    """Decide what to write below a directory; nothing is written yet.

    Raises:
        SettingError: the directory or a settings file there cannot be read.
    """
    if not directory.is_dir():
        raise SettingError(f"{directory}: not a directory; make it first")
    return [_settings(directory), *_examples(directory), _workflow(directory)]


def carry_out(step: Step) -> None:
    """Write what was planned.

    Raises:
        SettingError: it cannot be written, or is there by now.
    """
    try:
        step.path.parent.mkdir(parents=True, exist_ok=True)
        mode = "a" if step.does == "append" else "x"
        with step.path.open(mode, encoding="utf-8") as file:
            file.write(step.text)
    except OSError as error:
        raise SettingError(f"{step.path}: not written: {error.strerror}") from None


def _settings(directory: Path) -> Step:
    pyproject = directory / "pyproject.toml"
    for path, found in _existing_settings(directory, pyproject):
        if any(key.startswith("kb_") for key in found):
            return Step(path=path, does="keep", remark="has kb_ settings")
        return Step(path=path, does="keep", remark=_advice(found))
    if not pyproject.exists():
        return _new(directory / "pytest.ini", _template("settings.ini"))
    before = _read(pyproject)
    text = ("" if before.endswith("\n") else "\n") + "\n" + _template("settings.toml")
    try:
        tomllib.loads(before + text)
    except tomllib.TOMLDecodeError:
        remark = "no section can be added below its inline 'tool'"
        return Step(path=pyproject, does="keep", remark=remark)
    return Step(path=pyproject, does="append", text=text, remark="pytest's settings")


def _existing_settings(
    directory: Path, pyproject: Path
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """What pytest would read, in its order: another file could hide it, or be hidden."""
    for name in _OWN_FILES:
        path = directory / name
        if path.exists():
            yield path, _table(path, "pytest")
    if pyproject.exists():
        tables = _toml(pyproject).get("tool", {}).get("pytest")
        if tables is not None:
            yield pyproject, tables.get("ini_options", tables)
    for name, section in _SHARED_FILES.items():
        path = directory / name
        if path.exists() and (found := _table(path, section)):
            yield path, found


def _table(path: Path, section: str) -> dict[str, Any]:
    if path.suffix == ".toml":
        return dict(_toml(path).get(section, {}))
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_read(path))
    except configparser.Error as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"{path}: cannot be read: {reason}") from None
    return dict(parser[section]) if section in parser else {}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{path}: not TOML: {error}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"{path}: not UTF-8") from None


def _advice(found: dict[str, Any]) -> str:
    """What to do by hand, where settings are there already."""
    advice = "has pytest's settings; those of kernels may be added, such as kb_files"
    paths = found.get("testpaths", "")
    if paths and _KERNELS not in str(paths):
        advice += f"; its testpaths lack '{_KERNELS}'"
    return advice


def _examples(directory: Path) -> list[Step]:
    return [
        _new(directory / _KERNELS / name, _template(f"{name}.txt")) for name in _EXAMPLE
    ]


def _workflow(directory: Path) -> Step:
    """At the top of the repository, where GitHub looks, whichever part this is."""
    directory = directory.resolve()
    places = (directory, *directory.parents)
    top = next((place for place in places if (place / ".git").exists()), directory)
    kernels = (directory.relative_to(top) / _KERNELS).as_posix()
    text = _template("workflow.yml").replace("@KERNELS@", kernels)
    return _new(top / _WORKFLOW, text)


def _new(path: Path, text: str) -> Step:
    if not path.exists():
        return Step(path=path, does="write", text=text)
    same = path.is_file() and path.read_bytes() == text.encode()
    remark = "is there already" if same else "is there and differs from the template"
    return Step(path=path, does="keep", remark=remark)


def _template(name: str) -> str:
    file = resources.files("pytest_kernelbench") / "templates" / name
    return file.read_text(encoding="utf-8")
