"""Who pays for what: the cases of docs/concepts/policies.md that no other test holds."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from stage.bill import charge, nano
from stage.dialogue import Answer, post
from stage.platform import Account, Platform
from stage.waiting import until

from puyun.storage.engine import sqlite_path

CHAT = "/v1/chat/completions"
CANCELLED = 2


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def body(model: str, account: Account, **options: Any) -> dict[str, Any]:
    user = f"policy-{account.number}"
    return {"model": model, "messages": [{"role": "user", "content": "one two three"}], "user": user} | options


def call(platform: Platform, account: Account, model: str, *headers: str, **options: Any) -> tuple[Answer, Any]:
    """The answer and its receipt."""
    with platform.dialogue() as dialogue:
        answer = dialogue.send(post(CHAT, body(model, account, **options), account.key, *headers)).answer()
    return answer, platform.receipt(account, answer.headers["x-request-id"])


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_says_nothing_is_free(platform: Platform, account: Account, stream: bool) -> None:
    """The provider charges for the prompt; that is the operator's matter."""
    answer, receipt = call(platform, account, "mock-tokens-0", stream=stream)
    assert answer.status == 200
    assert (receipt["status"], receipt["charge"], receipt["flags"]) == ("completed", "0.00", ["empty"])
    assert receipt["note"].startswith("The answer says nothing")
    assert platform.settled_wallet(account).paid == nano("10.00")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_filter_ended_is_paid_as_reported(platform: Platform, account: Account, stream: bool) -> None:
    _, receipt = call(platform, account, "mock-tokens-0-filtered", stream=stream)
    assert receipt["status"] == "completed"
    assert nano(receipt["charge"]) == charge(3, 0)


def test_a_client_that_leaves_while_its_call_waits_pays_nothing(platform: Platform, account: Account) -> None:
    """Gone before the hold is there: nothing goes upstream, and one record says so."""
    with closing(sqlite3.connect(sqlite_path(platform.data), isolation_level=None, timeout=10)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        with platform.dialogue() as dialogue:
            dialogue.send(post(CHAT, body("mock", account), account.key)).expect_silence()
        blocker.execute("ROLLBACK")
    [record] = until(lambda: platform.records(account), "the record")
    assert (record["status"], record["charge"], record["attempts"]) == (CANCELLED, 0, 0)
    assert platform.mock.asked(f"policy-{account.number}") == []
    assert platform.settled_wallet(account).paid == nano("10.00")


def test_a_call_ends_as_it_began_though_its_organization_is_suspended(platform: Platform, account: Account) -> None:
    """What was admitted is served and paid within its hold; the next call is refused."""
    user = f"policy-{account.number}"
    with platform.dialogue() as running, platform.dialogue() as late:
        running.send(post(CHAT, body("mock-gate", account, stream=True), account.key))
        until(lambda: platform.mock.asked(user), "the call to reach the upstream")
        platform.cli("org", "set", account.organization.name, "--status", "suspended")
        until(lambda: platform.status("/v1/models", account.key) in {401, 403}, "the suspension")
        platform.mock.open_gate(user)
        answer = running.answer()
        assert answer.events()[-1] == "[DONE]"
        assert late.send(post(CHAT, body("mock", account), account.key)).answer().status in {401, 403}
    [record] = platform.records(account)
    assert record["charge"] == charge(3, 10)
    assert platform.settled_wallet(account).paid == nano("10.00") - charge(3, 10)


def test_a_request_that_is_sent_twice_is_two_calls(platform: Platform, account: Account) -> None:
    """We keep no answers, so there is none to give again: `Idempotency-Key` changes nothing."""
    for _ in range(2):
        answer, receipt = call(platform, account, "mock", "Idempotency-Key: same")
        assert answer.status == 200
        assert nano(receipt["charge"]) == charge(3, 10)
    assert platform.settled_wallet(account).paid == nano("10.00") - 2 * charge(3, 10)
