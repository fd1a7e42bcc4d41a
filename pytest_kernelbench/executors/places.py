"""Who may use a device, and when: several approach, one at a time is timed.

Most of what an evaluation does on a device is not timed: starting CUDA, compiling at
the first call, checking. On a GPU that goes on for a few kernels at once, and while a
burst of any of them is on the clock, all the others are stopped. Work that a stopped
process has launched goes on, so the clock starts only once the device is seen to be
idle; who keeps it busy for long is ended and evaluated again, alone.

They claim what memory they will need, and wait where that is others'. Whoever may not
share (the CPU, problems that need most of the memory, an evaluation that was disturbed)
waits until nobody else is there. Other sessions are kept out by a lock on a
file, which is let go now and then so that they get their turn.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_kernelbench.engine.clients import OracleClient, OracleProcess
from pytest_kernelbench.engine.isolation.sandbox import Sandboxed
from pytest_kernelbench.engine.lease import Lease
from pytest_kernelbench.errors import ExecutorError

_LOCK_PAUSE = 0.05
_LONGEST_LEASE = 30.0
"""Seconds after which other sessions get their turn."""
_CLAIMABLE = 0.85
"""Of a device's memory; contexts and what allocators keep take the rest."""
_PATIENCE = 10.0
"""Seconds that one who waits for memory lets others pass who need less."""


