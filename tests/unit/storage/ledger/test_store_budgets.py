"""Budgets of all kinds through the store, on both engines."""

from collections.abc import Iterator

import pytest
from till import Till, grow, hold, record

from puyun.kit.clock import DAY
from puyun.ledger.budget import Period, Subject
from puyun.ledger.command import Held, Reason, Refused, Settled
from puyun.storage.engine import Database
from puyun.storage.ledger.opening import open_store

ORG = 7
ANN = 5


@pytest.fixture
def till(anywhere: Database) -> Iterator[Till]:
    till = Till(anywhere)
    till.wallet(ORG, paid=100)
    yield till
    till.close()


def windows(till: Till) -> list[tuple]:
    return till.rows("SELECT budget, number, spent, held FROM budget_window ORDER BY budget, number")


def as_ann(ask):
    return ask.__class__(**{name: getattr(ask, name) for name in ask.__struct_fields__} | {"member": ANN})


@pytest.mark.parametrize(
    ("subject", "number"), [(Subject.KEY, 70), (Subject.MEMBER, ANN), (Subject.ORGANIZATION, 0)], ids=str
)
@pytest.mark.parametrize("period", list(Period), ids=str)
def test_a_hard_budget_refuses_where_it_ends(till: Till, subject: Subject, number: int, period: Period) -> None:
    till.guard(ORG, subject, number, 10, period=period)
    call = till.call()
    assert till.one(as_ann(hold(ORG, call, 8))) == Held(8, 2)
    assert till.one(as_ann(hold(ORG, till.call(), 3))) == Refused(Reason.BUDGET, 3, 2, subject, period)
    assert till.one(as_ann(grow(ORG, call, 3))) == Refused(Reason.BUDGET, 3, 2, subject, period)
    assert isinstance(till.one(as_ann(record(ORG, call, 4))), Settled)
    assert [row[2:] for row in windows(till)] == [(4, 0)]


def test_a_call_counts_in_the_window_it_began_in(till: Till) -> None:
    """Held before midnight, settled after it: yesterday's budget has it, today's is whole."""
    till.guard(ORG, Subject.ORGANIZATION, 0, 10, period=Period.DAY)
    late = till.call()
    till.one(hold(ORG, late, 9))
    till.clock.advance(DAY)
    early = till.call()
    assert till.one(hold(ORG, early, 10)) == Held(10, 0)
    till.store.commit([record(ORG, late, 7), record(ORG, early, 2)])
    assert [row[2:] for row in windows(till)] == [(7, 0), (2, 0)]


def test_a_soft_budget_only_gives_notice_once(till: Till) -> None:
    till.guard(ORG, Subject.KEY, 70, 10, hard=False)
    for _ in range(3):
        call = till.call()
        assert till.one(hold(ORG, call, 9)) != Refused(Reason.BUDGET, 9, 1)
        till.one(record(ORG, call, 9))
    events = till.rows("SELECT org, kind, subject FROM event ORDER BY id")
    assert events == [(ORG, "budget.reached", f"1:0:{percent}") for percent in (50, 80, 100)]


def test_a_replay_gives_no_second_notice(till: Till) -> None:
    till.guard(ORG, Subject.KEY, 70, 10)
    call = till.call()
    asks = [hold(ORG, call, 6), record(ORG, call, 6)]
    assert till.store.commit(asks) == [Held(6, 4), Settled(6, 0, 94, 1)]
    assert till.one(record(ORG, call, 6)) == Settled(6, 0, 94, 1)
    assert len(till.rows("SELECT id FROM event")) == 1
    assert windows(till) == [(1, 0, 6, 0)]


def test_a_budget_counts_calls_from_its_first_on(till: Till) -> None:
    """What was held before there was a budget is not given back to it."""
    before, after = till.call(), till.call()
    till.one(hold(ORG, before, 5))
    till.guard(ORG, Subject.ORGANIZATION, 0, 10, since=after)
    till.store.commit([hold(ORG, after, 6), record(ORG, before, 5), record(ORG, after, 6)])
    assert windows(till) == [(1, 0, 6, 0)]


def test_budgets_of_others_do_not_count(till: Till) -> None:
    till.guard(ORG, Subject.KEY, 71, 1)
    till.guard(ORG, Subject.MEMBER, ANN + 1, 1)
    till.guard(8, Subject.ORGANIZATION, 0, 1)
    till.guard(8, Subject.KEY, 70, 1)
    assert till.one(as_ann(hold(ORG, till.call(), 50))) == Held(50, 50)
    assert windows(till) == []


def test_a_dead_process_gives_back_to_every_budget(till: Till) -> None:
    """Its member is known from the key alone."""
    till.sql.execute(
        "INSERT INTO api_key (id, org, hash, prefix, member, tier, created_at, revision)"
        " VALUES (70, 7, ?, '', 5, 'flex', 0, 0)",
        (b"x",),
    )
    for subject, number in ((Subject.KEY, 70), (Subject.MEMBER, ANN), (Subject.ORGANIZATION, 0)):
        till.guard(ORG, subject, number, 50, period=Period.MONTH)
    till.one(as_ann(hold(ORG, till.call(), 20)))
    assert [row[2:] for row in windows(till)] == [(0, 20)] * 3
    till.sql.execute("DELETE FROM owner WHERE id = 1")
    alive = open_store(till.database, till.clock)
    assert alive.expire_orphans() == 1
    alive.close()
    assert [row[2:] for row in windows(till)] == [(0, 0)] * 3
