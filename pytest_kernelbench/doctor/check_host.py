"""Do the cores, the memory and the disk leave a measurement alone?"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_kernelbench.doctor.facts import Facts
from pytest_kernelbench.doctor.findings import Finding, doubtful, fine, preventing

_GIB = 1 << 30
_BUSY = 0.5
"""Load per core."""
_STOLEN = 0.01
_LITTLE_MEMORY, _LITTLE_DISK = 4 * _GIB, 2 * _GIB


def cores(facts: Facts) -> Iterator[Finding]:
    host = facts.host
    if host.quota is not None and host.quota < host.cores:
        what = (
            f"{host.cores}, but a quota of {host.quota:.3g}: whoever uses more is "
            "stopped for part of a second, also while being timed"
        )
        mend = "give the container whole cores (--cpuset-cpus) and no quota"
        yield doubtful("cores", what, mend)
    elif host.cores == 1:
        what = "one: building and timing take turns"
        yield doubtful("cores", what, "use two cores or more")
    else:
        yield fine("cores", str(host.cores))


def load(facts: Facts) -> Iterator[Finding]:
    host = facts.host
    if host.load is not None and host.load > _BUSY * host.cores:
        what = f"{host.load:.1f} over the last minute on {host.cores} cores"
        mend = "end what else runs here, or wait for it: see `top`"
        yield doubtful("load", what, mend)
    elif host.load is not None:
        yield fine("load", f"{host.load:.1f} over the last minute")
    if host.stolen is not None and host.stolen > _STOLEN:
        what = f"other virtual machines took {host.stolen:.1%} of the time since boot"
        mend = "use a machine with cores of its own; expect wide intervals here"
        yield doubtful("neighbours", what, mend)


def governor(facts: Facts) -> Iterator[Finding]:
    slow = [name for name in facts.host.governors if name != "performance"]
    if slow:
        what = f"{', '.join(slow)}: the cores' clock follows the load"
        mend = "sudo cpupower frequency-set -g performance"
        yield doubtful("CPU governor", what, mend)
    elif facts.host.governors:
        yield fine("CPU governor", "performance")


def memory(facts: Facts) -> Iterator[Finding]:
    available = facts.host.memory
    if available is None:
        return
    what = f"{available / _GIB:.1f} GiB available"
    if available < _LITTLE_MEMORY:
        what += ": larger problems will not fit, nor many builds at once"
        yield doubtful("memory", what, "end what else runs here, or set MAX_JOBS=1")
    else:
        yield fine("memory", what)


def builds(facts: Facts) -> Iterator[Finding]:
    store = facts.store
    if store.obstacle is not None:
        what = f"{store.path} cannot be written: {store.obstacle}"
        mend = "set XDG_CACHE_HOME to a directory that can, or use --kb-no-cache"
        yield preventing("build cache", what, mend, "cpu", "cuda")
    elif not store.runs_code:
        what = f"{store.path} is mounted noexec: what is built there cannot be loaded"
        mend = "set XDG_CACHE_HOME to a directory on another file system"
        yield doubtful("build cache", what, mend)
    elif store.free is not None and store.free < _LITTLE_DISK:
        what = f"{store.free / _GIB:.1f} GiB free for {store.path}"
        yield doubtful("build cache", what, f"free some space, or delete {store.path}")
    else:
        free = f", {store.free / _GIB:.0f} GiB free" if store.free is not None else ""
        yield fine("build cache", f"{store.path}{free}")


def isolation(facts: Facts) -> Iterator[Finding]:
    found = facts.isolation
    yield fine("isolation", f"{found.level}: {found.why}", found.mend)


CHECKS = (cores, load, governor, memory, builds, isolation)
