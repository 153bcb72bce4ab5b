"""What is asked for and answered, on both engines: once while it is open, and by as many at once as like."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from shop import NOON, Shop

from puyun.catalog.model import Tier
from puyun.kit.clock import HOUR, Instant
from puyun.kit.errors import PuyunError
from puyun.limits.rule import Metric, Scope
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_user
from puyun.storage.limits.rules import Change, list_limits
from puyun.storage.limits.wishes import (
    OPEN_MAX,
    Wanted,
    Wish,
    add_wish,
    decline_wish,
    grant_wish,
    list_wishes,
    wishes_of,
)

LATER = Instant(NOON + HOUR)
BERT = Change(by="bert", why="as you like")


def wanted(metric: Metric = Metric.RPM, *, model: str = "m", amount: int = 600) -> Wanted:
    return Wanted(tier=Tier.FLEX, model=model, metric=metric, amount=amount, why="winter sale")


@pytest.fixture
def ada(shop: Shop) -> int:
    with writing(shop.engine) as connection:
        return create_user(connection, "ada@example.com", "", now=NOON).id


def ask(shop: Shop, user: int, what: Wanted) -> Wish:
    with writing(shop.engine) as connection:
        return add_wish(connection, shop.org.id, user, what, NOON)


def grant(shop: Shop, number: int, amount: int | None = None, change: Change = BERT) -> None:
    with writing(shop.engine) as connection:
        grant_wish(connection, number, change, LATER, amount=amount)


def seen(shop: Shop) -> list[Wish]:
    with reading(shop.engine) as connection:
        return wishes_of(connection, shop.org.id, 100)


def opened(shop: Shop) -> list[int]:
    with reading(shop.engine) as connection:
        return [wish.id for wish in list_wishes(connection, 100, answered=False)]


def test_what_is_asked_is_read_back_and_open(shop: Shop, ada: int) -> None:
    made = ask(shop, ada, wanted())
    assert seen(shop) == [made]
    assert (made.email, made.organization, made.asked_at, made.answer) == ("ada@example.com", shop.org.name, NOON, None)
    assert made.wanted == wanted()
    assert opened(shop) == [made.id]


def test_one_of_a_kind_is_open_at_a_time(shop: Shop, ada: int) -> None:
    first = ask(shop, ada, wanted())
    with pytest.raises(PuyunError, match="asked for already"):
        ask(shop, ada, wanted(amount=900))
    ask(shop, ada, wanted(Metric.ITPM))
    ask(shop, ada, wanted(model=""))
    grant(shop, first.id)
    assert ask(shop, ada, wanted(amount=900)).id > first.id
    assert len(seen(shop)) == 4


def test_of_many_who_ask_at_once_one_is_heard(shop: Shop, ada: int) -> None:
    def once(_number: int) -> bool:
        try:
            ask(shop, ada, wanted())
        except PuyunError as error:
            return error.code != "limit_asked"
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(once, range(8))) == 1
    assert len(seen(shop)) == 1


def test_open_ones_are_bounded_and_a_refused_one_leaves_nothing(shop: Shop, ada: int) -> None:
    for number in range(OPEN_MAX):
        ask(shop, ada, wanted(model=f"m{number}"))
    with pytest.raises(PuyunError, match="are open already"):
        ask(shop, ada, wanted(model="another"))
    assert len(seen(shop)) == OPEN_MAX


@pytest.mark.parametrize(("amount", "becomes"), [(None, 600), (450, 450)])
def test_granting_sets_the_limit_and_says_so(shop: Shop, ada: int, amount: int | None, becomes: int) -> None:
    made = ask(shop, ada, wanted())
    grant(shop, made.id, amount)
    [row] = _rules(shop)
    assert (row.scope, row.metric, row.amount, row.tier, row.model) == (
        Scope.ORGANIZATION_MODEL,
        Metric.RPM,
        becomes,
        Tier.FLEX,
        "m",
    )
    [wish] = seen(shop)
    assert wish.answer is not None
    assert (wish.answer.granted, wish.answer.text, wish.answer.by, wish.answer.at) == (
        becomes,
        "as you like",
        "bert",
        LATER,
    )
    assert opened(shop) == []


def test_of_all_models_together(shop: Shop, ada: int) -> None:
    grant(shop, ask(shop, ada, wanted(model="")).id)
    [row] = _rules(shop)
    assert (row.scope, row.model) == (Scope.ORGANIZATION, None)


def test_declining_changes_no_limit(shop: Shop, ada: int) -> None:
    made = ask(shop, ada, wanted())
    with writing(shop.engine) as connection:
        wish = decline_wish(connection, made.id, BERT, LATER)
    assert wish.answer is not None
    assert wish.answer.granted is None
    assert _rules(shop) == []


def test_what_was_answered_or_never_asked_cannot_be_answered(shop: Shop, ada: int) -> None:
    made = ask(shop, ada, wanted())
    grant(shop, made.id)
    with pytest.raises(PuyunError, match="answered already"):
        grant(shop, made.id)
    with pytest.raises(PuyunError, match="no request 77"):
        grant(shop, 77)
    assert len(_rules(shop)) == 1


def test_a_grant_that_is_refused_leaves_the_request_open(shop: Shop, ada: int) -> None:
    made = ask(shop, ada, wanted(model="gone"))
    with pytest.raises(PuyunError, match="No model is called"):
        grant(shop, made.id)
    assert opened(shop) == [made.id]


def _rules(shop: Shop):
    with reading(shop.engine) as connection:
        return [row.rule for row in list_limits(connection, shop.org.id)]
