"""What a kernel at L2 sees of the file system: the system and Python, nothing of yours.

Built from nothing, so what is not named here is not there: no home, no project, no
results, no build of another kernel, no sockets of services. What is shown is read only,
but for the kernel's own directories, and a ``/tmp`` and a ``/dev/shm`` that end with it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pytest_kernelbench.engine.isolation import linux

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "usr", "etc", "opt", "nix", "sys")
_LINKED_SYSTEM = ("/run/opengl-driver", "/run/current-system")
"""Where NixOS keeps drivers and programs; the rest of ``/run`` are doors to services."""
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ACCELERATORS = ("nvidia", "dri", "kfd", "dxg")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
_SHOWN = linux.READ_ONLY | linux.NO_SUID
_OWN = linux.NO_SUID | linux.NO_DEVICES
_SCRATCH = ("/tmp", "/var/tmp")


@dataclass(frozen=True, slots=True)
class Needs:
    """What this Python, and the programs that it runs, need beside the system."""

    places: tuple[str, ...]
    """None inside another, and none through a symbolic link."""
    links: tuple[tuple[str, str], ...]
    """Symbolic links that lead there, with what they say."""

    @classmethod
    def here(cls, environment: Mapping[str, str]) -> Self:
        links: dict[str, str] = {}
        places: list[str] = []
        for place in sorted({_followed(path, links) for path in _named(environment)}):
            if not any(Path(place).is_relative_to(outer) for outer in places):
                places.append(place)
        return cls(tuple(places), tuple(links.items()))


def _named(environment: Mapping[str, str]) -> Iterator[str]:
    words = [word for word in environment.values() if word.startswith("/")]
    paths = [part for word in words for part in word.split(os.pathsep)]
    paths += [prefix for path in paths if (prefix := _prefix(path))]
    paths += _libraries()
    paths += [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]
    paths += [str(Path(__file__).parents[2]), *_LINKED_SYSTEM, *_editable()]
    for path in paths:
        if (
            path.startswith("/")
            and os.path.realpath(path) != "/"
            and Path(path).exists()
        ):
            yield path


def _followed(path: str, links: dict[str, str]) -> str:
    """The place that a path leads to; adds the links on the way."""
    reached = "/"
    for part in Path(path).parts[1:]:
        step = os.path.normpath(os.path.join(reached, part))
        if os.path.islink(step):
            links[step] = os.readlink(step)
            step = _followed(os.path.join(reached, links[step]), links)
        reached = step
    return reached


def _prefix(path: str) -> str | None:
    """What a directory of programs belongs to: a compiler needs more than its ``bin``."""
    name = Path(path)
    if name.is_file():
        name = name.parent
    home = Path(os.path.expanduser("~"))
    if name.name != "bin" or name.parent == home or not name.is_absolute():
        return None
    below = name.is_relative_to(home) and name.relative_to(home).parts[0]
    # Of a home, not what is of other use: ~/.local has more than ~/.local/bin.
    return None if below and below.startswith(".") else str(name.parent)


def _libraries() -> set[str]:
    """Where the libraries lie that this process itself was found to need."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    files = [line.partition("/")[2] for line in lines if ".so" in line]
    return {f"/{os.path.dirname(file)}" for file in files}


def _editable() -> Iterator[str]:
    """Packages that are imported from where they are developed."""
    ours = str(Path(__file__).parents[3])
    for distribution in importlib.metadata.distributions():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(distribution.read_text("direct_url.json") or "{}")
            place = urllib.parse.unquote(urllib.parse.urlparse(found["url"]).path)
            if found["dir_info"]["editable"] and place != ours:
                yield place


def build_view(
    root: str, *, needs: Needs, hidden: Iterable[str], own: Iterable[str]
) -> None:
    """Lay out a file system below ``root``, in a mount namespace of this process.

    Args:
        root: An empty directory.
        needs: What is shown beside the system's own directories.
        hidden: Directories that are emptied wherever they would be seen.
        own: Directories that the kernel may write to.
    """
    linux.keep_mounts_private()
    linux.mount_new("tmpfs", root, "mode=755,size=1g")
    view = _View(root)
    view.show_system()
    view.hide(hidden)
    view.show(needs)
    view.give(own)
    view.add_devices()
    os.mkdir(f"{root}/proc")
    linux.mount_new("proc", f"{root}/proc")


class _View:
    """Built with ``os`` alone: a room is made for every kernel, and ``Path`` is slow."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._hidden: list[str] = []

    def show_system(self) -> None:
        for entry in os.scandir("/"):
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), self._root + entry.path)
            elif entry.name in _SYSTEM and entry.is_dir():
                self._place(entry.path, _SHOWN)
        for path in _SCRATCH:  # inside the root's own tmpfs and its limit
            os.makedirs(self._root + path)
            os.chmod(self._root + path, 0o1777)

    def hide(self, paths: Iterable[str]) -> None:
        for path in map(os.path.realpath, paths):
            # Never a directory of the system itself, such as a container's /opt.
            if path.count("/") > 1 and os.path.isdir(self._root + path):
                linux.mount_new("tmpfs", self._root + path, "mode=755,size=1m")
                self._hidden.append(path)

    def show(self, needs: Needs) -> None:
        for link, target in needs.links:
            if not os.path.lexists(self._root + link):
                os.makedirs(os.path.dirname(self._root + link), exist_ok=True)
                os.symlink(target, self._root + link)
        for path in needs.places:
            if self._is_hidden(path) or not os.path.exists(self._root + path):
                self._place(path, _SHOWN)

    def give(self, paths: Iterable[str]) -> None:
        own = [os.path.realpath(path) for path in paths]
        # What lies beside the kernel's own is other kernels'.
        self.hide(sorted({os.path.dirname(path) for path in own} - {*_SCRATCH}))
        for path in own:
            self._place(path, _OWN)

    def add_devices(self) -> None:
        os.mkdir(f"{self._root}/dev")
        for entry in os.scandir("/dev"):
            if entry.name in _DEVICES or entry.name.startswith(_ACCELERATORS):
                self._place(entry.path, linux.NO_SUID)
        os.mkdir(f"{self._root}/dev/shm")
        linux.mount_new("tmpfs", f"{self._root}/dev/shm", "mode=1777,size=1g")
        for name, target in _LINKS.items():
            os.symlink(target, f"{self._root}/dev/{name}")

    def _place(self, path: str, attributes: int) -> None:
        """Show a path without symbolic links where it is."""
        target = self._root + path
        if not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.isdir(path):
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT))
        linux.bind(path, target, attributes)

    def _is_hidden(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self._hidden)
