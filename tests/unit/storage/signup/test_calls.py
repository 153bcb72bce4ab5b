"""Whether an organization has called, and how its first call went."""

import pytest
from shop import Shop

from puyun.ledger.hold import Status
from puyun.metering.usage import Usage
from puyun.storage.engine import reading
from puyun.storage.signup.calls import first_call, has_called

USAGE = Usage(input=100, output=20)


@pytest.fixture
def looked(shop: Shop):
    def look():
        with reading(shop.engine) as connection:
            return has_called(connection, shop.key.org), first_call(connection, shop.key.org)

    return look


def test_before_any_call_there_is_none(shop: Shop, looked):
    assert looked() == (False, None)
    shop.hold()
    assert looked() == (False, None)  # one that runs has not ended


def test_a_call_that_ended_is_seen_with_its_cost(shop: Shop, looked):
    shop.sell(USAGE)
    called, call = looked()
    assert called
    assert (call.model, call.tier, call.charge, call.tokens, call.error) == ("m", "flex", 450_000, 120, "")
    assert call.completed
    assert call.id.startswith("req_")


def test_of_several_the_first_that_was_completed_is_shown(shop: Shop, looked):
    shop.sell(USAGE, Status.FAILED)
    failed = looked()[1]
    assert (failed.completed, failed.status, failed.error, failed.charge) == (False, "failed", "upstream_error", 0)
    shop.sell(USAGE, Status.FAILED)
    assert looked()[1].id > failed.id
    shop.sell(USAGE)
    completed = looked()[1]
    assert completed.completed
    shop.sell(USAGE, model="n")
    assert looked()[1] == completed


def test_another_organizations_calls_are_not_seen(shop: Shop):
    shop.sell(USAGE)
    with reading(shop.engine) as connection:
        assert (has_called(connection, 8), first_call(connection, 8)) == (False, None)
