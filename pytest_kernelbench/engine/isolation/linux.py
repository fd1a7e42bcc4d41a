"""System calls that Python does not offer, or offers only since 3.12.

Each raises ``OSError`` as Python's own do, and the message names the call.
"""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

NEW_USERS = 0x1000_0000
NEW_PROCESSES = 0x2000_0000
NEW_MOUNTS = 0x0002_0000
NEW_NETWORK = 0x4000_0000
NEW_IPC = 0x0800_0000

READ_ONLY, NO_SUID, NO_DEVICES = 0x1, 0x2, 0x4
"""Attributes of a mount, as ``mount_setattr`` numbers them."""
_BIND, _RECURSIVE, _PRIVATE, _DETACH = 0x1000, 0x4000, 0x4_0000, 0x2
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522
_CAP_KILL = 5

_libc = ctypes.CDLL(None, use_errno=True)


def _require(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(namespaces: int) -> None:
    """Give this process new namespaces; of processes only to its next child."""
    _require(_libc.unshare(namespaces), "new namespaces")


def join(namespace: int) -> None:
    """Enter a namespace by its descriptor; of processes only for the next child."""
    _require(_libc.setns(namespace, 0), "entering a namespace")


def become_own_user() -> None:
    """A user namespace in which this user is the same, and may make namespaces."""
    user, group = os.geteuid(), os.getegid()  # unknown to the new namespace at first
    unshare(NEW_USERS)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def keep_mounts_private() -> None:
    """From here on, mounts of this process are seen by its namespace alone."""
    _mount(None, "/", None, _RECURSIVE | _PRIVATE, None)


def mount_new(kind: str, target: str, options: str = "") -> None:
    """Mount an empty ``tmpfs``, or the ``proc`` of this process's namespace."""
    _mount(kind, target, kind, NO_SUID, options)


def bind(source: str, target: str, attributes: int) -> None:
    """Show a file or a directory, with what is mounted below it, in a second place."""
    _mount(source, target, None, _BIND | _RECURSIVE, None)
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    result = _libc.syscall(
        *(_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE),
        *(ctypes.byref(wanted), ctypes.c_size_t(ctypes.sizeof(wanted))),
    )
    _require(result, "mount_setattr, of Linux 5.12,")


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None
) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    data = None if options is None else options.encode()
    result = _libc.mount(*words, ctypes.c_ulong(flags), data)
    _require(result, f"mounting {target}")


def change_root(directory: str) -> None:
    """Make a mounted directory the root; nothing outside of it is left."""
    os.chdir(directory)
    # The old root is put on top of the new one, and taken away from there.
    _require(_libc.pivot_root(b".", b"."), "pivot_root")
    _require(_libc.umount2(b".", _DETACH), "leaving the old root")
    os.chdir("/")


def end_with_parent() -> None:
    """Be killed when the parent ends; a change of user takes this back."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def set_dumpable(*, dumpable: bool) -> None:
    """Whether others of this user may trace this process and read its memory."""
    _libc.prctl(_PR_SET_DUMPABLE, int(dumpable))


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def forgo_new_privileges() -> None:
    """Gain nothing from set-user-id programs any more."""
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def remove_shared_memory(segment: int) -> None:
    _libc.shmctl(segment, 0, None)


def remove_queue(queue: int) -> None:
    _libc.msgctl(queue, 0, None)


def drop_capabilities(*, but_signals: bool = False) -> None:
    """Keep no right beyond those of this user's files; root's, too, are taken.

    Args:
        but_signals: Keep that of signalling processes of other users.
    """
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    forgo_new_privileges()
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    kept = (ctypes.c_uint32 * 6)()
    if but_signals:
        kept[0] = kept[1] = 1 << _CAP_KILL
        if _libc.capset(header, kept) == 0:
            return
        kept[0] = kept[1] = 0  # we have never had it
    _require(_libc.capset(header, kept), "capset")
