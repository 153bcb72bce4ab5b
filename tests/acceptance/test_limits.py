"""Limits of a running platform: what is refused and why, what the headers and `/v1/limits` say, and when changes apply."""

import json
import urllib.request
from itertools import islice
from typing import Any

import openai
import pytest
from stage.bill import charge
from stage.platform import Account, Platform
from stage.waiting import until

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def limit(platform: Platform, account: Account, *words: str) -> None:
    """Set a limit, and wait until the running server knows it."""
    name = account.organization.name
    platform.cli("limits", "set", name, *words, "--why", "a test")
    until(lambda: shown(platform, account)["limits"], "the limit to be known")


def shown(platform: Platform, account: Account, model: str = "mock") -> dict[str, Any]:
    (row,) = platform.get(f"/v1/limits?model={model}", account.key)["models"]
    return row | {"limits": [each for each in row["limits"] if each["metric"] != "queued"]}


def test_a_limit_refuses_says_whose_it_is_and_costs_nothing(platform: Platform, account: Account) -> None:
    limit(platform, account, "--rpm", "1", "--burst", "60")
    with platform.client(account) as client:
        first = client.chat.completions.with_raw_response.create(model="mock", messages=SAYS)
        assert first.headers["x-ratelimit-limit-requests"] == "1"
        assert first.headers["x-ratelimit-remaining-requests"] == "0"
        assert first.headers["ratelimit-policy"] == '"rpm";q=1;w=60'
        assert first.headers["ratelimit"].startswith('"rpm";r=0;t=')
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="mock", messages=SAYS, extra_headers={"X-Max-Wait": "0"})
    error = caught.value
    assert error.code == "rate_limit_exceeded"
    assert error.body["metric"] == "rpm"
    assert error.body["limit"] == "1"
    assert error.body["scope"] == "organization"
    headers = error.response.headers
    assert (headers["x-ratelimit-remaining-requests"], headers["ratelimit-policy"]) == ("0", '"rpm";q=1;w=60')
    assert 1 <= int(headers["retry-after"]) <= 60
    assert int(headers["retry-after-ms"]) <= int(headers["retry-after"]) * 1000
    assert [record["charge"] for record in platform.records(account)] == [charge(3, 10)]
    row = shown(platform, account)
    (rpm,) = row["limits"]
    assert (rpm["metric"], rpm["limit"], rpm["from"], rpm["why"]) == ("rpm", 1, "organization", "a test")
    assert (rpm["used"], rpm["remaining"]) == (1, 0)


def test_a_call_larger_than_its_limit_is_told_not_to_come_again(platform: Platform, account: Account) -> None:
    limit(platform, account, "--itpm", "10")
    long = [{"role": "user", "content": "word " * 400}]
    with platform.client(account) as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="mock", messages=long)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert "retry-after" not in caught.value.response.headers


def test_calls_in_flight_are_bounded_and_the_next_ones_wait_for_their_turn(
    platform: Platform, account: Account
) -> None:
    limit(platform, account, "--in-flight", "1")
    user = f"flight-{account.number}"
    body = {"model": "mock-gate", "messages": SAYS, "user": user}
    call = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {account.key}\r\n"
    raw = head.encode() + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(call) + call
    with platform.dialogue() as first, platform.dialogue() as second:
        first.send(raw)
        until(lambda: platform.mock.asked(user), "the first to be under way")
        second.send(raw)
        assert len(platform.mock.asked(user)) == 1
        platform.mock.open_gate(user)
        assert (first.answer().status, second.answer().status) == (200, 200)
    assert len(platform.mock.asked(user)) == 2


def test_a_limit_that_is_lifted_is_gone(platform: Platform, account: Account) -> None:
    limit(platform, account, "--rpm", "0")
    with platform.client(account) as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="mock", messages=SAYS)
        platform.cli("limits", "unset", account.organization.name)
        until(lambda: not shown(platform, account)["limits"], "the limit to be gone")
        assert client.chat.completions.create(model="mock", messages=SAYS).usage


def test_the_live_stream_tells_of_what_changed(platform: Platform, account: Account) -> None:
    limit(platform, account, "--rpm", "2", "--burst", "60")
    request = urllib.request.Request(
        platform.base_url + "/v1/limits/stream?model=mock", headers={"Authorization": f"Bearer {account.key}"}
    )
    with urllib.request.urlopen(request, timeout=30) as events:
        first = _next(events)
        assert first["models"][0]["limits"][0]["used"] == 0
        with platform.client(account) as client:
            client.chat.completions.create(model="mock", messages=SAYS)
        assert _next(events)["models"][0]["limits"][0]["used"] == 1


def _next(events: Any) -> dict[str, Any]:
    for line in islice(events, 60):
        if line.startswith(b"data: "):
            return json.loads(line.removeprefix(b"data: "))
    raise AssertionError("the stream ended")


@pytest.mark.parametrize(
    ("query", "status"), [("?model=nothing", 404), ("?tier=gold", 403), ("?tier=test", 200), ("", 200)]
)
def test_what_can_be_asked(platform: Platform, account: Account, query: str, status: int) -> None:
    for path in ("/v1/limits", "/v1/limits/stream") if status != 200 else ("/v1/limits",):
        assert platform.status(path + query, account.key) == status
    assert platform.status("/v1/limits", "sk-puyun-nobody") == 401


@pytest.mark.parametrize(("name", "value"), [("X-Max-Wait", "soon"), ("X-Max-Wait", "-1"), ("X-Priority", "10")])
def test_how_long_to_wait_and_in_which_order_is_a_number(
    platform: Platform, account: Account, name: str, value: str
) -> None:
    with platform.client(account) as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="mock", messages=SAYS, extra_headers={name: value})
    assert caught.value.param == name.lower()
