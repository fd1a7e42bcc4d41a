"""Executors that the tests put into containers, as if the image had them."""

from __future__ import annotations

from concurrent.futures import Future

from pytest_kernelbench.executors.fake import FakeExecutor
from pytest_kernelbench.model import EvalRequest, EvalResult


class CarelessExecutor(FakeExecutor):
    """Runs the kernel in the container's own process: all it does, it does there."""

    def submit(self, request: EvalRequest) -> Future[EvalResult]:
        exec(request.kernel.source, {})
        if request.base is not None:
            exec(request.base.source, {})
        return super().submit(request)
