"""What git knows of a work tree: which files changed since a revision, and their text.

Read only: nothing in the repository is written, not its index either. Git is asked
through its own commands, in the forms that scripts may rely on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pytest_kernelbench.errors import RepositoryError

_GIT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The work tree against a commit; paths are relative to the root."""

    changed: dict[str, str | None]
    """What each file was called that is not as it was; None where it did not exist."""
    renamed: dict[str, str]
    """Former names of files whose content is as it was."""
    deleted: tuple[str, ...]


class Repository:
    """A git work tree."""

    def __init__(self, directory: Path) -> None:
        """
        Raises:
            RepositoryError: there is no work tree, or no git.
        """
        self.root = directory
        self.root = Path(self._git("rev-parse", "--show-toplevel").rstrip("\n"))

    def base(self, ref: str) -> str:
        """The commit that is meant by "since ``ref``": where this branch left it.

        Without a common ancestor, as in a shallow clone, it is the commit itself.

        Raises:
            RepositoryError: there is no such commit, with how to get it.
        """
        try:
            commit = self._git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except RepositoryError:
            commit = ""
        if not commit or ref.startswith("-"):
            raise RepositoryError(
                f"no commit '{ref}' in {self.root}{self._advice(ref)}"
            )
        commit = commit.strip()
        try:
            return self._git("merge-base", commit, "HEAD").strip()
        except RepositoryError:
            return commit

    def _advice(self, ref: str) -> str:
        if self._git("rev-parse", "--is-shallow-repository").strip() != "true":
            return ""
        remotes = self._git("remote").split()
        remote, _, branch = ref.partition("/")
        if remote not in remotes or not branch:
            remote, branch = next(iter(remotes), "origin"), ref
        what = f"{branch}:refs/remotes/{remote}/{branch}"
        if re.search(r"[~^@]", ref) or re.fullmatch(r"[0-9a-f]{7,64}", ref):
            what = "--unshallow"
        return (
            f": this clone is shallow, try 'git fetch {remote} {what}' "
            "(in GitHub Actions: fetch-depth: 0)"
        )

    def difference(self, commit: str) -> Difference:
        """What differs in the work tree from a commit, new files included."""
        words = self._named_changes(commit).split("\0")
        changed: dict[str, str | None] = {}
        renamed: dict[str, str] = {}
        deleted = []
        while words and words[0]:
            status, path = words.pop(0), words.pop(0)
            if status == "D":
                deleted.append(path)
            elif status == "A":
                changed[path] = None
            elif status[0] == "R":
                target = words.pop(0)
                (renamed if status == "R100" else changed)[target] = path
            else:
                changed[path] = path
        return Difference(changed=changed, renamed=renamed, deleted=tuple(deleted))

    def _named_changes(self, commit: str) -> str:
        # New files are announced in a copy of the index: or git would not see that a
        # file was moved which nobody has added yet.
        with tempfile.TemporaryDirectory(prefix="kernelbench-") as scratch:
            index = self._place("index")
            if index.exists():
                # With its time: git asks it whether a file may have changed since.
                shutil.copy2(index, Path(scratch) / "index")
            copy = {
                "GIT_INDEX_FILE": str(Path(scratch) / "index"),
                "GIT_OBJECT_DIRECTORY": scratch,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._place("objects")),
            }
            self._git("add", "--intent-to-add", "--", ".", **copy)
            return self._git(
                *("diff", "--name-status", "-z", "--find-renames", "--no-ext-diff"),
                *("--ignore-submodules", commit, "--"),
                **copy,
            )

    def _place(self, name: str) -> Path:
        return self.root / self._git("rev-parse", "--git-path", name).strip()

    def text(self, commit: str, path: str) -> bytes:
        """A file as a checkout of the commit would have it."""
        words = ("cat-file", "--filters", f"{commit}:{path}")
        return os.fsencode(self._git(*words))

    def holds(self, commit: str, path: str) -> bool:
        """Whether a commit has a file."""
        words = ("ls-tree", "--name-only", "-z", commit, "--", path)
        return bool(self._git(*words))

    def name_of(self, path: Path) -> str | None:
        """A file as git calls it; None outside the work tree."""
        root, path = self.root.resolve(), path.resolve()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else None

    def _git(self, *words: str, **variables: str) -> str:
        try:
            done = subprocess.run(
                ["git", *words],  # noqa: S607  whichever git the user has
                cwd=self.root,
                env={**os.environ, **variables},
                capture_output=True,
                timeout=_GIT_SECONDS,
                check=True,
            )
        except FileNotFoundError:
            raise RepositoryError("git is not installed") from None
        except subprocess.TimeoutExpired:
            raise RepositoryError(f"git {words[0]} took too long") from None
        except subprocess.CalledProcessError as error:
            said = os.fsdecode(error.stderr).strip().splitlines() or ["failed"]
            raise RepositoryError(f"git {words[0]}: {said[0]}") from None
        return os.fsdecode(done.stdout)
