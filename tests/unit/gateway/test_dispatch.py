"""Seats, and which deployment a call goes to next. Real sockets; the call is as much of one as the dispatcher asks for."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import uvloop
from scripted import OK, PATIENCE, Reader, Script, Server, Writer, answers, until

from puyun.catalog.model import Deployment, Dialect, Kind, Model, Provider, Tier
from puyun.catalog.snapshot import Candidate, SoldModel
from puyun.egress.connect import Connector
from puyun.egress.target import Target, target_at, target_of
from puyun.gateway.dispatch import ATTEMPTS_MAX, Dispatcher, Lease, Seats
from puyun.gateway.upstream import Pool, UpstreamClosedError
from puyun.kit.errors import PuyunError

MODEL = Model(name="m", kind=Kind.CHAT, context_length=1000)


def candidate(number: int, seats: int = 2, dialect: Dialect = Dialect.OPENAI) -> Candidate:
    deployment = Deployment(name=f"m@{number}", provider="p", upstream_model="up", seats=seats)
    return Candidate(number, deployment, Provider(name="p", dialect=dialect))


def sold(*candidates: Candidate) -> SoldModel:
    return SoldModel(1, MODEL, candidates)


def nowhere(place: Candidate) -> Target:
    return target_at(place, "http://127.0.0.1:1/v1", "sk-operator")


class Caller:
    """What the dispatcher asks a call for."""

    def __init__(self, model: SoldModel, tier: Tier = Tier.FLEX) -> None:
        self.sold, self.tier = model, tier
        self.path, self.request_id, self.stream = "/chat/completions", "req_1", False
        self.watched: list[object] = []

    def body_for(self, target: Target) -> bytes:
        return b'{"model":"%b"}' % target.candidate.deployment.upstream_model.encode()

    def watch(self, answer) -> None:
        self.watched.append(answer)


class Stage:
    def __init__(self, servers: list[Server], seats: int) -> None:
        self.pool = Pool(Connector(allow_private=True, timeout=PATIENCE), asyncio.get_running_loop())
        self.seats = Seats()
        places = [candidate(number, seats) for number in range(1, len(servers) + 1)]
        self.seats.targets = {
            place.id: target_at(place, f"http://127.0.0.1:{server.port}/v1", "sk-operator")
            for place, server in zip(places, servers, strict=True)
        }
        self.call = Caller(sold(*places))
        self.dispatcher = Dispatcher(self.seats, self.pool, first_byte=PATIENCE, idle=PATIENCE)

    async def open(self) -> Lease:
        return await self.dispatcher.open(self.call)

    async def refused(self) -> PuyunError:
        with pytest.raises(PuyunError) as caught:
            await self.open()
        assert self.seats.in_flight() == {}
        return caught.value


def play(scripts: list[Script], scene: Callable[[Stage, list[Server]], Awaitable[None]], seats: int = 2) -> None:
    async def run() -> None:
        servers = [Server(script) for script in scripts]
        async with asyncio.timeout(PATIENCE * 2):
            for server in servers:
                await server.__aenter__()
            stage = Stage(servers, seats)
            try:
                await scene(stage, servers)
            finally:
                for connection in list(stage.pool._busy):
                    connection.close()
                stage.pool.close()
                for server in servers:
                    await server.__aexit__()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def error(status: bytes, body: bytes = b"{}", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, headers, len(body), body)


LIMITED = error(b"429 Too Many Requests", headers=b"retry-after: 7\r\n")


def test_seats_are_taken_in_the_catalogue_s_order_and_given_back() -> None:
    first, second = candidate(1, seats=1), candidate(2, seats=1)
    seats = Seats()
    seats.targets = {1: nowhere(first), 2: nowhere(second)}
    model = sold(first, second)
    one, two = seats.take(model, set()), seats.take(model, set())
    assert one is not None
    assert two is not None
    assert (one.id, two.id) == (1, 2)
    assert seats.take(model, set()) is None
    assert seats.in_flight() == {1: 1, 2: 1}
    seats.leave(two)
    again = seats.take(model, set())
    assert again is not None
    assert again.id == 2
    seats.leave(one)
    seats.leave(again)
    assert seats.in_flight() == {}


def test_a_deployment_without_a_secret_or_already_tried_is_passed_over() -> None:
    first, second, third = (candidate(number) for number in (1, 2, 3))
    seats = Seats()
    seats.targets = {2: nowhere(second), 3: nowhere(third)}
    found = seats.take(sold(first, second, third), {2})
    assert found is not None
    assert found.id == 3


def test_seats_stay_counted_when_the_catalogue_is_read_again() -> None:
    seats = Seats()
    place = candidate(1, seats=1)
    seats.targets = {1: nowhere(place)}
    lease = seats.take(sold(place), set())
    assert lease is not None
    seats.targets = {1: nowhere(place)}
    assert seats.take(sold(place), set()) is None
    seats.leave(lease)
    assert seats.take(sold(place), set()) is not None


def test_a_call_goes_to_the_first_deployment_with_its_own_head_and_body() -> None:
    heads: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(14))
        writer.write(OK)
        await reader.read()

    async def scene(stage: Stage, servers: list[Server]) -> None:
        lease = await stage.open()
        assert (lease.target.id, lease.attempts) == (1, 1)
        assert stage.call.watched == [lease.answer]
        assert lease.answer is not None
        assert await lease.answer.read_all(100) == b"ok"
        lease.release(stage.pool)
        assert stage.seats.in_flight() == {}
        (head,) = heads
        host = f"127.0.0.1:{servers[0].port}".encode()
        assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: " + host + b"\r\n")
        assert b"\r\nauthorization: Bearer sk-operator\r\n" in head
        assert b"\r\nx-client-request-id: req_1\r\n" in head
        assert head.endswith(b'content-length: 14\r\n\r\n{"model":"up"}')
        assert [server.connections for server in servers] == [1, 0]

    play([script, answers(OK)], scene)


ELSEWHERE = [
    ("limit", answers(LIMITED)),
    ("fault", answers(error(b"500 Internal Server Error"))),
    ("credentials", answers(error(b"401 Unauthorized"))),
    ("redirect", answers(error(b"302 Found"))),
    ("created", answers(error(b"201 Created"))),
    ("hangs up", answers(b"", then="close")),
    ("no HTTP", answers(b"hello\r\n\r\n", then="close")),
    ("endless error", answers(b"HTTP/1.1 400 Bad\r\ncontent-length: 9999999\r\n\r\n" + b"x" * 200_000)),
]


@pytest.mark.parametrize("script", [row[1] for row in ELSEWHERE], ids=[row[0] for row in ELSEWHERE])
def test_what_another_deployment_may_do_better_is_tried_there(script: Script) -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        lease = await stage.open()
        assert (lease.target.id, lease.attempts) == (2, 2)
        assert stage.seats.in_flight() == {2: 1}
        lease.release(stage.pool)
        assert stage.seats.in_flight() == {}

    play([script, answers(OK)], scene)


def test_what_the_caller_got_wrong_is_not_tried_elsewhere() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        found = await stage.refused()
        assert (found.status, found.code, found.message) == (400, "upstream_refused", "no … for you")
        assert servers[1].connections == 0

    play([answers(error(b"400 Bad Request", b'{"error":{"message":"no sk-operator for you"}}')), answers(OK)], scene)


def test_the_last_failure_is_told_where_none_does_better() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        found = await stage.refused()
        assert (found.status, found.code, found.headers["retry-after"]) == (503, "capacity_unavailable", "7")

    play([answers(error(b"500 X")), answers(LIMITED)], scene)


def test_so_many_attempts_and_no_more() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        assert (await stage.refused()).code == "upstream_error"
        assert [server.connections for server in servers] == [1] * ATTEMPTS_MAX + [0]

    play([answers(error(b"500 X"))] * (ATTEMPTS_MAX + 1), scene)


def test_no_seat_no_call() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        lease = await stage.open()
        with pytest.raises(PuyunError) as caught:
            await stage.open()
        assert (caught.value.code, caught.value.status) == ("capacity_unavailable", 503)
        lease.release(stage.pool)
        (await stage.open()).release(stage.pool)

    play([answers(OK, OK)], scene, seats=1)


def test_what_a_lease_gives_back_serves_the_next_call() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        for _ in range(3):
            lease = await stage.open()
            assert lease.answer is not None
            await lease.answer.read_all(100)
            lease.release(stage.pool)
            assert lease.answer is None
        assert servers[0].connections == 1

    play([answers(OK, OK, OK)], scene)


def test_nobody_listens_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        stage.seats.targets = {1: nowhere(stage.call.sold.candidates[0])}
        for _ in range(3):
            found = await stage.refused()
            assert (found.status, found.code) == (502, "upstream_error")
            assert "127.0.0.1" not in found.message

    play([answers(OK)], scene)
    assert [record.message for record in caplog.records] == ["connect_failed"]


def test_a_provider_that_is_silent_times_out_and_another_is_asked() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        opening = asyncio.ensure_future(stage.open())
        await until(lambda: stage.call.watched, "the first was asked")
        stage.pool.sweep(asyncio.get_running_loop().time() + PATIENCE * 2)
        lease = await opening
        assert lease.target.id == 2
        lease.release(stage.pool)

    play([answers(b""), answers(OK)], scene)


def test_silence_everywhere_is_a_time_out() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        opening = asyncio.ensure_future(stage.refused())
        await until(lambda: stage.call.watched, "it was asked")
        stage.pool.sweep(asyncio.get_running_loop().time() + PATIENCE * 2)
        found = await opening
        assert (found.status, found.code) == (504, "upstream_timeout")

    play([answers(b"")], scene)


def test_a_client_that_leaves_meanwhile_gives_the_seat_back() -> None:
    gone: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        gone.append(b"")

    async def scene(stage: Stage, servers: list[Server]) -> None:
        opening = asyncio.ensure_future(stage.open())
        await until(lambda: stage.call.watched, "it was asked")
        stage.call.watched[0].close()
        with pytest.raises(UpstreamClosedError):
            await opening
        assert stage.seats.in_flight() == {}
        await until(lambda: gone, "the provider saw it")
        assert servers[1].connections == 0

    play([script, answers(OK)], scene)


def test_the_echo_answers_by_itself() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        place = candidate(9, dialect=Dialect.ECHO)
        stage.seats.targets = {9: target_of(place)}
        stage.call.sold = sold(place)
        stage.call.body_for = lambda _target: msgspec.json.encode({"model": "m", "messages": [{"content": "hi"}]})
        lease = await stage.open()
        assert lease.answer is not None
        assert b'"content":"hi"' in await lease.answer.read_all(10_000)
        assert lease.answer.finished
        lease.release(stage.pool)
        assert stage.seats.in_flight() == {}
        assert servers[0].connections == 0

    play([answers(OK)], scene)
