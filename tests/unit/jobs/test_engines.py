"""Engines are asked over real sockets, and their lanes follow what they say."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from scripted import PATIENCE, Reader, Server, Writer, until

from puyun.arbiter.decider import Decider
from puyun.arbiter.local import Local
from puyun.arbiter.message import Configuration
from puyun.catalog.model import Deployment, Dialect, Engine, Provider
from puyun.catalog.snapshot import Candidate
from puyun.egress.connect import Connector
from puyun.egress.target import Target, target_at
from puyun.gateway.upstream import Pool
from puyun.jobs import engines as module
from puyun.jobs.engines import ANSWER_MAX, AT_ONCE, CAPACITY_EVERY, Engines
from puyun.kit.clock import Instant, ManualClock
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.scheduler.lane import Facts, LaneSpec
from puyun.scheduler.scheduler import Scheduler

Seen = list[tuple[int, Facts]]


class Stand:
    """An engine's server: `says` is the body of each path, `heads` what it was asked with."""

    def __init__(self, **says: str) -> None:
        self.says = {"/" + path: body for path, body in says.items()}
        self.heads: list[bytes] = []
        self.answers: Callable[[], Awaitable[None]] | None = None
        self.status = "200 OK"

    async def script(self, reader: Reader, writer: Writer) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if self.answers is not None:
                await self.answers()
            body = self.says.get(head.split()[1].decode())
            status = self.status if body is not None else "404 Not Found"
            data = (body or "").encode()
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
            await writer.drain()

    @property
    def paths(self) -> list[str]:
        return [head.split()[1].decode() for head in self.heads]


def at(server: Server, number: int, engine: Engine | None, model: str = "m", provider: str = "p") -> Target:
    deployment = Deployment(name=f"{number}@p", provider=provider, upstream_model=model)
    known = Provider(name=provider, dialect=Dialect.OPENAI, engine=engine)
    return target_at(Candidate(number, deployment, known), f"http://127.0.0.1:{server.port}/v1", "sk-engine")


