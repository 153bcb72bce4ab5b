import asyncio
import logging
import os
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest
import uvloop

from puyun.wiring.listener import PAUSE_SECONDS, TURN_MAX, Listener

Turns = list[int]


class Guest(asyncio.Protocol):
    """Notes at which turn of the loop it came in."""

    def __init__(self, hall: "Hall") -> None:
        self.hall = hall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.hall.came.append(self.hall.turn)
        self.hall.nodelay = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class Hall:
    """A listener, those who call on it, and the turns of the loop counted."""

    def __init__(self, stack: ExitStack) -> None:
        self.turn, self.nodelay = 0, 0
        self.came: Turns = []
        self._stack = stack
        self._place = stack.enter_context(socket.socket())
        self._place.bind(("127.0.0.1", 0))
        self.listener = Listener(self._place, lambda: Guest(self))

    def call(self, times: int) -> None:
        for _ in range(times):
            self._stack.enter_context(socket.create_connection(self._place.getsockname(), 5))

    async def turns(self, wanted: int) -> None:
        for _ in range(wanted):
            self.turn += 1
            await asyncio.sleep(0)


def on_the_servers_loop(walk: Callable[[Hall], Awaitable[None]]) -> None:
    async def run() -> None:
        with ExitStack() as stack:
            hall = Hall(stack)
            await walk(hall)
            hall.listener.close()
            await hall.listener.wait_closed()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_all_who_wait_come_in_at_one_turn() -> None:
    async def walk(hall: Hall) -> None:
        hall.call(40)
        await hall.turns(6)
        assert len(hall.came) == 40
        assert len(set(hall.came)) == 1
        assert hall.nodelay

    on_the_servers_loop(walk)


def test_a_crowd_at_the_door_leaves_the_loop_its_turns() -> None:
    async def walk(hall: Hall) -> None:
        hall.call(TURN_MAX + 10)
        await hall.turns(6)
        first, last = min(hall.came), max(hall.came)
        assert (hall.came.count(first), hall.came.count(last)) == (TURN_MAX, 10)

    on_the_servers_loop(walk)


def test_one_who_left_while_waiting_does_not_keep_out_the_next() -> None:
    async def walk(hall: Hall) -> None:
        place = hall.listener.sockets[0].getsockname()
        gone = socket.create_connection(place, 5)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()
        hall.call(1)
        await hall.turns(6)
        assert hall.came

    on_the_servers_loop(walk)


def test_without_a_free_descriptor_newcomers_wait_and_come_in_later(caplog: pytest.LogCaptureFixture) -> None:
    async def walk(hall: Hall) -> None:
        hall.call(2)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            await hall.turns(6)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert hall.came == []
        await asyncio.sleep(PAUSE_SECONDS)
        await hall.turns(6)
        assert len(hall.came) == 2

    with caplog.at_level(logging.ERROR):
        on_the_servers_loop(walk)
    assert [record.message for record in caplog.records] == ["no connection can be taken in"]


def test_nobody_comes_in_once_it_is_closed() -> None:
    async def walk(hall: Hall) -> None:
        hall.listener.close()
        hall.call(1)
        await hall.turns(6)
        assert hall.came == []

    on_the_servers_loop(walk)


def test_whoever_was_let_in_before_it_closed_is_inside_once_it_has() -> None:
    async def walk(hall: Hall) -> None:
        hall.call(3)
        while not hall.listener.entering:
            await hall.turns(1)
        hall.listener.close()
        await hall.listener.wait_closed()
        assert len(hall.came) == 3

    on_the_servers_loop(walk)
