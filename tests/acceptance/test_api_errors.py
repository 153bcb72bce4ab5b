"""Every refusal of the error table: status, code, what to do next, and that it neither costs nor reaches an upstream."""

import sqlite3
import time
from contextlib import closing

import openai
import pytest
from openai import OpenAI
from stage.bill import charge, nano
from stage.platform import Account, Platform, instant
from stage.waiting import until

from puyun.kit.clock import DAY, Instant
from puyun.storage.engine import sqlite_path

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def refused(client: OpenAI, expected: type[openai.APIStatusError], **options) -> openai.APIStatusError:
    """The error of a chat call; its form is the same for all."""
    with pytest.raises(expected) as caught:
        client.chat.completions.create(**({"model": "mock", "messages": SAYS} | options))
    error = caught.value
    assert isinstance(error.body, dict)
    assert error.body["message"]
    assert error.body["type"]
    assert error.body["code"] == error.code
    assert error.request_id
    assert error.body["request_id"] == error.request_id
    return error


def untouched(platform: Platform, account: Account, user: str) -> None:
    """Not sent upstream, nothing held, nothing taken, no record."""
    assert platform.mock.asked(user) == []
    wallet = platform.wallet(account)
    assert (wallet.paid, wallet.held) == (10_000_000_000, 0)
    assert platform.records(account) == []


# --- who ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "key",
    [
        "sk-puyun-1234567890123456789012345678901234567x",
        "sk-something-else",
        "x",
        "sk-puyun-",
    ],
)
def test_an_unknown_key(platform: Platform, key: str) -> None:
    with platform.client(key) as client:
        error = refused(client, openai.AuthenticationError)
    assert (error.status_code, error.code) == (401, "invalid_api_key")
    assert key not in str(error.body) or len(key) == 1


def test_no_key(platform: Platform) -> None:
    with platform.client("unused") as client:
        error = refused(client, openai.AuthenticationError, extra_headers={"Authorization": openai.Omit()})
    assert error.code == "invalid_api_key"


def test_a_well_formed_key_nobody_made(platform: Platform, account: Account) -> None:
    mistyped = account.key[:20] + ("A" if account.key[20] != "A" else "B") + account.key[21:]
    with platform.client(mistyped) as client:
        assert refused(client, openai.AuthenticationError).code == "invalid_api_key"


def test_an_expired_key(platform: Platform, account: Account) -> None:
    then = Instant(instant() - 2 * DAY)
    key = platform.key(account, now=then, usable=False, expires_at=Instant(instant() - DAY))
    with platform.client(key) as client:
        error = refused(client, openai.AuthenticationError, user="expired")
    assert error.code == "invalid_api_key"
    untouched(platform, account, "expired")


def test_a_key_that_expires_while_in_use(platform: Platform, account: Account) -> None:
    key = platform.key(account, expires_at=Instant(instant() + 3_000_000))
    until(lambda: platform.status("/v1/models", key) == 401, "the key to expire")


def test_a_revoked_key_is_refused_by_the_running_server(platform: Platform, account: Account) -> None:
    key = platform.key(account)
    assert platform.status("/v1/models", key) == 200
    platform.cli("key", "revoke", key)
    until(lambda: platform.status("/v1/models", key) == 401, "the revoked key to be refused")
    with platform.client(key) as client:
        assert refused(client, openai.AuthenticationError, user="revoked").code == "invalid_api_key"
    untouched(platform, account, "revoked")


def test_a_key_from_a_wrong_address(platform: Platform, account: Account) -> None:
    key = platform.key(account, ips=("203.0.113.0/24", "2001:db8::/32"))
    with platform.client(key) as client:
        error = refused(client, openai.PermissionDeniedError, user="wrong-address")
    assert (error.status_code, error.code) == (403, "ip_not_allowed")
    untouched(platform, account, "wrong-address")


def test_a_key_from_a_right_address(platform: Platform, account: Account) -> None:
    with platform.client(platform.key(account, ips=("203.0.113.0/24", "127.0.0.0/8"))) as client:
        assert client.chat.completions.create(model="mock", messages=SAYS).usage


