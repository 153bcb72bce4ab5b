"""Engines are asked over real sockets; what they say reaches each of their lanes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
import uvloop
from scripted import PATIENCE, Reader, Server, Writer, until

from puyun.catalog.model import Deployment, Dialect, Engine, Provider
from puyun.catalog.snapshot import Candidate
from puyun.egress.connect import Connector
from puyun.egress.target import Target, target_at
from puyun.gateway.upstream import Pool
from puyun.jobs import engines as module
from puyun.jobs.engines import ANSWER_MAX, AT_ONCE, Engines
from puyun.scheduler.lane import Facts

QUEUE = 'sglang:num_queue_reqs{model_name="a"} %d\n'


def answer(text: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()


class Stage:
    """An engine that gives `answer` to every question (None: nothing), and what the arbiter hears of it."""

    def __init__(self, *, allow_private: bool = True) -> None:
        self.asked: list[bytes] = []
        self.answer: bytes | None = answer(QUEUE % 2)
        self.heard: list[tuple[int, Facts]] = []
        self.places = SimpleNamespace(targets={})
        self.server = Server(self._script)
        self.allow_private = allow_private

    async def _script(self, reader: Reader, writer: Writer) -> None:
        while True:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            if self.answer is None:
                await reader.read()
            writer.write(self.answer or b"")
            await writer.drain()

    def lane(self, number: int, model: str, provider: str = "p", engine: Engine | None = Engine.SGLANG) -> None:
        deployment = Deployment(name=f"{model}@{provider}", provider=provider, upstream_model=model)
        candidate = Candidate(number, deployment, Provider(name=provider, dialect=Dialect.OPENAI, engine=engine))
        self.places.targets[number] = self.target(candidate)

    def target(self, candidate: Candidate) -> Target:
        return target_at(candidate, f"http://127.0.0.1:{self.server.port}/v1", "a-secret")

    def play(self, scene: Callable[[Engines], Awaitable[None]]) -> None:
        async def run() -> None:
            connector = Connector(allow_private=self.allow_private, timeout=PATIENCE)
            pool = Pool(connector, asyncio.get_running_loop())
            arbiter = SimpleNamespace(observe=lambda lane, facts: self.heard.append((lane, facts)))
            async with asyncio.timeout(PATIENCE * 2), self.server:
                await scene(Engines(pool, self.places, arbiter))
                assert not pool._busy
                pool.close()
                await asyncio.sleep(0)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no silent engine."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", PATIENCE)


def test_the_lanes_of_a_provider_share_one_question_and_each_gets_its_model_s_facts(stage: Stage) -> None:
    async def scene(engines: Engines) -> None:
        stage.answer = answer(QUEUE % 2 + 'sglang:token_usage{model_name="b"} 0.5\n')
        for number, model in ((1, "a"), (2, "b"), (3, "c"), (4, "a")):
            stage.lane(number, model)
        stage.lane(5, "a", "vendor", engine=None)
        for _ in range(3):
            await engines.once()

    stage.play(scene)
    assert sorted(stage.heard[:3], key=lambda told: told[0]) == [
        (1, Facts(waiting=2)),
        (2, Facts(kv=500)),
        (4, Facts(waiting=2)),
    ]
    assert len(stage.asked) == 3
    assert stage.server.connections == 1
    lines = stage.asked[0].decode().split("\r\n")
    assert lines[0] == "GET /metrics HTTP/1.1"
    assert "authorization: Bearer a-secret" in lines


UNANSWERED = [
    ("nothing", None, "no answer within"),
    ("an end", b"", "closed by the provider"),
    ("no HTTP", b"hello\r\n\r\n", "not HTTP"),
    ("no metrics", answer("", "404 Not Found"), "status 404 for /metrics; are its metrics switched on?"),
    ("elsewhere", answer("", "302 Found"), "status 302"),
    ("another engine's", answer("llamacpp:requests_deferred 3\n"), "no metric of sglang"),
    ("no number", answer(QUEUE.replace("%d", "NaN")), "no metric of sglang"),
    ("too much", answer(QUEUE % 2 + "#" * ANSWER_MAX), "larger than we take"),
]


@pytest.mark.parametrize(("given", "why"), [row[1:] for row in UNANSWERED], ids=[row[0] for row in UNANSWERED])
def test_who_does_not_answer_is_logged_once_and_once_more_when_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: bytes | None, why: str
) -> None:
    if given is None:
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)

    async def scene(engines: Engines) -> None:
        good, stage.answer = stage.answer, given
        if given == b"":
            stage.server._script = ending
        stage.lane(1, "a")
        for _ in range(24):
            await engines.once()
        assert stage.heard == []
        silent = len(stage.asked)
        assert 3 <= silent < 8
        stage.answer, stage.server._script = good, stage._script
        monkeypatch.setattr(module, "PATIENCE_SECONDS", PATIENCE)
        await until_heard(engines)
        await engines.once()
        assert len(stage.asked) == silent + 2, "it is asked every second again"

    async def ending(reader: Reader, _writer: Writer) -> None:
        stage.asked.append(await reader.readuntil(b"\r\n\r\n"))

    async def until_heard(engines: Engines) -> None:
        for _ in range(module.ROUNDS_MAX):
            if not stage.heard:
                await engines.once()

    with caplog.at_level(logging.WARNING, "puyun.engines"):
        stage.play(scene)
    assert [record.message for record in caplog.records] == ["engine_silent", "engine_answers"]
    assert why in caplog.records[0].why
    assert {record.provider for record in caplog.records} == {"p"}
    assert "a-secret" not in caplog.text


def test_a_private_address_is_asked_only_where_calls_may_go_there(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(allow_private=False)

    async def scene(engines: Engines) -> None:
        stage.lane(1, "a")
        for _ in range(4):
            await engines.once()

    stage.play(scene)
    assert (stage.asked, stage.heard) == ([], [])
    assert "upstream.allow_private" in caplog.records[0].why


def test_a_silent_engine_does_not_keep_others_from_being_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.5)
    dead = Stage()
    dead.answer = None

    async def scene(engines: Engines) -> None:
        async with dead.server:
            for number in range(AT_ONCE + 4):
                dead.lane(number, "a", f"dead-{number}")
            stage.places.targets |= dead.places.targets
            stage.lane(100, "a", "alive")
            await engines.once()

    stage.play(scene)
    assert stage.heard == [(100, Facts(waiting=2))]
    assert len(dead.asked) == AT_ONCE + 4


def test_no_more_are_asked_at_a_time_than_the_bound_and_none_twice(stage: Stage) -> None:
    gate = asyncio.Event()
    open_now = most = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal open_now, most
        await reader.readuntil(b"\r\n\r\n")
        open_now += 1
        most = max(most, open_now)
        if open_now == AT_ONCE:
            await asyncio.sleep(0.1)  # for those that should not come
            gate.set()
        await gate.wait()
        open_now -= 1
        writer.write(answer(QUEUE % 2).replace(b"200 OK", b"200 OK\r\nconnection: close"))

    async def scene(engines: Engines) -> None:
        stage.server._script = script
        for number in range(AT_ONCE * 2):
            stage.lane(number, "a", f"p-{number}")
        await engines.once()

    stage.play(scene)
    assert most == AT_ONCE
    assert stage.server.connections == AT_ONCE * 2
    assert len(stage.heard) == AT_ONCE * 2


def test_it_asks_again_and_again_and_follows_the_catalogue(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.01)

    async def scene(engines: Engines) -> None:
        task = asyncio.get_running_loop().create_task(engines.run())
        await asyncio.sleep(0.03)
        stage.lane(1, "a")
        await until(lambda: len(stage.heard) >= 3, "three answers")
        stage.places.targets = {}
        stage.lane(2, "a", "q")
        await until(lambda: stage.heard[-1][0] == 2, "the other provider to be asked")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engines._misses == {"q": 0}

    stage.play(scene)
