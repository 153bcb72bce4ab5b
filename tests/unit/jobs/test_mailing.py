"""Against a mail server on loopback."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from stage.smtp import Sink

from puyun.config import Mail
from puyun.jobs.mailing import Mailing
from puyun.kit.clock import DAY, MINUTE, ManualClock
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.mail.post import Letter, Posted, newest, post

HELLO = Letter(recipient="bob@example.com", subject="Hello 你好", body="https://example.com/join/x", language="en")


@pytest.fixture
def engine(tmp_path: Path, migrated: Path) -> Iterator[Engine]:
    engine = open_engine(Path(shutil.copy(migrated, tmp_path / "puyun.db")))
    yield engine
    engine.dispose()


def tried(engine: Engine, sink: Sink, clock: ManualClock) -> Posted:
    async def play() -> None:
        async with sink.serving():
            mail = Mail(host="127.0.0.1", port=sink.port, sender="us@example.com", links="http://x", tls="none")
            await Mailing(engine, clock, mail).once()

    asyncio.run(play())
    with reading(engine) as connection:
        return newest(connection, 1)[0]


def test_a_letter_goes_out_once(engine: Engine) -> None:
    clock, sink = ManualClock(1000 * DAY), Sink()
    with writing(engine) as connection:
        post(connection, HELLO, clock.now())
    assert tried(engine, sink, clock).sent_at == clock.now()
    tried(engine, sink, clock)
    (letter,) = sink.letters
    assert HELLO.body in letter


@pytest.mark.parametrize("answer", ["451 later", "550 nobody"])
def test_what_is_refused_waits_and_is_given_up_after_a_day(engine: Engine, answer: str) -> None:
    clock, sink = ManualClock(1000 * DAY), Sink(answer)
    with writing(engine) as connection:
        post(connection, HELLO, clock.now())
    assert tried(engine, sink, clock).next_at == clock.now() + MINUTE
    clock.advance(DAY)
    given_up = tried(engine, sink, clock)
    assert (given_up.next_at, given_up.sent_at, given_up.tries) == (None, None, 2)
    assert sink.letters == []
