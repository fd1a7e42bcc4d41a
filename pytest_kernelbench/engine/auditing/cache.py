"""What is known of problems: asked of the oracle once, then kept.

An audit depends on the problem's text, the precision, the tolerance, torch and the
device, so it is kept under a hash of these: in memory for the session, and
as a file for later ones. A file that cannot be read or written costs the time to ask
again, and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec

from pytest_kernelbench.engine.clients import OracleClient
from pytest_kernelbench.errors import KernelBenchError
from pytest_kernelbench.model import Audit, Options, Problem

_REVISION = 3
"""Of what an audit tries; older files are then not found."""
_MOST_SECONDS = 60.0


class SpoiltAuditError(KernelBenchError):
    """An audit was given up for want of time or memory, and a kernel was there."""


class AuditCache:
    """Audits by what they depend on."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Audit] = {}

    def audit(
        self,
        oracle: OracleClient,
        problem: Problem,
        options: Options,
        *,
        seed: int,
        environment: tuple[str, ...],
        beside_kernel: bool,
    ) -> Audit:
        """The audit of the problem that the oracle has loaded.

        Args:
            oracle: Is asked if nobody has before.
            problem: Whose it is.
            options: Tell precision and tolerance.
            seed: Of the inputs that are tried.
            environment: Versions and device that the outcome depends on.
            beside_kernel: Whether one has a process, and so a hand in what time and
                memory there is.

        Raises:
            SpoiltAuditError: what is given up beside a kernel is not taken for true.
        """
        key = _key(problem, options, environment)
        found = self._find(key, from_file=options.reuse)
        if found is None:
            found = self._ask(key, oracle, options, seed)
            if found.skipped and beside_kernel:
                raise SpoiltAuditError(f"the problem was not audited: {found.skipped}")
            self._keep(key, found)
        return found

    def _ask(
        self, key: str, oracle: OracleClient, options: Options, seed: int
    ) -> Audit:
        try:
            reply = oracle.ask(
                options.timeout,
                do="audit",
                seed=seed,
                tolerance=options.tolerance,
                seconds=min(_MOST_SECONDS, options.timeout / 2),
            )
        except KernelBenchError:
            # Or what ended the oracle would do so for every kernel.
            self._known[key] = Audit(skipped="it failed on inputs that were tried")
            raise
        return Audit.from_builtins(reply)

    def _find(self, key: str, *, from_file: bool) -> Audit | None:
        if key in self._known or not from_file:
            return self._known.get(key)
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return Audit.from_json((self._root / f"{key}.json").read_bytes())
        return None

    def _keep(self, key: str, audit: Audit) -> None:
        self._known[key] = audit
        if audit.skipped:
            return
        path = self._root / f"{key}.json"
        partial = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._root.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(audit.to_json())
            partial.replace(path)


def _key(problem: Problem, options: Options, environment: tuple[str, ...]) -> str:
    parts = (
        str(_REVISION),
        problem.source,
        options.precision,
        options.tolerance,
        *environment,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
