"""At least once, in bounded numbers, and nobody waits for a slow one."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hooks import Hooks
from sqlalchemy import Engine, func, select, update
from stage.receiver import BAD, OK, Receiver
from stage.waiting import until

from puyun.identity.model import Role
from puyun.jobs.notify.delivering import PER_ORG, Delivering
from puyun.jobs.notify.sending import Sender
from puyun.kit.clock import DAY, HOUR, MINUTE, SECOND, ManualClock
from puyun.kit.errors import PuyunError
from puyun.notices.kinds import Kind
from puyun.notices.retry import PAUSES, TRIES
from puyun.notices.signing import OVERLAP
from puyun.storage.engine import reading, writing
from puyun.storage.webhooks.deliveries import (
    KEPT,
    LEASE,
    PINGS_MAX,
    Outcome,
    State,
    Taken,
    find_delivery,
    prune,
    queue_ping,
    replay,
)
from puyun.storage.webhooks.tables import delivery, webhook
from puyun.storage.webhooks.webhooks import (
    MOST,
    delete_webhook,
    find_webhook,
    pause_webhook,
    resume_webhook,
    rotate_secret,
)
from puyun.system.clock import SystemClock
from puyun.system.crash import VARIABLE


def deliver(hooks: Hooks) -> int:
    hooks.telling().once()
    return asyncio.run(hooks.delivering().once())


def test_an_event_comes_signed_and_once(hooks: Hooks, receiver: Receiver) -> None:
    hooks.clock = SystemClock()  # the library compares with the time of day
    org = hooks.organization("Engines")
    made = hooks.webhook(org, receiver.url, Kind.KEY_CREATED)
    hooks.webhook(org, receiver.url, Kind.BALANCE_LOW)
    hooks.webhook(hooks.organization("Others"), receiver.url)
    hooks.happen(org)
    assert deliver(hooks) == 1
    assert deliver(hooks) == 0
    [got] = receiver.got
    body = got.verified(made.secret)
    assert (body["type"], body["version"], body["data"]) == (
        "key.created",
        1,
        {"key": "key_1", "name": "ci", "prefix": "sk-x"},
    )
    [row] = hooks.deliveries(org)
    assert (row.status, row.code, row.tries, row.answer, row.next_at) == (State.DELIVERED, 200, 1, "ok", None)
    assert got.headers["content-type"] == "application/json"


def test_what_is_refused_comes_again_with_the_same_id(hooks: Hooks, clock: ManualClock, receiver: Receiver) -> None:
    org = hooks.organization("Engines")
    hooks.webhook(org, receiver.url)
    hooks.happen(org)
    receiver.answer = BAD
    assert deliver(hooks) == 1
    assert deliver(hooks) == 0
    clock.advance(PAUSES[0])
    receiver.answer = OK
    assert deliver(hooks) == 1
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert [(row.status, row.tries) for row in hooks.deliveries(org)] == [(State.DELIVERED, 2)]


def test_the_tries_have_an_end(hooks: Hooks, clock: ManualClock, receiver: Receiver) -> None:
    org = hooks.organization("Engines")
    made = hooks.webhook(org, receiver.url)
    hooks.happen(org)
    receiver.answer = BAD
    for _ in range(TRIES + 3):
        deliver(hooks)
        clock.advance(DAY)
    assert len(receiver.got) == TRIES or hooks.status(made) == "disabled"
    [row] = [row for row in hooks.deliveries(org) if row.kind == Kind.KEY_CREATED]
    assert (row.status, row.next_at) in {(State.FAILED, None), (State.CANCELLED, None)}


def test_it_is_turned_off_after_days_of_failures_and_the_owners_hear_of_it(
    hooks: Hooks, clock: ManualClock, receiver: Receiver
) -> None:
    org = hooks.organization("Engines")
    hooks.person("ada@example.com", org)
    hooks.person("ben@example.com", org, Role.ADMIN)
    made = hooks.webhook(org, receiver.url)
    receiver.answer = BAD
    for day in range(6):
        assert hooks.status(made) == ("active" if day < 6 else "disabled")
        hooks.happen(org)
        deliver(hooks)
        clock.advance(DAY)
    assert hooks.status(made) == "disabled"
    tried = len(receiver.got)
    hooks.telling(mail=True).once()
    [letter] = hooks.letters()
    assert (letter.letter.recipient, receiver.url in letter.letter.body) == ("ada@example.com", True)
    hooks.happen(org)
    clock.advance(DAY)
    assert deliver(hooks) == 0
    assert len(receiver.got) == tried
    with writing(hooks.engine) as connection:
        resume_webhook(connection, find_webhook(connection, org.id, f"wh_{made.webhook.id}"))
    receiver.answer = OK
    hooks.happen(org)
    assert deliver(hooks) == 1


def test_one_good_answer_forgives_the_failures_before(hooks: Hooks, clock: ManualClock, receiver: Receiver) -> None:
    org = hooks.organization("Engines")
    made = hooks.webhook(org, receiver.url)
    for day in range(12):
        receiver.answer = OK if day % 4 == 3 else BAD
        hooks.happen(org)
        deliver(hooks)
        clock.advance(DAY)
    assert hooks.status(made) == "active"


SCRIPT = """
import asyncio, os, sys
from pathlib import Path
from puyun.jobs.notify.delivering import Delivering
from puyun.jobs.notify.sending import Sender
from puyun.kit.clock import ManualClock
from puyun.storage.engine import open_engine
from puyun.system import crash
from puyun.system.vault import Vault
crash.arm(os.environ[crash.VARIABLE])
folder, now = Path(sys.argv[1]), int(sys.argv[2])
clock = ManualClock(now)
job = Delivering(open_engine(folder / "puyun.db"), clock, Vault(folder), Sender(clock, private=True))
asyncio.run(job.once())
"""


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_process_killed_between_sending_and_recording_costs_a_second_try_with_the_same_id(
    hooks: Hooks, clock: ManualClock, receiver: Receiver, tmp_path: Path
) -> None:
    org = hooks.organization("Engines")
    hooks.webhook(org, receiver.url)
    hooks.happen(org)
    hooks.telling().once()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(clock.now())]
    done = subprocess.run(
        command, env=os.environ | {VARIABLE: "webhook-sent"}, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(receiver.got) == 1
    assert deliver(hooks) == 0
    clock.advance(LEASE)
    assert deliver(hooks) == 1
    clock.advance(DAY)
    assert deliver(hooks) == 0
    first, second = receiver.got
    assert first.id == second.id


def test_two_processes_send_each_delivery_once(hooks: Hooks, receiver: Receiver) -> None:
    orgs = [hooks.organization(f"Org {number}") for number in range(5)]
    for org in orgs:
        hooks.webhook(org, receiver.url)
        for _ in range(3):
            hooks.happen(org)
    hooks.telling().once()

    async def both() -> list[int]:
        return await asyncio.gather(hooks.delivering().once(), hooks.delivering().once())

    assert sum(asyncio.run(both())) == 15
    ids = [got.id for got in receiver.got]
    assert len(ids) == len(set(ids)) == 15


def test_a_slow_endpoint_holds_up_nobody_else(hooks: Hooks, receiver: Receiver) -> None:
    slow, quick = hooks.organization("Slow"), hooks.organization("Quick")
    hooks.webhook(slow, receiver.slow)
    hooks.webhook(quick, receiver.url)
    for _ in range(100):
        hooks.happen(slow)
    for _ in range(PER_ORG + 3):
        hooks.happen(quick)
    while hooks.telling().once():
        pass

    def served() -> int:
        return sum(got.path == "/hook" for got in receiver.got)

    async def play() -> int:
        job = asyncio.create_task(hooks.delivering().run())
        await asyncio.to_thread(until, lambda: served() == PER_ORG + 3, "the quick one's deliveries")
        waiting = sum(got.path == "/slow" for got in receiver.got)
        receiver.gate.set()
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        return waiting

    assert asyncio.run(play()) <= PER_ORG


def test_during_the_overlap_both_secrets_sign(hooks: Hooks, receiver: Receiver) -> None:
    hooks.clock = SystemClock()
    org = hooks.organization("Engines")
    old = hooks.webhook(org, receiver.url)
    with writing(hooks.engine) as connection:
        fresh = rotate_secret(connection, old.webhook, keeper=hooks.keeper, now=hooks.clock.now())
    hooks.happen(org)
    deliver(hooks)
    assert receiver.got[0].verified(old.secret) == receiver.got[0].verified(fresh.secret)
    with writing(hooks.engine) as connection:
        connection.execute(update(webhook).values(before_until=hooks.clock.now() - 1))
    hooks.happen(org)
    deliver(hooks)
    assert receiver.got[1].headers["webhook-signature"].count("v1,") == 1
    assert receiver.got[1].verified(fresh.secret)
    assert OVERLAP == DAY


def test_a_replay_comes_with_the_same_id_and_body(hooks: Hooks, clock: ManualClock, receiver: Receiver) -> None:
    org = hooks.organization("Engines")
    hooks.webhook(org, receiver.url)
    hooks.happen(org)
    deliver(hooks)
    clock.advance(3 * DAY)
    with writing(hooks.engine) as connection:
        replay(connection, hooks.deliveries(org)[0], clock.now())
    assert deliver(hooks) == 1
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    with reading(hooks.engine) as connection, pytest.raises(PuyunError, match="no such delivery"):
        find_delivery(connection, org.id + 1, first.id)


def test_what_is_paused_or_deleted_gets_nothing_more(hooks: Hooks, clock: ManualClock, receiver: Receiver) -> None:
    org = hooks.organization("Engines")
    one, two = hooks.webhook(org, receiver.url), hooks.webhook(org, receiver.url)
    hooks.happen(org)
    hooks.telling().once()
    with writing(hooks.engine) as connection:
        pause_webhook(connection, one.webhook)
        delete_webhook(connection, two.webhook, clock.now())
    hooks.happen(org)
    assert deliver(hooks) == 0
    assert {row.status for row in hooks.deliveries(org)} == {State.CANCELLED}
    with reading(hooks.engine) as connection:
        kept = connection.execute(select(webhook).where(webhook.c.id == two.webhook.id)).one()
    assert (kept.secret, kept.url, kept.before) == (b"", "", None)
    with writing(hooks.engine) as connection, pytest.raises(PuyunError, match="was deleted"):
        replay(connection, hooks.deliveries(org)[0], clock.now())


def test_pings_have_a_bound(hooks: Hooks, receiver: Receiver) -> None:
    org = hooks.organization("Engines")
    made = hooks.webhook(org, receiver.url)
    with writing(hooks.engine) as connection:
        for _ in range(PINGS_MAX):
            queue_ping(connection, made.webhook, hooks.clock.now())
        with pytest.raises(PuyunError, match="not been taken yet"):
            queue_ping(connection, made.webhook, hooks.clock.now())
    assert deliver(hooks) == PINGS_MAX
    assert {row.event for row in hooks.deliveries(org)} == {None}


def test_old_deliveries_go_in_steps_and_a_deleted_webhook_with_the_last(
    hooks: Hooks, clock: ManualClock, receiver: Receiver
) -> None:
    org = hooks.organization("Engines")
    made = hooks.webhook(org, receiver.url)
    for _ in range(5):
        hooks.happen(org)
    while deliver(hooks):
        pass
    with writing(hooks.engine) as connection:
        delete_webhook(connection, made.webhook, clock.now())
        assert prune(connection, clock.now(), 10) == 0
    clock.advance(KEPT)
    with writing(hooks.engine) as connection:
        assert [prune(connection, clock.now(), 3) for _ in range(3)] == [3, 2, 0]
        assert connection.execute(select(func.count()).select_from(webhook)).scalar_one() == 0
        assert connection.execute(select(func.count()).select_from(delivery)).scalar_one() == 0


def test_secrets_are_sealed_and_in_no_log(
    hooks: Hooks, receiver: Receiver, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    org = hooks.organization("Engines")
    made = hooks.webhook(org, receiver.url)
    receiver.answer = b""
    hooks.happen(org)
    caplog.set_level("DEBUG")
    deliver(hooks)
    with reading(engine) as connection:
        kept = connection.execute(select(webhook)).one()
    assert made.secret.encode() not in kept.secret
    assert made.secret not in caplog.text + repr(made) + repr(kept)


def test_webhooks_have_a_bound(hooks: Hooks) -> None:
    org = hooks.organization("Engines")
    for _ in range(MOST):
        hooks.webhook(org, "https://example.com/hook")
    with pytest.raises(PuyunError, match="at most 10 webhooks"):
        hooks.webhook(org, "https://example.com/hook")


def test_times_fit_together() -> None:
    """A lease outlives the longest try, and the longest pause a lease."""
    assert 10 * SECOND * 2 < LEASE <= MINUTE
    assert max(PAUSES) < 24 * HOUR


def test_a_surprise_at_one_endpoint_does_not_stop_the_others(hooks: Hooks, receiver: Receiver) -> None:
    one, two = hooks.organization("One"), hooks.organization("Two")
    for org in (one, two):
        hooks.webhook(org, receiver.url)
        hooks.happen(org)
    hooks.telling().once()

    class Surprising(Sender):
        async def send(self, taken: Taken) -> Outcome:
            if taken.org == one.id:
                raise RuntimeError
            return await super().send(taken)

    sender = Surprising(hooks.clock, private=True)
    asyncio.run(Delivering(hooks.engine, hooks.clock, hooks.vault, sender).once())
    assert [row.status for row in hooks.deliveries(one)] == [State.WAITING]
    assert [row.status for row in hooks.deliveries(two)] == [State.DELIVERED]
