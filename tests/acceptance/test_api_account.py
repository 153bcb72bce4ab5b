"""Balance, receipts, usage and prices say the same as the wallet, and only to whom they belong."""

from datetime import datetime

import pytest
from stage.bill import charge, nano
from stage.platform import Account, Platform
from stage.waiting import until

SAYS = [{"role": "user", "content": "one two three"}]
RECEIPT_FIELDS = {
    "id",
    "organization",
    "key",
    "created",
    "model",
    "deployment",
    "tier_requested",
    "tier_served",
    "status",
    "usage",
    "lines",
    "charge",
    "held",
    "attempts",
    "timing",
    "balance_after",
    "signature",
}


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def call(platform: Platform, account: Account, model: str = "mock-tokens-50", **options) -> str:
    """The id of a completed call."""
    with platform.client(account) as client:
        raw = client.chat.completions.with_raw_response.create(model=model, messages=SAYS, **options)
        answer = raw.parse()
        assert list(answer) if options.get("stream") else answer
        return raw.headers["x-request-id"]


def test_a_balance(platform: Platform, account: Account) -> None:
    assert platform.get("/v1/balance", account.key) == {
        "currency": "USD",
        "balance": "10.00",
        "held": "0.00",
        "available": "10.00",
    }
    call(platform, account)
    found = platform.get("/v1/balance", account.key)
    assert nano(found["balance"]) == nano(found["available"]) == nano("10.00") - charge(3, 50)


@pytest.mark.parametrize("stream", [False, True])
def test_a_receipt_has_every_figure(platform: Platform, account: Account, stream: bool) -> None:
    request_id = call(platform, account, stream=stream)
    receipt = platform.receipt(account, request_id)
    assert set(receipt) >= RECEIPT_FIELDS
    assert receipt["id"] == request_id
    assert (receipt["model"], receipt["deployment"]) == ("mock-tokens-50", "mock-tokens-50@mock")
    assert (receipt["tier_requested"], receipt["tier_served"], receipt["status"]) == ("flex", "flex", "completed")
    assert receipt["usage"] == {"input": 3, "output": 50}
    lines = {line["meter"]: line for line in receipt["lines"]}
    assert {meter: (line["tokens"], line["price_per_million"]) for meter, line in lines.items()} == {
        "input": (3, "2.50"),
        "output": (50, "10.00"),
    }
    assert all(line["price_id"] for line in receipt["lines"])
    assert sum(nano(line["amount"]) for line in receipt["lines"]) == nano(receipt["charge"]) == charge(3, 50)
    assert nano(receipt["held"]) >= nano(receipt["charge"])
    assert nano(receipt["balance_after"]) == nano("10.00") - charge(3, 50)
    assert receipt["attempts"] == 1
    assert datetime.fromisoformat(receipt["created"]).tzinfo is not None
    timing = receipt["timing"]
    assert set(timing) == {"queue_ms", "ttft_ms", "total_ms"}
    assert 0 <= timing["ttft_ms"] <= timing["total_ms"]


def test_the_command_line_shows_the_same_receipt(platform: Platform, account: Account) -> None:
    request_id = call(platform, account)
    assert f'"{request_id}"' in platform.cli("receipt", request_id, "--json")
    assert platform.run("receipt", "req_000000000000000000000000").returncode == 3


def test_a_receipt_belongs_to_one_organization(platform: Platform, account: Account) -> None:
    request_id = call(platform, account)
    other = platform.account()
    for path in (f"/v1/receipts/{request_id}", "/v1/receipts/req_000000000000000000000000"):
        assert platform.status(path, other.key) == 404
    assert platform.status("/v1/receipts/nonsense", other.key) in {400, 404}


def test_usage_is_the_sum_of_the_receipts(platform: Platform, account: Account) -> None:
    receipts = [platform.receipt(account, call(platform, account, model)) for model in ("mock", "mock-cached", "mock")]
    rows = platform.get("/v1/usage?by=model", account.key)["data"]
    by_model = {row["model"]: row for row in rows}
    assert set(by_model) == {"mock", "mock-cached"}
    assert by_model["mock"]["requests"] == 2
    for model, row in by_model.items():
        mine = [receipt for receipt in receipts if receipt["model"] == model]
        assert nano(row["cost"]) == sum(nano(receipt["charge"]) for receipt in mine)
        for bucket in ("input", "output"):
            assert row["tokens"][bucket] == sum(receipt["usage"][bucket] for receipt in mine)
    assert by_model["mock-cached"]["tokens"]["cached_input"] == 1
    spent = nano("10.00") - nano(platform.get("/v1/balance", account.key)["balance"])
    assert sum(nano(row["cost"]) for row in rows) == spent


def test_a_period_without_calls_is_empty(platform: Platform, account: Account) -> None:
    call(platform, account)
    assert platform.get("/v1/usage?by=model&from=2026-01-01&to=2026-01-02", account.key)["data"] == []


def test_prices_are_public(platform: Platform) -> None:
    listed = platform.get("/api/prices")
    assert listed["currency"] == "USD"
    mine = [offer for offer in listed["offers"] if offer["model"] == "mock-flex-only"]
    assert [(offer["tier"], offer["prices"]["output"], offer["next"]) for offer in mine] == [("flex", "10.00", None)]
    assert not [offer for offer in listed["offers"] if offer["model"] == "mock-unpriced"]


def test_an_announced_price_is_public_before_it_counts(platform: Platform) -> None:
    platform.cli("price", "set", "mock-changing-price", "enterprise", "output", "12.00", "--from", "2099-01-01")

    def announced() -> list[object]:
        offers = platform.get("/api/prices")["offers"]
        return [
            (offer["prices"]["output"], offer["next"]["from"], offer["next"]["prices"]["output"])
            for offer in offers
            if (offer["model"], offer["tier"]) == ("mock-changing-price", "enterprise") and offer["next"]
        ]

    found = until(announced, "the announcement")
    assert found == [("10.00", "2099-01-01T00:00:00Z", "12.00")]


@pytest.mark.parametrize("path", ["/v1/balance", "/v1/usage", "/v1/models", "/v1/receipts/req_1"])
def test_nothing_is_told_without_a_key(platform: Platform, path: str) -> None:
    assert platform.status(path, "sk-puyun-wrong") == 401
