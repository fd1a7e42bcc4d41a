"""pytest-xdist: the controller owns the executor, the workers share it.

Registered in the controller only. Reports and results travel on xdist's own channel.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_kernelbench.broker import Broker
from pytest_kernelbench.session import evaluations_of
from pytest_kernelbench.settings import settings_of


class XdistController:
    """Hooks of the controller process: hand out the broker, stop it with the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._broker: Broker | None = None
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        shared: dict[str, Any] = {"seed": settings_of(self._config).seed}
        # A worker on another host, or behind a proxy, opens its own executor.
        if node.gateway.spec.popen and not node.gateway.spec.via:
            if self._broker is None:
                # Made here, not by the first who asks: each worker has a thread that may.
                self._broker = Broker(evaluations_of(self._config))
            shared["broker"] = self._broker.address
        node.workerinput["kernelbench"] = shared

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self) -> None:
        session = self._session
        stopping = session is not None and (session.shouldfail or session.shouldstop)
        if stopping and self._broker is not None:
            self._broker.stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        # Before xdist tears its nodes down: a worker that waits for us cannot end.
        if self._broker is not None:
            self._broker.close()
