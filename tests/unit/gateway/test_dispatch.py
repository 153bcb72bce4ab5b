"""Which deployment a call goes to, and which next. Real sockets; the call is as much of one as the dispatcher asks for."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import msgspec
import pytest
import uvloop
from scripted import OK, PATIENCE, Reader, Script, Server, Writer, answers, until

from puyun.arbiter.decider import Decider
from puyun.arbiter.lease import Lease
from puyun.arbiter.local import Local
from puyun.arbiter.message import Configuration
from puyun.catalog.model import Deployment, Dialect, Kind, Model, Provider, Tier
from puyun.catalog.snapshot import Candidate, SoldModel
from puyun.claim import Claim
from puyun.egress.connect import Connector
from puyun.egress.target import Target, target_at, target_of
from puyun.gateway.dispatch import Attempt, Dispatcher
from puyun.gateway.upstream import Pool, UpstreamClosedError
from puyun.kit.errors import PuyunError
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.scheduler.attempt import ABANDONED, NOTHING
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.rules import DEFAULTS
from puyun.scheduler.scheduler import Scheduler
from puyun.system.clock import SystemClock

ATTEMPTS = 1 + DEFAULTS.flex.retries

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
        self.exchange = SimpleNamespace(disconnected=False, on_gone=None)
        self.attempts = 0
        self.lease: Lease

    def body_for(self, target: Target) -> bytes:
        return b'{"model":"%b"}' % target.candidate.deployment.upstream_model.encode()

    def watch(self, answer) -> None:
        self.watched.append(answer)


class Stage:
    def __init__(self, servers: list[Server], seats: int) -> None:
        loop, clock = asyncio.get_running_loop(), SystemClock()
        self.pool = Pool(Connector(allow_private=True, timeout=PATIENCE), loop)
        self.arbiter = Local(Decider(Scheduler(), Limits(Policy(defaults=()))), clock, loop)
        places = [candidate(number, seats) for number in range(1, len(servers) + 1)]
        lanes = tuple(LaneSpec(id=number, seats=seats) for number in [*range(1, len(servers) + 1), 9])
        self.arbiter.configure(Configuration(1, lanes, (), {1: "m"}))
        self.call = Caller(sold(*places))
        self.dispatcher = Dispatcher(self.arbiter, self.pool, first_byte=PATIENCE, idle=PATIENCE, comment=PATIENCE)
        self.dispatcher.targets = {
            place.id: target_at(place, f"http://127.0.0.1:{server.port}/v1", "sk-operator")
            for place, server in zip(places, servers, strict=True)
        }
        self.tickets = 0

    async def open(self, max_wait: int = 0) -> Attempt:
        self.tickets += 1
        call, lanes = self.call, self.dispatcher.lanes_of(self.call.sold)
        call.lease = self.arbiter.acquire(Claim(self.tickets, 7, 3, call.tier, 1, lanes, 1, 1, False, max_wait))
        call.attempts = 0
        try:
            await self.dispatcher.enter(call)
            return await self.dispatcher.open(call)
        except BaseException:
            call.lease.end(NOTHING, ABANDONED)
            raise

    def close(self, attempt: Attempt, lease: Lease | None = None) -> None:
        attempt.release(self.pool)
        (lease or self.call.lease).end(NOTHING, ABANDONED)

    async def in_flight(self) -> dict[int, int]:
        pools = await self.arbiter.pools()
        return {lane.id: lane.in_flight for pool in pools for lane in pool.lanes if lane.in_flight}

    async def refused(self) -> PuyunError:
        with pytest.raises(PuyunError) as caught:
            await self.open()
        assert await self.in_flight() == {}
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


def test_a_deployment_without_a_secret_is_passed_over() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        del (targets := dict(stage.dispatcher.targets))[1]
        stage.dispatcher.targets = targets
        attempt = await stage.open()
        assert attempt.target.id == 2
        stage.close(attempt)

    play([answers(OK), answers(OK)], scene)


def test_one_whose_secret_went_away_meanwhile_is_passed_over_too() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        lanes = stage.dispatcher.lanes_of(stage.call.sold)
        stage.dispatcher.targets = {2: stage.dispatcher.targets[2]}
        stage.dispatcher._lanes[1] = lanes
        attempt = await stage.open()
        assert attempt.target.id == 2
        stage.close(attempt)

    play([answers(OK), answers(OK)], scene)


def test_a_call_goes_to_the_first_deployment_with_its_own_head_and_body() -> None:
    heads: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(14))
        writer.write(OK)
        await reader.read()

    async def scene(stage: Stage, servers: list[Server]) -> None:
        attempt = await stage.open()
        assert (attempt.target.id, stage.call.attempts) == (1, 1)
        assert stage.call.watched == [attempt.answer]
        assert attempt.answer is not None
        assert await attempt.answer.read_all(100) == b"ok"
        stage.close(attempt)
        assert await stage.in_flight() == {}
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
        attempt = await stage.open()
        assert (attempt.target.id, stage.call.attempts) == (2, 2)
        assert await stage.in_flight() == {2: 1}
        stage.close(attempt)
        assert await stage.in_flight() == {}

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
        assert [server.connections for server in servers] == [1] * ATTEMPTS + [0]

    play([answers(error(b"500 X"))] * (ATTEMPTS + 1), scene)


def test_no_seat_no_call() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        attempt, lease = await stage.open(), stage.call.lease
        with pytest.raises(PuyunError) as caught:
            await stage.open()
        assert (caught.value.code, caught.value.status) == ("capacity_unavailable", 503)
        stage.close(attempt, lease)
        stage.close(await stage.open())

    play([answers(OK, OK)], scene, seats=1)


def test_who_waits_gets_the_seat_that_is_given_back() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        attempt, lease = await stage.open(), stage.call.lease
        waiting = asyncio.ensure_future(stage.open(max_wait=60_000_000))
        await until(lambda: stage.call.lease is not lease, "the second asked")
        assert not waiting.done()
        stage.close(attempt, lease)
        stage.close(await waiting)
        assert await stage.in_flight() == {}

    play([answers(OK, OK)], scene, seats=1)


def test_a_client_that_leaves_the_queue_leaves_no_trace() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        attempt, lease = await stage.open(), stage.call.lease
        waiting = asyncio.ensure_future(stage.open(max_wait=60_000_000))
        await until(lambda: stage.call.exchange.on_gone, "it waits")
        stage.call.exchange.on_gone()
        with pytest.raises(UpstreamClosedError):
            await waiting
        assert stage.call.exchange.on_gone is None
        stage.close(attempt, lease)
        assert await stage.in_flight() == {}

    play([answers(OK, OK)], scene, seats=1)


def test_what_an_attempt_gives_back_serves_the_next_call() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        for _ in range(3):
            attempt = await stage.open()
            assert attempt.answer is not None
            await attempt.answer.read_all(100)
            stage.close(attempt)
            assert attempt.answer is None
        assert servers[0].connections == 1

    play([answers(OK, OK, OK)], scene)


def test_nobody_listens_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        stage.dispatcher.targets = {1: nowhere(stage.call.sold.candidates[0])}
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
        attempt = await opening
        assert attempt.target.id == 2
        stage.close(attempt)

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
        assert await stage.in_flight() == {}
        await until(lambda: gone, "the provider saw it")
        assert servers[1].connections == 0

    play([script, answers(OK)], scene)


def test_the_echo_answers_by_itself() -> None:
    async def scene(stage: Stage, servers: list[Server]) -> None:
        place = candidate(9, dialect=Dialect.ECHO)
        stage.dispatcher.targets = {9: target_of(place)}
        stage.call.sold = sold(place)
        stage.call.body_for = lambda _target: msgspec.json.encode({"model": "m", "messages": [{"content": "hi"}]})
        attempt = await stage.open()
        assert attempt.answer is not None
        assert b'"content":"hi"' in await attempt.answer.read_all(10_000)
        assert attempt.answer.finished
        stage.close(attempt)
        assert await stage.in_flight() == {}
        assert servers[0].connections == 0

    play([answers(OK)], scene)
