"""Frames between processes of which one is not to be believed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from pathlib import Path

import pytest

from pytest_kernelbench.engine.channel import (
    Channel,
    ChannelBroken,
    ChannelClosed,
    ChannelError,
    ChannelTimeout,
    DescriptorChannel,
    channel_pair,
)


@pytest.fixture
def pair():
    """A channel, and the bare socket of whoever is at its other end."""
    channel, peer = channel_pair()
    with contextlib.closing(channel), contextlib.closing(peer):
        yield channel, peer


def frame(body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + body


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


class TestFrames:
    def test_arrive_as_they_were_sent(self, pair):
        channel, peer = pair
        messages = [{"do": "burst", "places": [[1, 512]]}, {}, {"text": "é\n\x00"}]
        for message in messages:
            channel.send(message)
        other = Channel(peer)
        assert [other.receive(5) for _ in messages] == messages

    def test_may_be_longer_than_the_socket_holds(self, pair):
        channel, peer = pair
        message = {"log": "x" * 3_000_000}
        sender = threading.Thread(target=channel.send, args=(message,))
        sender.start()
        assert Channel(peer).receive(20) == message
        sender.join()

    def test_may_arrive_in_pieces(self, pair):
        channel, peer = pair
        for byte in frame(b'{"a": 1}'):
            peer.sendall(bytes([byte]))
        assert channel.receive(5) == {"a": 1}

    def test_leave_alone_the_flags_that_others_with_the_same_socket_share(self, pair):
        channel, peer = pair
        with contextlib.closing(Channel(peer.dup())) as forked:
            for timeout in (None, 5):
                forked.send({})
                channel.send({})
                assert os.get_blocking(peer.fileno())
                forked.receive(timeout)
                channel.receive(timeout)
                assert os.get_blocking(peer.fileno())
            with pytest.raises(ChannelTimeout):
                forked.receive(0.01)
            assert os.get_blocking(peer.fileno())

    def test_that_announce_too_many_bytes_are_broken_before_any_is_read(self, pair):
        channel, peer = pair
        peer.sendall(struct.pack("!I", 0xFFFFFFFF))
        with pytest.raises(ChannelBroken, match="4294967295 bytes"):
            channel.receive(5)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff\xfe",
            b"not json",
            b'{"a": 1',
            b"\x80\x04\x95",  # a pickle's first bytes
            b"[" * 100_000,
            b"1" * 10_000,
        ],
        ids=["empty", "binary", "text", "cut", "pickle", "deep", "long number"],
    )
    def test_that_are_not_json_are_broken(self, pair, body):
        channel, peer = pair
        peer.sendall(frame(body))
        with pytest.raises(ChannelBroken, match="not JSON"):
            channel.receive(5)

    @pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"NaN"])
    def test_that_are_not_objects_are_broken(self, pair, body):
        channel, peer = pair
        peer.sendall(frame(body))
        with pytest.raises(ChannelBroken, match="not an object"):
            channel.receive(5)


class TestWaiting:
    def test_ends_when_the_peer_says_nothing(self, pair):
        channel, _ = pair
        with pytest.raises(ChannelTimeout):
            channel.receive(0.02)

    def test_has_already_ended_when_no_time_is_left(self, pair):
        channel, _ = pair
        with pytest.raises(ChannelTimeout):
            channel.receive(-1)

    def test_is_as_long_as_asked_whatever_sockets_do_by_default(self):
        default = socket.getdefaulttimeout()
        socket.setdefaulttimeout(0.01)
        try:
            channel, peer = channel_pair()
        finally:
            socket.setdefaulttimeout(default)
        with contextlib.closing(channel), contextlib.closing(peer):
            sender = threading.Timer(0.1, Channel(peer).send, ({"a": 1},))
            sender.start()
            assert channel.receive() == {"a": 1}
            sender.join()

    def test_is_not_prolonged_by_a_peer_that_sends_a_byte_now_and_then(self, pair):
        channel, peer = pair
        stop = threading.Event()

        def drip() -> None:
            peer.sendall(struct.pack("!I", 1_000_000))
            while not stop.wait(0.01):
                peer.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            with pytest.raises(ChannelTimeout):
                channel.receive(0.2)
        finally:
            stop.set()
            dripping.join()


class TestAClosedPeer:
    def test_is_noticed_when_receiving(self, pair):
        channel, peer = pair
        peer.close()
        with pytest.raises(ChannelClosed):
            channel.receive(5)

    def test_is_noticed_in_the_middle_of_a_frame(self, pair):
        channel, peer = pair
        peer.sendall(frame(b'{"a": 1}')[:6])
        peer.close()
        with pytest.raises(ChannelClosed):
            channel.receive(5)

    def test_is_noticed_when_sending(self, pair):
        channel, peer = pair
        peer.close()
        with pytest.raises(ChannelClosed):
            channel.send({})

    def test_leaves_what_it_had_sent_before(self, pair):
        channel, peer = pair
        Channel(peer).send({"last": "words"})
        peer.close()
        assert channel.receive(5) == {"last": "words"}

    def test_and_our_own_closed_end_are_channel_errors(self, pair):
        channel, _ = pair
        channel.close()
        with pytest.raises(ChannelError):
            channel.send({})
        with pytest.raises(ChannelError):
            channel.receive(1)


class TestDescriptors:
    def test_reach_the_end_that_accepts_them(self, pair):
        channel, peer = pair
        reading, writing = os.pipe()
        channel.send({"here": "is a pipe"}, (writing,))
        os.close(writing)
        accepting = DescriptorChannel(peer)
        assert accepting.receive(5) == {"here": "is a pipe"}
        (received,) = accepting.take_descriptors()
        os.write(received, b"through")
        os.close(received)
        assert os.read(reading, 100) == b"through"
        os.close(reading)

    def test_are_taken_once(self, pair):
        channel, peer = pair
        channel.send({}, (0, 1))
        accepting = DescriptorChannel(peer)
        accepting.receive(5)
        taken = accepting.take_descriptors()
        assert len(taken) == 2
        assert accepting.take_descriptors() == []
        for descriptor in taken:
            os.close(descriptor)

    def test_do_not_reach_the_end_of_the_controller(self, pair):
        channel, peer = pair
        before = open_descriptors()
        body = json.dumps({"take": "this"}).encode()
        socket.send_fds(peer, [frame(body)], [0, 1, 2])
        assert channel.receive(5) == {"take": "this"}
        assert channel.take_descriptors() == []
        assert open_descriptors() == before

    def test_that_nobody_took_are_closed_with_the_channel(self):
        ours, peer = channel_pair()
        before = open_descriptors()
        ours.send({}, (0,))
        accepting = DescriptorChannel(peer)
        accepting.receive(5)
        accepting.close()
        assert open_descriptors() < before
        ours.close()


def test_receiving_without_a_limit_waits_for_the_frame(pair):
    channel, peer = pair
    later = threading.Timer(0.05, Channel(peer).send, [{"late": True}])
    later.start()
    assert channel.receive() == {"late": True}
    later.join()
