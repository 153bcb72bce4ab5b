"""Holds of streams: they start small, grow ahead of need, and when they cannot grow the stream is cut and paid to there."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from stage.bill import charge, nano
from stage.platform import Account, Platform

SLOW = "mock-chunk-delay-1-tokens-4000"
SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def stream(platform: Platform, key: str, model: str, **options: Any) -> tuple[httpx2.Response, list[Any]]:
    """The whole stream: its response, and its events decoded; `[DONE]` stays text."""
    body = {"model": model, "messages": SAYS, "stream": True, "stream_options": {"include_usage": True}} | options
    headers = {"authorization": f"Bearer {key}"}
    url = f"{platform.base_url}/v1/chat/completions"
    response = httpx2.post(url, json=body, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return response, [event if event == "[DONE]" else json.loads(event) for event in events]


def finishes(events: list[Any]) -> list[str]:
    choices = [choice for event in events if isinstance(event, dict) for choice in event.get("choices", ())]
    return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


def test_a_long_stream_grows_its_hold_and_completes(platform: Platform, account: Account) -> None:
    response, events = stream(platform, account.key, "mock-tokens-5000")
    receipt = platform.receipt(account, response.headers["x-request-id"])
    assert events[-1] == "[DONE]"
    assert receipt["status"] == "completed"
    assert nano(receipt["charge"]) == charge(3, 5000)
    assert nano(receipt["held"]) >= nano(receipt["charge"])


def test_the_first_hold_does_not_lock_up_what_max_tokens_would(platform: Platform) -> None:
    """100,000 tokens would be 1.00; the wallet has a tenth of it, and an answer of ten tokens is served whole."""
    account = platform.account("0.10")
    response, events = stream(platform, account.key, "mock", max_tokens=4096)
    assert events[-1] == "[DONE]"
    assert nano(platform.receipt(account, response.headers["x-request-id"])["held"]) < nano("0.02")


def test_a_stream_whose_budget_ends_is_cut_in_good_order_and_paid_to_the_cut(
    platform: Platform, account: Account
) -> None:
    key = platform.key(account, budget=nano("0.02"))
    response, events = stream(platform, key, SLOW, user=key[-8:])
    *_, usage, error = events
    receipt = platform.receipt(account, response.headers["x-request-id"])
    assert finishes(events) == ["length"]
    assert error["error"]["code"] == "insufficient_credit"
    assert error["error"]["guard"] == "budget"
    assert "[DONE]" not in events
    assert receipt["status"] == "cut"
    assert 0 < nano(receipt["charge"]) <= nano("0.02")
    assert usage["usage"]["cost"] == receipt["charge"]
    [entry] = platform.mock.ended(key[-8:])
    assert not entry["complete"]


def test_an_end_that_was_set_by_the_wallet_is_said_to_be_one(platform: Platform) -> None:
    """The provider stops where we told it to: the answer is whole for it, but not for the customer."""
    account = platform.account("0.02")
    response, events = stream(platform, account.key, "mock-tokens-5000", max_tokens=4000)
    assert int(response.headers["x-puyun-max-tokens"]) < 2000
    assert finishes(events) == ["length"]
    assert events[-1]["error"]["code"] == "insufficient_credit"
    assert platform.receipt(account, response.headers["x-request-id"])["status"] == "cut"
    assert platform.settled_wallet(account).available >= 0


def test_streams_that_share_a_poor_wallet_never_overdraw_it(platform: Platform) -> None:
    account = platform.account("0.05")
    with ThreadPoolExecutor(3) as pool:
        ends = list(pool.map(lambda _: stream(platform, account.key, SLOW), range(3)))
    receipts = [platform.receipt(account, response.headers["x-request-id"]) for response, _ in ends]
    assert all(events[-1]["error"]["code"] == "insufficient_credit" for _, events in ends)
    assert {receipt["status"] for receipt in receipts} == {"cut"}
    wallet = platform.settled_wallet(account)
    assert sum(nano(receipt["charge"]) for receipt in receipts) == nano("0.05") - wallet.paid
    assert wallet.available >= 0