def test_nobody_can_forge_an_address(platform: Platform, account: Account) -> None:
    key = platform.key(account, ips=("203.0.113.0/24",))
    with platform.client(key) as client:
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            forged = {header: "for=203.0.113.9" if header == "Forwarded" else "203.0.113.9"}
            assert refused(client, openai.PermissionDeniedError, extra_headers=forged).code == "ip_not_allowed"


# --- what --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"messages": "hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": openai.omit}, "messages"),
        ({"model": ""}, "model"),
        ({"model": 7}, "model"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 2**70}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"extra_body": {"stream_options": 5}, "stream": True}, "stream_options"),
        ({"extra_body": {"service_tier": "gold"}}, "service_tier"),
    ],
)
def test_a_wrong_field_is_named(platform: Platform, account: Account, options: dict, param: str) -> None:
    with platform.client(account) as client:
        error = refused(client, openai.BadRequestError, user="wrong-field", **options)
    assert (error.code, error.param) == ("invalid_request_error", param)
    untouched(platform, account, "wrong-field")


def test_a_wrong_field_of_an_embedding(platform: Platform, account: Account) -> None:
    with platform.client(account) as client, pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="mock-embedding", input=openai.omit)
    assert caught.value.param == "input"


def test_a_body_over_the_limit(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        error = refused(client, openai.APIStatusError, messages=[{"role": "user", "content": "x" * 1024 * 1024}])
    assert error.status_code == 413
    assert platform.records(account) == []


def test_an_unknown_model(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        error = refused(client, openai.NotFoundError, model="gpt-nonsense", user="unknown-model")
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve("gpt-nonsense")
    assert error.code == "model_not_found"
    assert "gpt-nonsense" in error.message
    assert caught.value.code == "model_not_found"
    untouched(platform, account, "unknown-model")


def test_a_model_that_is_not_priced(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        error = refused(client, openai.PermissionDeniedError, model="mock-unpriced", user="unpriced")
    assert error.code == "offer_not_available"
    untouched(platform, account, "unpriced")


def test_a_model_that_is_not_sold_at_this_tier(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        tier = {"service_tier": "test"}
        error = refused(client, openai.PermissionDeniedError, model="mock-flex-only", user="tier", extra_body=tier)
        assert client.chat.completions.create(model="mock-flex-only", messages=SAYS).service_tier == "flex"
    assert error.code == "offer_not_available"
    assert "flex" in error.message, "it says where the model is sold"
    assert platform.mock.asked("tier") == []


def test_a_tier_the_organization_may_not_use(platform: Platform, account: Account) -> None:
    platform.cli("org", "set", account.organization.name, "--tiers", "test,flex")
    tier = {"service_tier": "enterprise"}
    with platform.client(account) as client:

        def code() -> str | None:
            try:
                client.chat.completions.create(model="mock", messages=SAYS, extra_body=tier)
            except openai.APIStatusError as error:
                return error.code
            return None

        until(lambda: code() == "tier_not_allowed", "the change to be known")
        before = len(platform.records(account))
        error = refused(client, openai.PermissionDeniedError, extra_body=tier, user="tier-not-allowed")
        assert error.code == "tier_not_allowed"
    assert platform.mock.asked("tier-not-allowed") == []
    assert len(platform.records(account)) == before


def test_a_model_the_key_may_not_use(platform: Platform, account: Account) -> None:
    key = platform.key(account, models=("mock-cached",))
    with platform.client(key) as client:
        error = refused(client, openai.APIStatusError, user="not-my-model")
        assert client.chat.completions.create(model="mock-cached", messages=SAYS).usage
        listed = {model.id for model in client.models.list()}
    assert error.status_code in {403, 404}
    assert listed == {"mock-cached"}
    assert platform.mock.asked("not-my-model") == []


# --- how much ----------------------------------------------------------------------------------------------------
def test_no_credit(platform: Platform) -> None:
    account = platform.account("0")
    with platform.client(account) as client:
        error = refused(client, openai.APIStatusError, user="no-credit", max_tokens=100)
    assert (error.status_code, error.code) == (402, "insufficient_credit")
    assert error.response.headers["x-should-retry"] == "false"
    assert nano(error.body["available"]) == 0
    assert nano(error.body["needed"]) >= charge(3, 100)
    assert platform.mock.asked("no-credit") == []
    assert platform.records(account) == []


def test_credit_short_by_one_nano_unit(platform: Platform) -> None:
    account = platform.account("0")
    with platform.client(account) as client:
        error = refused(client, openai.APIStatusError, max_tokens=100, user="short")
        needed = nano(error.body["needed"])
        platform.top_up(account, needed - 1)
        error = refused(client, openai.APIStatusError, max_tokens=100, user="short")
        assert nano(error.body["available"]) == needed - 1
        assert nano(error.body["needed"]) == needed
        platform.top_up(account, 1)
        client.chat.completions.create(model="mock", messages=SAYS, max_tokens=100, user="short")
    assert len(platform.mock.asked("short")) == 1
    assert platform.settled_wallet(account).paid == needed - charge(3, 10)


def test_a_stream_without_credit_is_refused_before_it_begins(platform: Platform) -> None:
    with platform.client(platform.account("0")) as client:
        error = refused(client, openai.APIStatusError, stream=True)
    assert error.status_code == 402
    assert error.response.headers["content-type"].startswith("application/json")


def test_the_sdk_does_not_repeat_what_credit_refused(platform: Platform) -> None:
    seen: list[float] = []
    with platform.client(platform.account("0")) as client:
        retrying = client.with_options(max_retries=3)
        retrying._client.event_hooks = {"request": [lambda _: seen.append(time.monotonic())]}
        refused(retrying, openai.APIStatusError)
    assert len(seen) == 1


def test_a_keys_budget(platform: Platform, account: Account) -> None:
    with platform.client(platform.account("0")) as client:
        needed = nano(refused(client, openai.APIStatusError, max_tokens=100).body["needed"])
    key = platform.key(account, budget=needed + charge(3, 10) - 1)
    with platform.client(key) as client:
        client.chat.completions.create(model="mock", messages=SAYS, max_tokens=100)
        error = refused(client, openai.APIStatusError, max_tokens=100, user="budget")
    assert error.status_code in {402, 429}
    assert error.response.headers["x-should-retry"] == "false"
    assert platform.mock.asked("budget") == []
    with platform.client(account) as client:
        assert client.chat.completions.create(model="mock", messages=SAYS).usage, "the wallet itself has money"


# --- our own trouble ---------------------------------------------------------------------------------------------
def test_nothing_is_served_that_cannot_be_billed(platform: Platform, account: Account) -> None:
    with (
        closing(sqlite3.connect(sqlite_path(platform.data), isolation_level=None, timeout=10)) as blocker,
        platform.client(account) as client,
    ):
        blocker.execute("BEGIN IMMEDIATE")
        error = refused(client.with_options(timeout=60), openai.InternalServerError, user="database-gone")
        blocker.execute("ROLLBACK")
        assert (error.status_code, error.code) == (503, "temporarily_unavailable")
        untouched(platform, account, "database-gone")
        assert client.chat.completions.create(model="mock", messages=SAYS).usage, "service returns with the database"


@pytest.mark.parametrize("path", ["/v1/nonsense", "/v1/chat", "/nonsense"])
def test_a_path_that_is_not_there(platform: Platform, account: Account, path: str) -> None:
    with platform.client(account) as client, pytest.raises(openai.NotFoundError):
        client.get(path.removeprefix("/v1"), cast_to=object)


def test_the_wrong_method(platform: Platform, account: Account) -> None:
    with platform.client(account) as client, pytest.raises(openai.APIStatusError) as caught:
        client.get("/chat/completions", cast_to=object)
    assert caught.value.status_code == 405
    assert caught.value.response.headers["allow"] == "POST, OPTIONS"
