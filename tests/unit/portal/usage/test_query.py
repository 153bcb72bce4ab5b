from urllib.parse import parse_qsl, urlsplit

import pytest

from puyun.kit.clock import parse_instant
from puyun.portal.usage.query import TEXT_MAX, parse_usage
from puyun.storage.usage import Grouping

NOW = parse_instant("2026-03-15T12:30:00Z")


def parsed(address: dict[str, str], groupings=tuple(Grouping)):
    return parse_usage(address, NOW, org="org_7", zone="Asia/Tokyo", groupings=groupings)


@pytest.mark.parametrize(
    "address",
    [
        {},
        {"period": "7d", "by": "hour", "model": "a&b=c", "tier": "test"},
        {"period": "custom", "from": "2026-01-05", "to": "2026-01-07", "key": "key_1", "member": "none"},
    ],
)
def test_an_address_gives_its_view_back(address):
    query = parsed(address)
    again = dict(parse_qsl(urlsplit(query.href()).query))
    assert parsed(again) == query
    assert again["org"] == "org_7"


def test_another_period_forgets_the_days_and_clearing_the_filters_keeps_them():
    query = parsed({"period": "custom", "from": "2026-01-05", "to": "2026-01-07", "model": "m"})
    assert "from=" not in query.href(period="7d")
    assert "model=m" in query.href(period="7d")
    assert "from=2026-01-05" in query.clear()
    assert not parsed(dict(parse_qsl(urlsplit(query.clear()).query))).narrow


def test_what_is_not_there_or_not_allowed_counts_as_not_asked_for():
    query = parsed({"by": "member", "tier": "gold", "member": "user_1", "model": "x" * 999}, (Grouping.MODEL,))
    assert (query.by, query.tier, query.member, len(query.model)) == (Grouping.MODEL, None, "", TEXT_MAX)
