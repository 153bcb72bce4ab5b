"""Balances as they really move, looked at by more than one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hooks import Hooks
from sqlalchemy import Engine, text

from puyun.jobs.notify.balances import Balances
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.notices.kinds import BalanceLow, Kind
from puyun.storage.engine import reading, writing
from puyun.storage.notify.events import page_of_events
from puyun.storage.notify.watching import choose_threshold, load_watch
from puyun.storage.wallets import MoneyKind, top_up


def paid(hooks: Hooks, org: int, amount: int, ref: str) -> None:
    with writing(hooks.engine) as connection:
        top_up(connection, org, amount, kind=MoneyKind.PAID, ref=ref, now=hooks.clock.now())


def left(engine: Engine, org: int, amount: int) -> None:
    """As charges leave it."""
    with writing(engine) as connection:
        connection.execute(text("UPDATE wallet SET paid = :paid WHERE org = :org"), {"paid": amount, "org": org})


def kinds(engine: Engine, org: int) -> list[Kind]:
    with reading(engine) as connection:
        found = page_of_events(connection, org, (Kind.BALANCE_LOW, Kind.BALANCE_EMPTY)).rows
    return [event.kind for event in reversed(found)]


def test_a_balance_that_falls_is_told_of_once_and_armed_by_a_payment(hooks: Hooks, engine: Engine) -> None:
    org = hooks.organization("Engines").id
    job = Balances(engine, hooks.clock)
    job.once()
    assert kinds(engine, org) == []
    paid(hooks, org, 20 * NANO, "one")
    with writing(engine) as connection:
        choose_threshold(connection, org, 5 * NANO)
    job.once()
    left(engine, org, 4 * NANO)
    job.once()
    job.once()
    left(engine, org, 0)
    job.once()
    assert job.once() == 0
    assert kinds(engine, org) == [Kind.BALANCE_LOW, Kind.BALANCE_EMPTY]
    paid(hooks, org, 20 * NANO, "two")
    job.once()
    left(engine, org, 4 * NANO)
    job.once()
    assert kinds(engine, org) == [Kind.BALANCE_LOW, Kind.BALANCE_EMPTY, Kind.BALANCE_LOW]
    with reading(engine) as connection:
        [event] = page_of_events(connection, org, (Kind.BALANCE_LOW,), most=1).rows
    assert event.payload == BalanceLow(left=4 * NANO, threshold=5 * NANO, currency="USD")


def test_several_processes_tell_once(hooks: Hooks, engine: Engine) -> None:
    orgs = [hooks.organization(f"Org {number}").id for number in range(6)]
    for org in orgs:
        paid(hooks, org, NANO, "one")
    Balances(engine, hooks.clock).once()
    for org in orgs:
        left(engine, org, 0)
    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(Balances(engine, hooks.clock).once) for _ in range(4)]:
            job.result()
    assert [kinds(engine, org) for org in orgs] == [[Kind.BALANCE_EMPTY]] * 6


@pytest.mark.parametrize("amount", [0, -1, 10**18 + 1])
def test_what_is_no_threshold(hooks: Hooks, engine: Engine, amount: int) -> None:
    org = hooks.organization("Engines").id
    with writing(engine) as connection, pytest.raises(PuyunError) as caught:
        choose_threshold(connection, org, amount)
    assert (caught.value.code, caught.value.param) == ("invalid_amount", "threshold")
    with reading(engine) as connection:
        assert load_watch(connection, org).threshold is None


def test_what_open_calls_hold_rings_no_bell(hooks: Hooks, engine: Engine) -> None:
    org = hooks.organization("Engines").id
    paid(hooks, org, 20 * NANO, "one")
    job = Balances(engine, hooks.clock)
    job.once()
    for held in (20 * NANO, 0, 20 * NANO):
        with writing(engine) as connection:
            connection.execute(text("UPDATE wallet SET held = :held WHERE org = :org"), {"held": held, "org": org})
        job.once()
    assert kinds(engine, org) == []
