"""Against a mail server on loopback."""

import asyncio
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from stage.certificate import certificate_for
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


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000 * DAY)


@pytest.fixture
def posted(engine: Engine, clock: ManualClock) -> None:
    with writing(engine) as connection:
        post(connection, HELLO, clock.now())


def settings(port: int, **changes: str | int) -> Mail:
    usual: dict[str, str | int] = {"host": "127.0.0.1", "port": port, "sender": "us@example.com", "tls": "none"}
    return Mail(links="http://x", **(usual | changes))  # pyright: ignore[reportArgumentType] - fields by name


def tried(engine: Engine, sink: Sink, clock: ManualClock, *, patience: float = 20, **changes: str | int) -> Posted:
    async def play() -> None:
        async with sink.serving():
            await Mailing(engine, clock, settings(sink.port, **changes), patience=patience).once()

    asyncio.run(play())
    with reading(engine) as connection:
        return newest(connection, 1)[0]


def test_a_letter_goes_out_once(engine: Engine, clock: ManualClock, posted: None) -> None:
    sink = Sink()
    assert tried(engine, sink, clock).sent_at == clock.now()
    tried(engine, sink, clock)
    (letter,) = sink.letters
    assert HELLO.body in letter


@pytest.mark.parametrize("sink", [Sink("451 later"), Sink(to_data="452 full")])
def test_what_is_put_off_waits_and_is_given_up_after_a_day(
    engine: Engine, clock: ManualClock, posted: None, sink: Sink
) -> None:
    assert tried(engine, sink, clock).next_at == clock.now() + MINUTE
    clock.advance(DAY)
    given_up = tried(engine, sink, clock)
    assert (given_up.next_at, given_up.sent_at, given_up.tries) == (None, None, 2)


@pytest.mark.parametrize("sink", [Sink("550 nobody"), Sink(to_data="554 spam")])
def test_what_is_refused_for_good_is_given_up_at_once(
    engine: Engine, clock: ManualClock, posted: None, sink: Sink
) -> None:
    given_up = tried(engine, sink, clock)
    assert (given_up.next_at, given_up.sent_at, given_up.tries) == (None, None, 1)
    assert given_up.error


def test_our_own_fault_is_not_the_letter_s(engine: Engine, clock: ManualClock, posted: None) -> None:
    waits = tried(engine, Sink(), clock, user="us", password="wrong")
    assert waits.next_at == clock.now() + MINUTE


def test_a_server_that_is_down_or_says_nothing_is_tried_again(engine: Engine, clock: ManualClock, posted: None) -> None:
    assert tried(engine, Sink(greets=False), clock, patience=0.1).next_at == clock.now() + MINUTE
    clock.advance(MINUTE)
    down = tried(engine, Sink(), clock, host="127.0.0.2")  # nobody listens there
    assert (down.tries, down.next_at) == (2, clock.now() + 2 * MINUTE)
    clock.advance(2 * MINUTE)
    assert tried(engine, Sink(), clock).sent_at == clock.now()


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_letters_go_over_tls_to_a_server_that_proves_its_name(
    engine: Engine, clock: ManualClock, posted: None, tls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that nobody vouches for gets nothing, not even once."""
    file = certificate_for("localhost", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    sink = Sink(tls=context, wrapped=tls == "tls")
    waits = tried(engine, sink, clock, host="localhost", tls=tls)
    assert (waits.next_at, sink.letters) == (clock.now() + MINUTE, [])
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    clock.advance(MINUTE)
    assert tried(engine, sink, clock, host="localhost", tls=tls).sent_at == clock.now()
    assert sink.secure


def test_a_server_without_tls_gets_no_letter_that_wants_it(engine: Engine, clock: ManualClock, posted: None) -> None:
    sink = Sink()
    assert tried(engine, sink, clock, tls="starttls").next_at == clock.now() + MINUTE
    assert sink.letters == []
