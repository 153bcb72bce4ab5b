"""The catalogue is whole, payloads survive the database, and what leaves the house has no raw unit in it."""

import msgspec
import pytest

from puyun.identity.model import Role
from puyun.kit.clock import Instant
from puyun.notices.kinds import (
    KIND_OF,
    PAYLOADS,
    SEEN_WITH,
    BalanceLow,
    BudgetReached,
    Kind,
    Moment,
    Nano,
    WebhookDisabled,
    mailed,
    message,
    parse_kinds,
    read_payload,
    told,
    visible,
)


def test_every_kind_has_a_payload_and_somebody_who_may_see_it() -> None:
    assert set(PAYLOADS) == set(SEEN_WITH) == set(Kind) == set(KIND_OF.values())
    assert visible(Role.OWNER) == tuple(Kind)


def test_amounts_and_moments_are_written_for_people() -> None:
    low = BalanceLow(left=Nano(4_200_000_000), threshold=Nano(5_000_000_000), currency="USD")
    assert told(low) == {"left": "4.20", "threshold": "5.00", "currency": "USD"}
    off = WebhookDisabled(webhook="wh_1", url="https://x.example/", failing_since=Moment(0))
    assert told(off)["failing_since"] == "1970-01-01T00:00:00Z"
    assert read_payload(Kind.BALANCE_LOW, msgspec.json.encode(low).decode()) == low


def test_a_budgets_event_of_before_is_still_read() -> None:
    old = '{"percent": 50, "spent": 1, "limit": 2, "window": 0}'
    assert read_payload(Kind.BUDGET_REACHED, old) == BudgetReached(percent=50, spent=Nano(1), limit=Nano(2), window=0)


def test_a_message_names_its_event() -> None:
    body = msgspec.json.decode(message("key.created", 7, Instant(0), {"key": "key_1"}, event=33))
    assert body == {
        "type": "key.created",
        "version": 1,
        "timestamp": "1970-01-01T00:00:00Z",
        "organization": "org_7",
        "event": "evt_11",
        "data": {"key": "key_1"},
    }


@pytest.mark.parametrize(
    ("kind", "role", "chosen", "expected"),
    [
        (Kind.BALANCE_LOW, Role.OWNER, None, True),
        (Kind.BALANCE_LOW, Role.BILLING, None, True),
        (Kind.BALANCE_LOW, Role.ADMIN, None, False),
        (Kind.BALANCE_LOW, Role.ADMIN, True, True),
        (Kind.BALANCE_LOW, Role.OWNER, False, False),
        (Kind.BALANCE_LOW, Role.MEMBER, True, False),
        (Kind.KEY_CREATED, Role.OWNER, None, False),
        (Kind.KEY_CREATED, Role.BILLING, True, False),
        (Kind.PRICE_ANNOUNCED, Role.VIEWER, True, True),
        (Kind.WEBHOOK_DISABLED, Role.OWNER, None, True),
    ],
)
def test_whom_a_kind_is_mailed_to(kind: Kind, role: Role, chosen: bool | None, expected: bool) -> None:
    assert mailed(kind, role, chosen) is expected


def test_kinds_are_put_in_order_and_unknown_ones_refused() -> None:
    assert parse_kinds(["key.created", "balance.low", "key.created"]) == (Kind.BALANCE_LOW, Kind.KEY_CREATED)
    with pytest.raises(ValueError, match="nothing"):
        parse_kinds(["nothing"])
