"""What would distort or prevent measuring on this machine, and how to mend it.

``gather_*`` look, ``facts`` holds what they saw, ``check_*`` judge it; no check looks.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from pytest_kernelbench.doctor import (
    check_gpus,
    check_host,
    check_software,
    gather_gpus,
    gather_host,
    gather_software,
)
from pytest_kernelbench.doctor.facts import Facts, Packages
from pytest_kernelbench.doctor.findings import Diagnosis, Place, diagnosis

CHECKS = (*check_software.CHECKS, *check_gpus.CHECKS, *check_host.CHECKS)


def gather() -> Facts:
    """Look at everything; seconds, where torch is installed or a GPU is there."""
    with ThreadPoolExecutor(1) as pool:
        packages = pool.submit(gather_software.packages)  # imports torch meanwhile
        return _gathered(packages)


def _gathered(packages: Future[Packages]) -> Facts:
    driver, gpus = gather_gpus.driver_and_gpus()
    in_use = any(gpu.processes for gpu in gpus)
    is_visible = any(gpu.visible for gpu in gpus)
    return Facts(
        host=gather_host.host(),
        store=gather_host.store(),
        toolkit=gather_software.toolkit(),
        packages=packages.result(),
        driver=driver,
        gpus=gpus,
        # Not beside somebody's measurement.
        ipc_trouble=gather_gpus.ipc_trouble() if is_visible and not in_use else None,
        isolation=gather_host.isolation(),
        modal_credentials=gather_software.modal_credentials(),
    )


def judge(facts: Facts, wanted: Place | None = None) -> Diagnosis:
    """Let every check say what it has to say."""
    return diagnosis(facts, [f for check in CHECKS for f in check(facts)], wanted)
