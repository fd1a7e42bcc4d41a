"""Trees of files that a kernel may have made: walked and removed however deep.

``os.walk`` recurses before Python 3.12, and ``shutil.rmtree`` in every version that we
know: a thousand directories in each other, which cost a kernel nothing, would be an
exception of ours. Symbolic links are never followed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_OWN = 0o700


def entries_below(top: Path) -> Iterator[os.DirEntry[str]]:
    """All that lies below a directory, as far down as a path can name."""
    waiting = [os.fspath(top)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def remove(top: Path) -> None:
    """Remove a directory that nobody uses any more; what withstands is left there.

    Each directory is lifted to the top before it is emptied, so that no path is long.
    """
    with contextlib.suppress(OSError):
        top.chmod(_OWN)
    waiting = [os.fspath(top)]
    while waiting:
        directory = waiting.pop()
        with contextlib.suppress(OSError):
            with os.scandir(directory) as found:
                entries = list(found)  # before any of them is moved
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting += _lifted(entry.path, top)
                else:
                    os.unlink(entry.path)  # noqa: PTH108 - a Path for each is slow
        if directory != os.fspath(top):
            _discard(directory)
    _discard(os.fspath(top))


def _lifted(directory: str, top: Path) -> list[str]:
    place = str(top / secrets.token_hex(8))
    with contextlib.suppress(OSError):
        os.chmod(directory, _OWN)  # noqa: PTH101
        os.rename(directory, place)  # noqa: PTH104
        return [place]
    return []


def _discard(directory: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(directory)  # noqa: PTH106
