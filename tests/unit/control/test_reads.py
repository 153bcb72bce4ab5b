"""What is read is what the portal shows: the same sums, page by page, and nothing of anybody else."""

from hashlib import sha256

import pytest
from stage.pages import CHAT

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY
from puyun.kit.ids import format_id
from puyun.kit.money import NANO, format_amount
from puyun.pricing.statement import digest, parse_month
from puyun.storage.engine import reading, writing
from puyun.storage.receipts import load_receipt, to_json
from puyun.storage.reports.calls import PAGE as CALLS
from puyun.storage.reports.statements import load_statement
from puyun.storage.reports.transactions import PAGE
from puyun.storage.wallets import MoneyKind, top_up


def code(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def paid(pages, organization, amount, ref):
    with writing(pages.engine) as connection:
        top_up(connection, organization.id, amount, kind=MoneyKind.PAID, ref=ref, now=pages.clock.now())


def all_pages(client, path, **params):
    found, cursor = [], None
    for _ in range(20):
        page = client.get(path, params=params | ({} if cursor is None else {"cursor": cursor})).json()
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
    raise AssertionError("it has no end")


def test_usage_is_of_this_organization_alone(client, pages, engines):
    number = pages.models()[CHAT.name]
    mine, other = pages.key(engines, "mine"), pages.key(pages.organization("Looms"))
    now = pages.clock.now()
    pages.used(mine, number, Tier.FLEX, at=now, charge=3 * NANO, calls=2, failures=1, input=7)
    pages.used(other, number, Tier.FLEX, at=now, charge=9 * NANO, calls=9)
    told = client.get("/usage").json()
    [row] = told["data"]
    assert (row["label"], row["requests"], row["failures"], row["cost"]) == (CHAT.name, 2, 1, "3.00")
    assert row["tokens"]["input"] == row["total_tokens"] == 7
    assert told["total"] == row | {"label": "total"}
    assert (told["from"], told["to"]) == ("2026-02-13T12:30:00Z", "2026-03-15T12:30:00Z")
    for by, label in {"tier": "flex", "day": "2026-03-15", "key": f"mine ({format_id('key', mine.id)})"}.items():
        assert [each["label"] for each in client.get("/usage", params={"by": by}).json()["data"]] == [label]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"by": "colour"}, (422, "invalid_request", "by")),
        ({"from": "yesterday"}, (422, "invalid_request", "from")),
        ({"from": "2026-03-15", "to": "2026-03-15"}, (422, "invalid_period", "from")),
        ({"from": "2024-03-15", "to": "2026-03-15"}, (422, "invalid_period", "from")),
        ({"to": "0001-01-01"}, (422, "invalid_time", "to")),
        ({"to": "9999-12-31T23:59:59"}, (422, "invalid_time", "to")),
    ],
)
def test_a_period_that_makes_no_sense(client, params, expected):
    assert code(client.get("/usage", params=params)) == expected


def test_transactions_of_all_pages_add_up_to_the_balance(client, pages, engines):
    for number in range(PAGE + 5):
        paid(pages, engines, (number + 1) * NANO, f"t{number}")
        pages.clock.advance(DAY // 4)
    rows = all_pages(client, "/transactions")
    assert [row["ref"] for row in rows] == [f"t{number}" for number in reversed(range(PAGE + 5))]
    balance = client.get("/balance").json()
    assert balance["balance"] == balance["available"] == format_amount(sum(range(1, PAGE + 6)) * NANO)
    assert balance["held"] == balance["bonus"] == "0.00"
    assert balance["currency"] == "USD"


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "-1-2", "9999999999999999999-1", "1-9999999999999999999"])
def test_a_cursor_is_as_a_page_gave_it(client, cursor):
    assert code(client.get("/transactions", params={"cursor": cursor})) == (422, "invalid_cursor", "cursor")
    assert code(client.get("/receipts", params={"cursor": cursor})) == (422, "invalid_cursor", "cursor")


def test_statements_are_those_whose_hash_is_kept(client, pages, engines):
    paid(pages, engines, NANO, "t")
    [row] = client.get("/statements").json()["data"]
    assert row == {"month": "2026-03", "closed": None, "sha256": None}
    with reading(pages.engine) as connection:
        made = load_statement(connection, engines.id, parse_month("2026-03"))
    answer = client.get("/statements/2026-03")
    assert sha256(answer.content).hexdigest() == digest(made)
    assert code(client.get("/statements/2026-04")) == (404, "statement_not_found", None)
    assert code(client.get("/statements/march")) == (422, "invalid_month", "month")


def test_receipts_are_signed_and_come_in_pages(client, pages, engines):
    number = pages.models()[CHAT.name]
    for call in range(CALLS + 2):
        pages.ended(pages.key(engines, f"k{call}"), number, call)
    foreign = pages.key(pages.organization("Looms"))
    pages.ended(foreign, number, 1)
    rows = all_pages(client, "/receipts")
    assert len({row["id"] for row in rows}) == len(rows) == CALLS + 2
    assert all_pages(client, "/receipts", model="nothing") == []
    assert len(all_pages(client, "/receipts", model=CHAT.name)) == CALLS + 2
    receipt = client.get(f"/receipts/{rows[0]['id']}").json()
    with reading(pages.engine) as connection:
        call = int(rows[0]["id"][4:20], 16)
        expected = to_json(load_receipt(connection, engines.id, call))
    assert receipt.pop("signature")["value"]
    assert receipt == {name: value for name, value in expected.items() if name != "signature"}
    theirs = f"req_{call:016x}{foreign.org:08x}"
    for name in (theirs, "req_0", "x"):
        assert code(client.get(f"/receipts/{name}")) == (404, "receipt_not_found", None)


def test_limits_are_read_model_by_model(client, pages, engines):
    pages.models()
    told = client.get("/limits", params={"tier": "flex"}).json()
    assert told["tier"] == "flex"
    assert told["tiers"] == list(Tier)
    assert CHAT.name in [row["model"] for row in told["data"]]
    made = pages.key(engines)
    assert client.get("/limits", params={"key": format_id("key", made.id)}).json()["tier"] == "flex"
    foreign = pages.key(pages.organization("Looms"))
    for name in (format_id("key", foreign.id), "x"):
        assert code(client.get("/limits", params={"key": name}))[:2] == (404, "key_not_found")


def test_prices_are_public_and_those_of_the_price_list(client):
    del client.headers["authorization"]
    told = client.get("/prices").json()
    assert (told["currency"], told["unit"]) == ("USD", "per million tokens")
    assert {offer["tier"] for offer in told["offers"] if offer["model"] == CHAT.name} == set(Tier)
