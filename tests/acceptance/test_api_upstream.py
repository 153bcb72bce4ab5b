"""What an upstream does wrong costs the customer nothing, is said plainly, and tells nothing of the operator."""

import json

import openai
import pytest
from stage.bill import charge
from stage.dialogue import post
from stage.platform import Account, Platform
from stage.upstream import SECRET
from stage.waiting import until

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def failed(platform: Platform, account: Account) -> None:
    """One record that says failed; nothing taken, nothing held."""
    wallet = platform.settled_wallet(account)
    assert wallet.paid == 10_000_000_000
    [record] = platform.records(account)
    assert (record["charge"], record["output"]) == (0, 0) or record["charge"] == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_passed_on_without_secrets(
    platform: Platform, account: Account, status: int, stream: bool
) -> None:
    with platform.client(account) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=f"mock-status-{status}", messages=SAYS, stream=stream)
    error = caught.value
    assert error.status_code == status
    assert SECRET not in error.response.text
    assert "temperature is too high" in error.message or status == 404
    failed(platform, account)
    assert platform.receipt(account, error.request_id)["status"] == "failed"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        # The upstream does not know the operator: no fault of this customer, whose own key is good.
        ("mock-status-401", 502, "upstream_error"),
        ("mock-limited", 503, "capacity_unavailable"),
        ("mock-status-500", 502, "upstream_error"),
        ("mock-status-302", 502, "upstream_error"),
        ("mock-die-before", 502, "upstream_error"),
        ("mock-garbage", 502, "upstream_error"),
        ("mock-stall", 504, "upstream_timeout"),
    ],
)
def test_a_failure_before_the_first_byte(
    platform: Platform, account: Account, model: str, status: int, code: str, stream: bool
) -> None:
    model += ("-stream" if stream else "-whole") if model == "mock-limited" else ""
    with platform.client(account) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=SAYS, stream=stream)
    error = caught.value
    assert (error.status_code, error.code) == (status, code)
    assert SECRET not in error.response.text
    assert SECRET not in str(error.response.headers)
    failed(platform, account)
    assert platform.receipt(account, error.request_id)["status"] == "failed"


def test_the_test_tier_promises_no_capacity(platform: Platform, account: Account) -> None:
    with platform.client(account) as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="mock-limited-test", messages=SAYS, extra_body={"service_tier": "test"})
    assert caught.value.code == "capacity_unavailable"
    assert caught.value.response.headers["retry-after"] == "7", "as the upstream said"
    assert caught.value.response.headers["retry-after-ms"] == "7000"


@pytest.mark.parametrize("stream", [False, True])
def test_another_deployment_answers_for_one_that_fails(platform: Platform, account: Account, stream: bool) -> None:
    """The customer pays for the answer delivered, once (policy 9); the receipt says how many were tried."""
    with platform.client(account) as client:
        raw = client.chat.completions.with_raw_response.create(model="mock-failover", messages=SAYS, stream=stream)
        answer = raw.parse()
        assert list(answer) if stream else answer
    receipt = platform.receipt(account, raw.headers["x-request-id"])
    assert (receipt["status"], receipt["attempts"], receipt["deployment"]) == ("completed", 3, "mock@mock")
    assert platform.settled_wallet(account).paid == 10_000_000_000 - charge(3, 10)


def test_a_call_waits_for_a_seat_or_is_refused_at_once_as_it_likes(platform: Platform, account: Account) -> None:
    user = f"seat-{account.number}"
    body = {"model": "mock-one-seat", "messages": SAYS, "user": user}
    with platform.dialogue() as first, platform.dialogue() as second, platform.client(account) as client:
        first.send(post("/v1/chat/completions", body, account.key))
        until(lambda: platform.mock.asked(user), "the seat to be taken")
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**body, extra_headers={"X-Max-Wait": "0"})
        assert (caught.value.status_code, caught.value.code) == (503, "capacity_unavailable")
        assert int(caught.value.response.headers["retry-after"]) >= 1
        second.send(post("/v1/chat/completions", body, account.key))
        until(lambda: queued(platform, account, "mock-one-seat") == 1, "the second to queue")
        assert len(platform.mock.asked(user)) == 1
        assert platform.wallet(account).held > 0, "only the first holds money"
        platform.mock.open_gate(user)
        assert first.answer().status == 200
        answer = second.answer()
        assert answer.status == 200
        assert int(answer.headers["x-puyun-queue-position"]) >= 0
        assert client.chat.completions.create(**body).usage
    assert len(platform.mock.asked(user)) == 3
    records = platform.records(account)
    assert [record["charge"] for record in records] == [charge(3, 10)] * 3, "who is refused a seat leaves no record"
    assert records[1]["queue_ms"] > 0


