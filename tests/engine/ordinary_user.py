"""Runs Python as somebody else, to whom this installation is made readable.

    python ordinary_user.py [--root] [--without-namespaces] ARGUMENTS OF PYTHON

That is an ordinary user, or root with fewer rights. Root's tests thereby show what
everybody else gets. Changes last as long as the process.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pytest_kernelbench.engine.isolation import linux
from pytest_kernelbench.engine.isolation.sandbox import base_environment
from pytest_kernelbench.engine.isolation.view import Needs

USER = 54_321


def main(arguments: list[str]) -> None:
    flags = {
        word for word in arguments[:2] if word in ("--root", "--without-namespaces")
    }
    scratch = tempfile.mkdtemp(prefix="kernelbench-user-")
    Path(scratch).chmod(0o755)
    if os.geteuid() == 0:
        linux.unshare(linux.NEW_MOUNTS)
        linux.keep_mounts_private()
        make_reachable(map(Path, Needs.here(base_environment()).places), Path(scratch))
        if "--root" not in flags:
            become_ordinary(scratch)
    if "--without-namespaces" in flags:
        forgo_namespaces()
    os.environ |= {"HOME": scratch, "TMPDIR": scratch, "PYTHONDONTWRITEBYTECODE": "1"}
    os.execv(sys.executable, [sys.executable, *arguments[len(flags) :]])


def become_ordinary(scratch: str) -> None:
    os.chown(scratch, USER, USER)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    linux.set_dumpable(dumpable=True)


def forgo_namespaces() -> None:
    if os.geteuid() == 0:  # as in most containers: without CAP_SYS_ADMIN
        ctypes.CDLL(None).prctl(24, 21, 0, 0, 0)
    else:  # a namespace of users in which there can be no other
        linux.become_own_user()
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        linux.drop_capabilities()


def make_reachable(places: Iterable[Path], scratch: Path) -> None:
    """Show them alone, where there were directories that others may not pass."""
    closed: dict[Path, list[Path]] = {}
    for place in places:
        barred = [path for path in place.parents if not path.stat().st_mode & 0o001]
        if barred:
            closed.setdefault(barred[-1], []).append(place)
    for directory, kept in closed.items():
        for number, place in enumerate(kept):
            (scratch / str(number)).mkdir(exist_ok=True)
            linux.bind(str(place), str(scratch / str(number)), linux.NO_SUID)
        linux.mount_new("tmpfs", str(directory), "mode=755")
        for number, place in enumerate(kept):
            place.mkdir(parents=True)
            linux.bind(str(scratch / str(number)), str(place), linux.NO_SUID)


if __name__ == "__main__":
    main(sys.argv[1:])
