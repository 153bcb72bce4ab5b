"""What a customer sees of waiting for a seat: its turn, its order, its end, and what it costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from stage.bill import charge
from stage.dialogue import Dialogue, post
from stage.platform import Account, Platform
from stage.waiting import until

from puyun.catalog.model import TIERS

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def user(account: Account, name: str) -> str:
    return f"{name}-{account.number}"


def ask(account: Account, model: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": SAYS, "user": user(account, name)} | fields


def queued(platform: Platform, account: Account, model: str, tier: str = "flex") -> int:
    (row,) = platform.get(f"/v1/limits?model={model}&tier={tier}", account.key)["models"]
    return row["queued"]


@contextmanager
def taken(platform: Platform, account: Account, model: str) -> Iterator[Dialogue]:
    """The one seat of a model has a call of Flex, which waits for its gate; it is let go in the end."""
    with platform.dialogue() as first:
        first.send(post("/v1/chat/completions", ask(account, model, "first"), account.key))
        until(lambda: platform.mock.asked(user(account, "first")), "the seat to be taken")
        try:
            yield first
        finally:
            platform.mock.open_gate(user(account, "first"))
        assert first.answer().status == 200


def test_a_stream_that_waits_is_told_so_and_then_served(platform: Platform, account: Account) -> None:
    with platform.dialogue() as second:
        with taken(platform, account, "mock-one-seat"):
            platform.mock.open_gate(user(account, "second"))
            second.send(post("/v1/chat/completions", ask(account, "mock-one-seat", "second", stream=True), account.key))
            _, _, headers = second.head()
            assert headers["content-type"].startswith("text/event-stream")
            assert second.chunk() == b": queued\n\n"
            assert platform.mock.asked(user(account, "second")) == []
        rest = b"".join(second.chunks())
        assert b'"finish_reason":"stop"' in rest
        assert rest.endswith(b"data: [DONE]\n\n")
    assert [record["charge"] for record in platform.records(account)] == [charge(3, 10)] * 2


def test_a_stream_that_was_told_to_wait_hears_of_its_end_in_an_event(platform: Platform, account: Account) -> None:
    with taken(platform, account, "mock-one-seat"), platform.dialogue() as second:
        body = ask(account, "mock-one-seat", "second", stream=True)
        second.send(post("/v1/chat/completions", body, account.key, "X-Max-Wait: 4"))
        answer = second.answer()
        assert answer.status == 200
        assert answer.body.startswith(b": queued\n\n")
        assert b'"capacity_unavailable"' in answer.body
        assert b"[DONE]" not in answer.body
    assert len(platform.records(account)) == 1


@pytest.mark.parametrize(("tier", "status"), [("test", 429), ("flex", 503), ("enterprise", 503)])
def test_whoever_has_waited_long_enough_is_refused(
    platform: Platform, account: Account, tier: str, status: int
) -> None:
    key = platform.key(account, tier=tier) if tier in account.organization.tiers else account.key
    with taken(platform, account, "mock-one-seat"), platform.client(key) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(
                **ask(account, "mock-one-seat", "second"), extra_headers={"X-Max-Wait": "0.3", "X-Service-Tier": tier}
            )
        assert (caught.value.status_code, caught.value.code) == (status, "capacity_unavailable")
        assert "not charged" in caught.value.message
        assert float(caught.value.response.headers["retry-after"]) >= 1
    assert platform.wallet(account).held == 0


def test_credit_that_is_short_is_told_when_the_turn_has_come(platform: Platform) -> None:
    account, poor = platform.account(), platform.account("0.00")
    with platform.dialogue() as second:
        with taken(platform, account, "mock-one-seat"):
            second.send(post("/v1/chat/completions", ask(poor, "mock-one-seat", "second"), poor.key))
            until(lambda: queued(platform, poor, "mock-one-seat") == 1, "the second to queue")
        answer = second.answer()
        assert answer.status == 402
        assert b"insufficient_credit" in answer.body
    assert platform.mock.asked(user(poor, "second")) == []
    with platform.client(account) as client:
        assert client.chat.completions.create(**ask(account, "mock-one-seat", "first")).usage, "the seat is free"


def test_a_key_orders_its_own_calls(platform: Platform, account: Account) -> None:
    model = "mock-one-seat"
    with platform.dialogue() as late, platform.dialogue() as soon:
        for name in ("late", "soon"):
            platform.mock.open_gate(user(account, name))
        with taken(platform, account, model):
            late.send(post("/v1/chat/completions", ask(account, model, "late"), account.key, "X-Priority: 9"))
            until(lambda: queued(platform, account, model) == 1, "the first to queue")
            soon.send(post("/v1/chat/completions", ask(account, model, "soon"), account.key, "X-Priority: 0"))
            until(lambda: queued(platform, account, model) == 2, "the second to queue")
        assert (late.answer().status, soon.answer().status) == (200, 200)
    numbers = {name: platform.mock.asked(user(account, name))[0]["entry"]["number"] for name in ("late", "soon")}
    assert numbers["soon"] < numbers["late"]


def test_a_client_that_leaves_the_queue_leaves_no_trace(platform: Platform, account: Account) -> None:
    with taken(platform, account, "mock-one-seat"):
        with platform.dialogue() as second:
            second.send(post("/v1/chat/completions", ask(account, "mock-one-seat", "second"), account.key))
            until(lambda: queued(platform, account, "mock-one-seat") == 1, "the second to queue")
        until(lambda: queued(platform, account, "mock-one-seat") == 0, "the place to be free")
    assert platform.mock.asked(user(account, "second")) == []
    assert len(platform.records(account)) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_test_call_gives_way_before_its_first_byte_and_is_served_later(
    platform: Platform, account: Account, stream: bool
) -> None:
    """Its client sees nothing of it, and pays once."""
    assert set(account.organization.tiers) == set(TIERS)
    model = "mock-own-seat"
    with platform.dialogue() as cheap, platform.client(account) as client:
        body = ask(account, model, "cheap", stream=stream, service_tier="test")
        cheap.send(post("/v1/chat/completions", body, account.key))
        until(lambda: platform.mock.asked(user(account, "cheap")), "the seat to be taken")
        platform.mock.open_gate(user(account, "dear"))
        dear = client.chat.completions.create(**ask(account, model, "dear", service_tier="enterprise"))
        assert dear.usage
        until(lambda: len(platform.mock.asked(user(account, "cheap"))) == 2, "the call to be made again")
        platform.mock.open_gate(user(account, "cheap"))
        assert cheap.answer().status == 200
    records = platform.records(account)
    assert sorted(record["charge"] for record in records) == [charge(3, 10)] * 2
    assert platform.settled_wallet(account).paid == 10_000_000_000 - 2 * charge(3, 10)


def test_a_provider_that_is_at_its_limit_is_left_alone_for_a_while(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        for _ in range(5):
            assert client.chat.completions.create(**ask(account, "mock-pressed", "any")).usage
    asked = [entry["entry"]["model"] for entry in platform.mock.asked(user(account, "any"))]
    assert asked.count("mock") == 5
    assert asked.count("mock-status-429") < 5
