"""puyun limits requests, grant, decline."""

import pytest

from puyun.catalog.model import Tier
from puyun.limits.rule import Metric
from puyun.storage.engine import open_engine, writing
from puyun.storage.identity import create_user, find_organization
from puyun.storage.limits.wishes import Wanted, add_wish
from puyun.system.clock import SystemClock


@pytest.fixture
def wish(puyun, sold, data) -> str:
    """The number of a request of acme's."""
    assert puyun("org", "create", "acme").code == 0
    engine = open_engine(data / "puyun.db")
    now = SystemClock().now()
    with writing(engine) as connection:
        user = create_user(connection, "ada@example.com", "", now=now)
        wanted = Wanted(tier=Tier.FLEX, model="", metric=Metric.RPM, amount=6000, why="winter sale")
        made = add_wish(connection, find_organization(connection, "acme").id, user.id, wanted, now)
    engine.dispose()
    return str(made.id)


def test_what_is_open_is_listed(puyun, wish) -> None:
    [row] = puyun("limits", "requests", "--json").json
    assert (row["organization"], row["by"], row["wanted"], row["why"]) == (
        "acme",
        "ada@example.com",
        6000,
        "winter sale",
    )
    assert "winter sale" in puyun("limits", "requests").out


def test_a_grant_sets_the_limit(puyun, wish) -> None:
    rule = puyun("limits", "grant", wish, "--amount", "4k", "--why", "as agreed", "--json").json
    assert (rule["metric"], rule["limit"], rule["tier"], rule["why"]) == ("rpm", 4000, "flex", "as agreed")
    assert puyun("limits", "requests", "--json").json == []
    [row] = puyun("limits", "requests", "--all", "--json").json
    assert (row["granted"], row["answer"]) == (4000, "as agreed")
    again = puyun("limits", "grant", wish)
    assert again.code == 1
    assert "answered already" in again.err


def test_declining_sets_none(puyun, wish) -> None:
    assert puyun("limits", "decline", wish, "--why", "no machines").code == 0
    [row] = puyun("limits", "requests", "--all", "--json").json
    assert (row["granted"], row["answer"]) == (None, "no machines")
    assert puyun("limits", "history", "acme", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("grant", "99"), 3), (("decline", "99", "--why", "x"), 3), (("grant", "1", "--amount", "lots"), 2)],
)
def test_what_cannot_be_answered(puyun, wish, arguments, code) -> None:
    assert puyun("limits", *arguments).code == code