def play(stand: Stand, scene: Callable[[Server], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE * 2), Server(stand.script) as server:
            await scene(server)

    asyncio.run(run())


def engines(*targets: Target, seen: Seen | None = None, allow_private: bool = True) -> Engines:
    told: Seen = [] if seen is None else seen
    arbiter = SimpleNamespace(observe=lambda lane, facts: told.append((lane, facts)))
    connector = Connector(allow_private=allow_private, timeout=PATIENCE)
    pool = Pool(connector, asyncio.get_running_loop())
    return Engines(lambda: {target.id: target for target in targets}, arbiter, pool)


WAITING = 'vllm:num_requests_waiting{{model_name="{}"}} {}\n'


def test_an_engine_is_asked_beside_its_api_with_the_provider_s_key() -> None:
    stand, seen = Stand(metrics=WAITING.format("m", 3)), Seen()

    async def scene(server: Server) -> None:
        await engines(at(server, 1, Engine.VLLM), at(server, 2, None), seen=seen).once()
        assert stand.paths == ["/metrics"]
        assert b"\r\nauthorization: Bearer sk-engine\r\n" in stand.heads[0]
        assert seen == [(1, Facts(waiting=3))]

    play(stand, scene)


def test_deployments_of_one_engine_share_an_answer_and_each_has_its_model_s() -> None:
    stand, seen = Stand(metrics=WAITING.format("a", 3) + WAITING.format("b", 8)), Seen()

    async def scene(server: Server) -> None:
        lanes = [at(server, number, Engine.VLLM, model) for number, model in enumerate("aabc", 1)]
        await engines(*lanes, seen=seen).once()
        assert stand.paths == ["/metrics"]
        assert seen == [(1, Facts(waiting=2)), (2, Facts(waiting=2)), (3, Facts(waiting=8)), (4, Facts(waiting=11))]

    play(stand, scene)


@pytest.mark.parametrize(
    ("engine", "says", "paths"),
    [
        (Engine.LLAMACPP, {"metrics": "llamacpp:requests_deferred 1", "props": '{"total_slots": 4}'}, ["/props"]),
        (
            Engine.SGLANG,
            {"metrics": "sglang:num_queue_reqs 1", "get_server_info": '{"max_running_requests": 4}'},
            ["/server_info", "/get_server_info"],
        ),
    ],
)
def test_how_many_calls_it_takes_is_asked_now_and_then(engine: Engine, says: dict[str, str], paths: list[str]) -> None:
    stand, seen = Stand(**says), Seen()

    async def scene(server: Server) -> None:
        asking = engines(at(server, 1, engine), seen=seen)
        for _ in range(CAPACITY_EVERY + 1):
            await asking.once()
        assert stand.paths == ["/metrics", *paths, *["/metrics"] * CAPACITY_EVERY, *paths]
        assert {facts.capacity for _, facts in seen} == {4}

    play(stand, scene)


@pytest.mark.parametrize("patience", [0.2, PATIENCE])
def test_one_that_does_not_say_how_many_is_believed_the_rest(patience: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", patience)
    stand, seen = Stand(metrics="llamacpp:requests_deferred 1"), Seen()

    async def answers() -> None:
        if patience < PATIENCE and stand.paths[-1] == "/props":
            await asyncio.Event().wait()

    async def scene(server: Server) -> None:
        stand.answers = answers
        await engines(at(server, 1, Engine.LLAMACPP), seen=seen).once()
        assert seen == [(1, Facts(waiting=1))]

    play(stand, scene)


SILENT = {
    "not there": {"status": "404 Not Found"},
    "too large": {"body": "#" * (ANSWER_MAX + 1)},
    "of another engine": {"body": "sglang:num_queue_reqs 3"},
    "nothing": {"body": ""},
}


@pytest.mark.parametrize("how", SILENT.values(), ids=SILENT)
def test_one_that_says_nothing_is_told_once_and_once_that_it_is_back(
    how: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    good, seen = WAITING.format("m", 0), Seen()
    stand = Stand(metrics=how.get("body", good))
    stand.status = how.get("status", "200 OK")
    caplog.set_level(logging.INFO, "puyun.engines")

    async def scene(server: Server) -> None:
        asking = engines(at(server, 1, Engine.VLLM), seen=seen)
        for _ in range(3):
            await asking.once()
        assert seen == []
        stand.says["/metrics"], stand.status = good, "200 OK"
        for _ in range(3):
            await asking.once()
        assert len(seen) == 3

    play(stand, scene)
    assert [record.message for record in caplog.records] == ["engine_gone", "engine_back"]
    assert [record.provider for record in caplog.records] == ["p", "p"]


def test_one_that_does_not_answer_is_left_alone_until_the_next_look(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    stand = Stand(metrics=WAITING.format("m", 0))
    stand.answers = asyncio.Event().wait

    async def scene(server: Server) -> None:
        seen = Seen()
        quick = Stand(metrics=WAITING.format("m", 1))
        async with Server(quick.script) as other:
            await engines(at(server, 1, Engine.VLLM), at(other, 2, Engine.VLLM, provider="q"), seen=seen).once()
        assert seen == [(2, Facts(waiting=1))]

    play(stand, scene)
    assert [record.message for record in caplog.records] == ["engine_gone"]


def test_private_addresses_are_asked_only_where_they_are_allowed(caplog: pytest.LogCaptureFixture) -> None:
    stand = Stand(metrics=WAITING.format("m", 0))

    async def scene(server: Server) -> None:
        await engines(at(server, 1, Engine.VLLM), allow_private=False).once()
        assert server.connections == 0

    play(stand, scene)
    assert [record.message for record in caplog.records] == ["engine_gone"]


def test_so_many_are_asked_at_once_and_each_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", PATIENCE)
    stand = Stand(metrics=WAITING.format("m", 0))
    many = AT_ONCE + 5

    async def scene(server: Server) -> None:
        gate = asyncio.Event()
        stand.answers = gate.wait
        asking = engines(*(at(server, number, Engine.VLLM, provider=f"p{number}") for number in range(many)))
        task = asyncio.create_task(asking.once())
        await until(lambda: len(stand.heads) == AT_ONCE, "as many as are asked at once")
        await asyncio.sleep(0.01)
        assert len(stand.heads) == AT_ONCE
        gate.set()
        await task
        assert len(stand.heads) == many

    play(stand, scene)


def test_it_asks_again_and_again_until_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.01)
    stand = Stand(metrics=WAITING.format("m", 0))

    async def scene(server: Server) -> None:
        task = asyncio.create_task(engines(at(server, 1, Engine.VLLM)).run())
        await until(lambda: len(stand.heads) > 3, "several looks")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(stand, scene)


def test_a_lane_shrinks_while_its_engine_has_a_queue() -> None:
    stand = Stand(metrics=WAITING.format("m", 3))

    async def scene(server: Server) -> None:
        clock, loop = ManualClock(Instant(0)), asyncio.get_running_loop()
        arbiter = Local(Decider(Scheduler(), Limits(Policy())), clock, loop)
        arbiter.configure(Configuration(1, (LaneSpec(id=1, seats=10, own=True),), ()))
        pool = Pool(Connector(allow_private=True, timeout=PATIENCE), loop)
        asking = Engines(lambda: {1: at(server, 1, Engine.VLLM)}, arbiter, pool)

        async def seats() -> int:
            await asking.once()
            (found,) = await arbiter.pools()
            return found.lanes[0].seats

        assert [await seats() for _ in range(3)] == [10, 7, 4]
        stand.says["/metrics"] = WAITING.format("m", 0)
        assert await seats() == 4
        arbiter.close()

    play(stand, scene)
