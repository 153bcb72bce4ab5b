"""The arbiter's side of the socket: what it keeps of workers that are gone, and whom it does not listen to."""

import asyncio
from collections.abc import Callable

import pytest
from arbitration import Arbitration, play
from asking import ask, configuration, lane
from scripted import until

from puyun.arbiter.remote import server, wire
from puyun.arbiter.remote.client import Client
from puyun.catalog.model import Tier
from puyun.scheduler.attempt import NOTHING, OK, Signal, SignalKind

ONE = configuration(lane(seats=1))


async def lose(client: Client) -> None:
    """As if its process had been killed."""
    assert client._connection is not None
    client._connection.transport.abort()
    client._connect = nowhere


async def nowhere(_factory: Callable[[], asyncio.Protocol]) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
    raise ConnectionRefusedError


def test_seats_of_a_lost_worker_are_kept_for_a_while_and_then_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HOLD_SECONDS", 0.4)

    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        await first.acquire(ask()).seat()
        queued = first.acquire(ask())
        await until(lambda: queued.standing is not None, "the queue")
        await lose(first)
        await until(lambda: bool(stage.desk._orphans), "the seat to be kept")
        waits = second.acquire(ask())
        assert await waits.seat() == 1, "neither the lost one nor what it had in the queue is in the way"
        assert not stage.desk._orphans, "it was not kept"

    play(scene, lanes=ONE)


def test_a_worker_that_comes_back_in_time_keeps_its_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HOLD_SECONDS", 0.3)

    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        one = first.acquire(ask())
        await one.seat()
        assert first._connection is not None
        first._connection.transport.abort()
        await until(lambda: not first.joined, "the loss to be noticed")
        await until(lambda: first.joined, "the worker to be back")
        waits = second.acquire(ask())
        await asyncio.sleep(0.6)
        assert not waits.lane, "the first loss ended a seat that had been claimed again"
        one.end(NOTHING, OK)
        assert await waits.seat() == 1

    play(scene, lanes=ONE)


def test_nobody_is_given_the_seat_of_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seat that is taken away from a lost worker is not given back to it, and another lane is not either."""
    monkeypatch.setattr(server, "HOLD_SECONDS", 30.0)

    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        test = first.acquire(ask(tier=Tier.TEST, org=2))
        await test.seat()
        await lose(first)
        enterprise = second.acquire(ask(tier=Tier.ENTERPRISE))
        assert await enterprise.seat() == 1
        enterprise.end(NOTHING, OK)
        again = second.acquire(ask(tier=Tier.TEST, org=3))
        assert await again.seat() == 1

    play(scene, lanes=configuration(lane(seats=1, own=True)))


def test_a_connection_that_does_not_say_hello_is_not_heard() -> None:
    async def scene(stage: Arbitration) -> None:
        await stage.joined()
        reader, writer = await asyncio.open_unix_connection(stage._path)
        writer.write(wire.frame([ask(), wire.Beat()]))
        writer.write(wire.frame([wire.Hello(1, 0), wire.Beat()]))
        size = int.from_bytes(await reader.readexactly(4))
        assert wire.from_arbiter.decode(await reader.readexactly(size)) == [
            wire.Welcome(1),
            wire.Gather(),
            wire.Beat(),
        ]
        writer.close()

    play(scene)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02\x91\x00",
        wire.frame([wire.Hello(1, 0, version=99)]),
        wire.frame([wire.Hello(1, epoch=5)]),
    ],
    ids=["too large", "no message", "another version", "knows a newer arbiter"],
)
def test_who_speaks_otherwise_is_hung_up_on(data: bytes) -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        reader, writer = await asyncio.open_unix_connection(stage._path)
        writer.write(data)
        assert await reader.read() == b""
        writer.close()
        assert await first.acquire(ask()).seat() == 1

    play(scene)


def test_a_worker_that_reads_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BEHIND_MAX", 200_000)

    async def scene(stage: Arbitration) -> None:
        await stage.joined()
        reader, writer = await asyncio.open_unix_connection(stage._path, limit=1)
        writer.write(wire.frame([wire.Hello(1, 0)]))
        await reader.readexactly(4)
        beats = wire.frame([wire.Beat()] * 10_000)

        def gone() -> bool:
            writer.write(beats)
            return writer.transport.is_closing() or len(stage.desk._peers) == stage.workers

        await until(gone, "the end")
        writer.close()

    play(scene)


def test_stale_news_of_a_seat_change_nothing() -> None:
    """A worker says that its first seat failed when it has its second one already."""

    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        lease = first.acquire(ask(lanes=(1, 2)))
        await lease.seat()
        before = lease.serial
        lease.elsewhere(Signal(SignalKind.FAILED))
        await lease.seat()
        first._send(wire.Elsewhere(lease.claim.ticket, before, Signal(SignalKind.FAILED)))
        await first.pools()
        assert stage.desk._decider.has(lease.claim.ticket, lease.serial)

    play(scene, lanes=configuration(lane(1), lane(2)))


def test_the_last_worker_to_leave_is_noticed() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        empty = asyncio.Event()
        stage.desk.on_empty = empty.set
        await lose(first)
        await until(lambda: len(stage.desk._peers) == 1, "the first to leave")
        assert not empty.is_set()
        await lose(second)
        await empty.wait()
        assert stage.desk.empty

    play(scene)
