from decimal import Decimal

import msgspec
import pytest
from shop import NOON, Shop

from puyun.catalog.model import Tier
from puyun.kit.clock import MINUTE, Instant
from puyun.kit.ids import call_started, request_id
from puyun.ledger.command import Act
from puyun.ledger.hold import Status
from puyun.metering.record import Flag
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage.engine import reading, writing
from puyun.storage.money.refunds import correct_call, refund_call
from puyun.storage.receipts import Receipt, load_receipt, note, to_json

USAGE = Usage(input=1234, cached_input=3, output=567)


def receipt(shop: Shop, call: int) -> Receipt:
    with reading(shop.engine) as connection:
        found = load_receipt(connection, shop.org.id, call)
    assert found is not None
    return found


def test_a_receipt_explains_the_charge_line_by_line(shop: Shop) -> None:
    call = shop.sell(USAGE)
    document = to_json(receipt(shop, call))
    assert document == {
        "id": request_id(7, call),
        "organization": "org_7",
        "key": "key_1",
        "created": "2026-11-25T12:00:00Z",
        "model": "m",
        "deployment": "m@p",
        "tier_requested": "flex",
        "tier_served": "flex",
        "status": "completed",
        "error": None,
        "note": "Each bucket of tokens is charged at its price, and the sum is rounded down once.",
        "flags": [],
        "usage": {"input": 1234, "cached_input": 3, "output": 567},
        "lines": [
            {"meter": "input", "tokens": 1234, "price_id": 1, "price_per_million": "2.50", "amount": "0.003085"},
            {"meter": "cached_input", "tokens": 3, "price_id": 1, "price_per_million": "2.50", "amount": "0.0000075"},
            {"meter": "output", "tokens": 567, "price_id": 2, "price_per_million": "10.00", "amount": "0.00567"},
        ],
        "currency": "USD",
        "exact": "0.0087625",
        "charge": "0.0087625",
        "from_bonus": "0.001",
        "refunded": "0.00",
        "refunds": [],
        "held": "0.0087625",
        "attempts": 1,
        "timing": {"queue_ms": 1, "ttft_ms": 20, "total_ms": 300},
        "balance_after": "4.9922375",
        "signature": None,
    }
    assert sum(Decimal(line["amount"]) for line in document["lines"]) == Decimal(document["exact"])
    assert msgspec.json.decode(msgspec.json.encode(document)) == document
    assert call_started(call) == NOON


def test_only_its_own_organization_finds_a_call(shop: Shop) -> None:
    call = shop.sell(USAGE)
    running, _ = shop.hold()
    with reading(shop.engine) as connection:
        assert load_receipt(connection, 8, call) is None
        assert load_receipt(connection, 7, call + 1) is None
        assert load_receipt(connection, 7, running) is None


@pytest.mark.parametrize(
    ("status", "usage", "says"),
    [
        (Status.CANCELLED, USAGE, "The client left before the end; the tokens up to then are charged"),
        (Status.CUT, USAGE, "The credit ended during the answer"),
        (Status.CANCELLED, NO_USAGE, "The client left before the first token, so it costs nothing"),
        (Status.FAILED, NO_USAGE, "The provider failed before the answer was complete, so it costs nothing"),
    ],
)
def test_a_note_says_why_the_charge_is_what_it_is(shop: Shop, status: Status, usage: Usage, says: str) -> None:
    found = receipt(shop, shop.sell(usage, status))
    assert (found.status, found.tier_served) == (status, Tier.FLEX)
    assert note(found).startswith(says)
    assert note(found).count(".") == 1


def test_a_crash_of_ours_shows_as_failed_and_costs_nothing(shop: Shop) -> None:
    call, _ = shop.hold()
    assert shop.crash() == 1
    found = receipt(shop, call)
    assert (found.status, found.error, found.charge, found.deployment) == (Status.FAILED, "crashed", 0, "")
    assert note(found).startswith("Our server stopped")


def test_what_the_wallet_could_not_cover_is_said(shop: Shop) -> None:
    found = receipt(shop, shop.sell(Usage(output=500_000), held=1))
    assert found.charge < found.exact // 1000
    assert "left to the operator" in note(found)
    assert to_json(found)["flags"] == ["overrun"]


def test_an_estimate_is_said(shop: Shop) -> None:
    found = receipt(shop, shop.sell(USAGE, flags=Flag.ESTIMATED | Flag.ANOMALY))
    assert to_json(found)["flags"] == ["estimated", "anomaly"]
    assert "as estimated from the text and within the hold" in note(found)


def test_an_answer_that_says_nothing_is_free_and_that_is_said(shop: Shop) -> None:
    found = receipt(shop, shop.sell(NO_USAGE, flags=Flag.EMPTY))
    assert (found.status, found.charge) == (Status.COMPLETED, 0)
    assert note(found) == "The answer says nothing, so it costs nothing and its hold was returned."


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("unrecorded", "The charge could not be written down in time"),
        ("upstream_error", "The provider failed"),
        ("upstream_timeout", "The provider fell silent"),
        ("capacity_unavailable", "No provider had room"),
        ("invalid_value", "The call was not completed"),
    ],
)
def test_a_note_says_whose_fault_a_free_call_was(shop: Shop, error: str, says: str) -> None:
    found = msgspec.structs.replace(receipt(shop, shop.sell(NO_USAGE, Status.FAILED)), error=error)
    assert note(found).startswith(says)
    assert note(found).endswith("costs nothing and its hold was returned.")


def test_what_was_given_back_is_shown_and_turns_the_status_once_it_is_all(shop: Shop) -> None:
    call = shop.sell(USAGE)
    before = to_json(receipt(shop, call))
    with writing(shop.engine) as connection:
        correct_call(connection, 7, call, 8_000_000, act=Act("1", "ann", "typed wrong"), now=NOON)
    part = receipt(shop, call)
    document = to_json(part)
    assert (document["status"], document["refunded"], document["charge"]) == ("completed", "0.0007625", "0.0087625")
    assert note(part).endswith("the sum is rounded down once; 0.0007625 of it was given back.")
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, None, act=Act("all", "ann", "sorry"), now=Instant(NOON + MINUTE))
    whole = receipt(shop, call)
    document = to_json(whole)
    assert (document["status"], document["refunded"], whole.status) == ("refunded", "0.0087625", Status.COMPLETED)
    assert note(whole).endswith("; all of it was given back.")
    bonus = [row["from_bonus"] for row in document["refunds"]]
    assert sum(map(Decimal, bonus)) == Decimal(document["from_bonus"])
    assert document["refunds"] == [
        {"transaction": 4, "created": "2026-11-25T12:00:00Z", "kind": "correction", "amount": "0.0007625"}
        | {"from_bonus": bonus[0]},
        {"transaction": 5, "created": "2026-11-25T12:01:00Z", "kind": "refund", "amount": "0.008"}
        | {"from_bonus": bonus[1]},
    ]
    assert "sorry" not in str(document), "why is between those who gave it back"
    same = document.keys() - {"status", "note", "refunded", "refunds"}
    assert {name: document[name] for name in same} == {name: before[name] for name in same}


def test_a_call_that_cost_nothing_is_not_refunded(shop: Shop) -> None:
    document = to_json(receipt(shop, shop.sell(NO_USAGE, Status.FAILED)))
    assert (document["status"], document["refunded"]) == ("failed", "0.00")