def queued(platform: Platform, account: Account, model: str) -> int:
    shown = platform.get("/v1/limits", account.key)
    return next(row["queued"] for row in shown["models"] if row["model"] == model)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("mock-die-midstream", 502, "upstream_error"),
        ("mock-reset-midstream", 502, "upstream_error"),
        ("mock-truncated", 502, "upstream_error"),
        ("mock-bad-json", 502, "upstream_error"),
        ("mock-stall-midstream", 504, "upstream_timeout"),
    ],
)
def test_a_whole_answer_that_breaks_off(
    platform: Platform, account: Account, model: str, status: int, code: str
) -> None:
    with platform.client(account) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=SAYS)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    failed(platform, account)


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("mock-die-midstream", "upstream_error"),
        ("mock-reset-midstream", "upstream_error"),
        ("mock-stall-midstream", "upstream_timeout"),
        ("mock-bad-json", "upstream_error"),
        ("mock-endless-line", "upstream_error"),
        ("mock-error-midstream", "upstream_error"),
        ("mock-whole", "upstream_error"),
    ],
)
def test_a_stream_that_breaks_off_ends_in_good_order(
    platform: Platform, account: Account, model: str, code: str
) -> None:
    """An error event, the chunked end, no [DONE], nothing charged, and the connection can be used again."""
    body = {"model": model, "messages": SAYS, "stream": True, "stream_options": {"include_usage": True}}
    with platform.dialogue() as dialogue:
        answer = dialogue.send(post("/v1/chat/completions", body, account.key)).answer()
        if answer.status == 200:
            events = answer.events()
            assert "[DONE]" not in events
            error = events[-1]["error"]
            assert error["request_id"] == answer.headers["x-request-id"]
        else:
            # Nothing was relayed yet: then a plain error is better still.
            error = answer.json()["error"]
        assert error["code"] == code
        assert SECRET not in json.dumps(error)
        again = dialogue.send(post("/v1/chat/completions", {"model": "mock", "messages": SAYS}, account.key)).answer()
        assert again.status == 200
    wallet = platform.settled_wallet(account)
    broken, _ = platform.records(account)
    assert broken["charge"] == 0
    assert wallet.paid == 10_000_000_000 - charge(3, 10)


def test_the_sdk_raises_what_a_broken_stream_says(platform: Platform, account: Account) -> None:
    heard: list[str] = []
    with platform.client(account) as client:
        chunks = client.chat.completions.create(model="mock-die-midstream", messages=SAYS, stream=True)
        with pytest.raises(openai.APIError) as caught:
            heard.extend(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert caught.value.code == "upstream_error"
    assert "".join(heard).startswith("word0")
    failed(platform, account)


def test_a_broken_connection_upstream_is_not_used_again(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        for model in ("mock-die-midstream", "mock", "mock-truncated", "mock", "mock-garbage", "mock"):
            try:
                answer = client.chat.completions.create(model=model, messages=SAYS)
            except openai.APIStatusError:
                assert model != "mock"
            else:
                assert model == "mock"
                assert answer.usage.completion_tokens == 10


@pytest.mark.parametrize("stream", [False, True])
def test_missing_usage_is_estimated_within_the_hold_and_said(
    platform: Platform, account: Account, stream: bool
) -> None:
    with platform.client(account) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="mock-no-usage", messages=SAYS, stream=stream, max_tokens=100
        )
        if stream:
            assert list(raw.parse())
        request_id = raw.headers["x-request-id"]
    receipt = until(lambda: platform.receipt(account, request_id), "the receipt")
    assert receipt["status"] == "completed"
    [record] = platform.records(account)
    assert record["flags"] & 1, "flagged as estimated"
    assert 0 < record["charge"] <= record["held"]


def test_usage_beyond_the_hold_and_the_wallet_is_not_collected(platform: Platform) -> None:
    account = platform.account("0")
    with platform.client(account) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="mock-factor-1000", messages=SAYS, max_tokens=20)
        needed = caught.value.body["needed"]
        platform.cli("topup", account.organization.name, needed)
        client.chat.completions.create(model="mock-factor-1000", messages=SAYS, max_tokens=20)
    wallet = platform.settled_wallet(account)
    [record] = platform.records(account)
    assert wallet.paid == 0
    assert record["charge"] == record["held"]
    assert record["flags"] & 4, "flagged as overrun"


def test_idle_connections_upstream_are_used_again(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        client.chat.completions.create(model="mock", messages=SAYS)
        before = platform.mock.stats()["connections_opened"]
        for _ in range(10):
            client.chat.completions.create(model="mock", messages=SAYS)
    # `stats` opens a connection itself.
    assert platform.mock.stats()["connections_opened"] - before <= 2
