import pytest

from puyun.kit.clock import DAY, HOUR, Instant
from puyun.portal.keys.listing import Ago, Query, ago, number_of, parse_query
from puyun.storage.keys.listing import Wanted

NOON = Instant(100 * DAY + 12 * HOUR)


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({}, Query()),
        ({"show": "all", "q": "  a \n b ", "before": "key_9"}, Query(show="all", text="a b", before="key_9")),
        ({"show": "none", "before": "key_"}, Query()),
        ({"before": "org_7"}, Query()),
        ({"before": "key_zzzzzzzzzzzzz"}, Query()),
    ],
)
def test_an_address_is_read_and_nonsense_left_out(parameters, query):
    assert parse_query(parameters, org="") == query


def test_an_address_is_as_short_as_it_goes():
    assert Query().href() == "/portal/keys"
    query = Query(org="org_7", show="all", text="a&b")
    assert query.href(q="", before="key_9") == "/portal/keys?org=org_7&show=all&before=key_9"


def test_what_is_wanted_of_the_database():
    assert Query().wanted == Wanted()
    assert Query(show="all", text="a", before="key_9").wanted == Wanted(active=False, text="a", before=9)


@pytest.mark.parametrize(("text", "number"), [("key_a", 10), ("key_", None), ("10", None), ("key_zzzzzzzzzzzzz", None)])
def test_a_key_is_named_as_people_see_it(text, number):
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (0, Ago(0, 0)),
        (-3 * HOUR, Ago(0, 0)),
        (HOUR, Ago(1, 0)),
        (47 * HOUR, Ago(47, 0)),
        (2 * DAY, Ago(0, 2)),
        (90 * DAY, Ago(0, 90)),
    ],
)
def test_how_long_ago_an_hour_was(before, expected):
    assert ago(Instant(NOON - before), Instant(NOON + HOUR // 2)) == expected
