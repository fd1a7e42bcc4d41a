"""Frames between controller, oracle and candidate.

A frame is a length and a JSON object; file descriptors may ride on it, but only
from the controller down. Nothing is ever unpickled, and a frame that is too long,
not JSON or not an object is the sender's failure, never the reader's.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct("!I")
_MAX_FRAME = 4 << 20
_MAX_DESCRIPTORS = 4
_SEND_TIMEOUT = struct.pack("@ll", 60, 0)
"""A peer that never reads must not block its judge for ever."""


class ChannelError(Exception):
    """The other side cannot be talked to."""


class ChannelClosed(ChannelError):
    """The other side has gone away."""


class ChannelTimeout(ChannelError):
    """The other side did not answer in time."""


class ChannelBroken(ChannelError):
    """The other side sent something that is not a frame."""


class Channel:
    """One end of a stream socket that carries frames.

    The socket always blocks. Its own timeout would be a flag that threads share, and
    processes, too: a fork and its parent, who both begin with the same socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.setblocking(True)  # whatever sockets are here by default
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        self._descriptors: list[int] = []

    def send(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send one frame.

        Raises:
            ChannelClosed: nobody is there to receive it.
        """
        body = json.dumps(message).encode()
        header = _LENGTH.pack(len(body))
        try:
            if descriptors:
                socket.send_fds(self._socket, [header], list(descriptors))
                self._socket.sendall(body)
            else:
                self._socket.sendall(header + body)
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def receive(self, timeout: float | None = None) -> Message:
        """Wait for one frame, at most ``timeout`` seconds in all.

        Raises:
            ChannelClosed, ChannelTimeout, ChannelBroken
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if length > _MAX_FRAME:
            raise ChannelBroken(f"a frame of {length} bytes")
        try:
            message = json.loads(self._read(length, deadline))
        except (ValueError, RecursionError) as error:
            raise ChannelBroken(f"not JSON: {error}") from None
        if not isinstance(message, dict):
            raise ChannelBroken("not an object")
        return message

    def has_more(self, timeout: float) -> bool:
        """Whether something has arrived, or the other side is gone, by then."""
        try:
            poller = select.poll()
            poller.register(self._socket, select.POLLIN)
            return bool(poller.poll(max(timeout, 0.0) * 1e3))
        except (OSError, ValueError):  # closed meanwhile: receiving will tell
            return True

    def take_descriptors(self) -> list[int]:
        """The descriptors that came with the frames received so far."""
        taken, self._descriptors = self._descriptors, []
        return taken

    def _read(self, size: int, deadline: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            data += self._read_some(size - len(data), deadline)
        return bytes(data)

    def _read_some(self, size: int, deadline: float | None) -> bytes:
        if deadline is not None:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not self.has_more(remaining):
                raise ChannelTimeout
        try:
            chunk = self._receive_bytes(size)
        except OSError as error:
            raise ChannelClosed(str(error)) from None
        if not chunk:
            raise ChannelClosed("end of stream")
        return chunk

    def _receive_bytes(self, size: int) -> bytes:
        return self._socket.recv(min(size, 1 << 16))

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        for descriptor in self.take_descriptors():
            os.close(descriptor)


class DescriptorChannel(Channel):
    """An end that accepts descriptors; the controller's ends never do."""

    def _receive_bytes(self, size: int) -> bytes:
        chunk, descriptors, _, _ = socket.recv_fds(
            self._socket, min(size, 1 << 16), _MAX_DESCRIPTORS
        )
        self._descriptors += descriptors
        return chunk


def channel_pair() -> tuple[Channel, socket.socket]:
    """The controller's end, and a socket for the process at the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Channel(ours), theirs