class Place:
    """One evaluation's place at a device."""

    def __init__(
        self, places: Places, candidate: Sandboxed | None, *, alone: bool
    ) -> None:
        self._places = places
        self.candidates = [] if candidate is None else [candidate]
        """Everything of this evaluation that others' clocks must not run beside."""
        self.alone = alone
        self.disturbed = False
        """Whether others' doing has spoilt what happens here; never when alone."""
        self.claimed = 0
        """Bytes of the device's memory."""
        self.oracle: OracleClient

    def processes(self) -> set[int]:
        """Ids of all processes that belong on the device."""
        return self._places.processes() | {self.oracle.pid}

    def claim(self, size: int, device_size: int) -> bool:
        """Wait until so many bytes of the device are ours; False if they never can be.

        Raises:
            ExecutorError: the executor was closed.
        """
        return self._places.claim(self, size, device_size)

    @contextlib.contextmanager
    def foreground(self) -> Iterator[None]:
        """Wait to be the one that is checked and timed."""
        with self._places.in_front(self):
            yield

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Nobody else runs, or asks the oracle, meanwhile."""
        with self.oracle.turn(), self._places.held_but(self):
            yield


class Places:
    """The places at one device.

    The mutable state is who has one, who waits for memory or to be timed, who is, whether
    the file is locked and since when; it changes under one condition.
    """

    def __init__(
        self,
        most: int,
        lease: Path,
        running_oracle: Callable[[], OracleProcess],
        candidates: Callable[[], list[Sandboxed]],
    ) -> None:
        self._most = most
        self._lease_path = lease
        self._candidates = candidates
        self._running_oracle = running_oracle
        self._changed = threading.Condition()
        self._taken: list[Place] = []
        self._claiming: dict[Place, float] = {}
        self._builders: list[Sandboxed] = []
        self._oracle: OracleProcess | None = None
        self._waiting_to_be_alone = 0
        self._lease: Lease | None = None
        self._since = 0.0
        self._closed = False
        self._ready: list[Place] = []
        self._front: Place | None = None

    @contextlib.contextmanager
    def building(self, candidate: Sandboxed) -> Iterator[None]:
        """A build may go on beside all of this.

        While something is timed its process stands still; compilers that it has started
        are in groups of their own and go on, on other cores and with little priority.
        """
        with self._changed:
            self._builders.append(candidate)
        try:
            yield
        finally:
            with self._changed:
                self._builders.remove(candidate)

    @contextlib.contextmanager
    def taken(self, candidate: Sandboxed | None, *, alone: bool) -> Iterator[Place]:
        """Wait for a place, and hold it; without a candidate for the oracle alone.

        Who leaves for good has ended its candidates.

        Raises:
            ExecutorError: the executor was closed, or no oracle starts.
        """
        place = Place(self, candidate, alone=alone or self._most == 1)
        self._enter(place)
        try:
            yield place
        finally:
            place.oracle.end()
            self._leave(place)

    def close(self) -> None:
        self._closed = True

    def processes(self) -> set[int]:
        with self._changed:
            places = [one.pid for place in self._taken for one in place.candidates]
            return {*places, *(one.pid for one in self._builders)}

    def _enter(self, place: Place) -> None:
        with self._changed:
            self._waiting_to_be_alone += place.alone
            try:
                while not self._admits(place):
                    self._changed.wait(timeout=1.0)
                    self._require_open()
            finally:
                self._waiting_to_be_alone -= place.alone
            self._taken.append(place)
            first = len(self._taken) == 1
        if first:
            self._open(place)
        assert self._oracle is not None
        place.oracle = self._oracle.session()

    def claim(self, place: Place, size: int, device_size: int) -> bool:
        most = _CLAIMABLE * device_size
        if size > most:
            return False
        with self._changed:
            self._claiming[place] = time.monotonic()
            try:
                while self._claimed() + size > most or not self._may_claim(place):
                    self._changed.wait(timeout=1.0)
                    self._require_open()
            finally:
                del self._claiming[place]
                self._changed.notify_all()
            place.claimed = size
        return True

    @contextlib.contextmanager
    def in_front(self, place: Place) -> Iterator[None]:
        """Wait to be the one that is timed, and be it."""
        with self._changed:
            self._ready.append(place)
            try:
                while self._front is not None or place is not self._next():
                    self._changed.wait(timeout=1.0)
                    self._require_open()
                self._front = place
            finally:
                self._ready.remove(place)
        try:
            yield
        finally:
            with self._changed:
                self._front = None
                self._changed.notify_all()

    def _next(self) -> Place:
        """Who came first; where somebody waits for memory, who has most of it."""
        if not self._claiming:
            return self._ready[0]
        return max(self._ready, key=lambda place: place.claimed)

    def _claimed(self) -> int:
        return sum(place.claimed for place in self._taken)

    def _may_claim(self, place: Place) -> bool:
        """Small ones may pass a large one, but not for ever."""
        first, since = next(iter(self._claiming.items()))
        return place is first or time.monotonic() - since < _PATIENCE

    def _open(self, place: Place) -> None:
        """Have the device to ourselves, and an oracle; others wait for that."""
        with contextlib.ExitStack() as undo:
            undo.callback(self._leave, place)
            lease = undo.enter_context(contextlib.closing(self._leased()))
            oracle = self._running_oracle()
            undo.pop_all()
        with self._changed:
            self._lease, self._oracle, self._since = lease, oracle, time.monotonic()
            self._changed.notify_all()

    def _admits(self, place: Place) -> bool:
        if not self._taken:
            return True
        if place.alone or self._taken[0].alone or self._waiting_to_be_alone:
            return False
        fresh = time.monotonic() - self._since < _LONGEST_LEASE
        usable = self._oracle is not None and self._oracle.usable
        return fresh and usable and len(self._taken) < self._most

    def _leave(self, place: Place) -> None:
        with self._changed:
            self._taken.remove(place)
            if not self._taken:
                self._oracle = None
                if self._lease is not None:
                    self._lease.close()
                    self._lease = None
            self._changed.notify_all()

    def _leased(self) -> Lease:
        """Keep out other sessions; looks up now and then, so that close() is heard."""
        lease = Lease(self._lease_path)
        try:
            while not lease.taken():
                self._require_open()
                self._convict(lease.holder())
                lease.require_progress()
                time.sleep(_LOCK_PAUSE)
        except BaseException:
            lease.close()
            raise
        return lease

    def _convict(self, holder: int | None) -> None:
        """A kernel that has taken the lock would keep all others out, and be waited for."""
        for candidate in self._candidates():
            if holder is not None and candidate.owns(holder):
                candidate.convict("took the lock that says whose turn the device is")

    def _require_open(self) -> None:
        if self._closed:
            raise ExecutorError("the executor was closed")

    @contextlib.contextmanager
    def held_but(self, place: Place) -> Iterator[None]:
        """Stop what runs for others, until the device is idle and to the end of this."""
        with self._changed:  # nobody comes or goes meanwhile
            others = [other for other in self._taken if other is not place]
            running = [one for other in others for one in other.candidates]
            running += self._builders
            for one in running:
                one.hold()
            try:
                if running and place.oracle.idle_since() is None:
                    _end(others)
                yield
            finally:
                for one in running:
                    one.release()


def _end(places: list[Place]) -> None:
    """One of them keeps the device busy; which, each will show when it is alone."""
    for place in places:
        place.disturbed = True
        for one in place.candidates:
            one.kill()
