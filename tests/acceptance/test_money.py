"""Exact money: what a call costs, who pays for a call that did not end well, and that nobody pays twice."""

import random  # noqa: TID251 - seeded: every run is the same
import socket
import sqlite3
from contextlib import closing

import pytest
from openai import APIStatusError, Stream
from stage.bill import charge, nano
from stage.dialogue import post
from stage.platform import Account, Platform
from stage.waiting import until

from puyun.storage.engine import sqlite_path
from puyun.storage.wallets import MoneyKind

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def chat(model: str, **options) -> dict:
    return {"model": model, "messages": SAYS, "user": options.pop("user", "money")} | options


def test_the_balance_falls_by_the_sum_of_the_receipts(platform: Platform, account: Account) -> None:
    """Over calls of every size, streamed and not, exact to the nano-unit, and equal to what the upstream reported."""
    dice = random.Random(7)
    ids: list[str] = []
    with platform.client(account) as client:
        for _ in range(25):
            prompt = " ".join(["word"] * dice.randrange(1, 40))
            raw = client.chat.completions.with_raw_response.create(
                model="mock-tokens-50",
                messages=[{"role": "user", "content": prompt}],
                max_tokens=dice.randrange(1, 60),
                stream=dice.random() < 0.5,
                user=f"sum-{account.number}",
            )
            answer = raw.parse()
            assert list(answer) if isinstance(answer, Stream) else answer
            ids.append(raw.headers["x-request-id"])
    charges = [nano(platform.receipt(account, request_id)["charge"]) for request_id in ids]
    reported = [
        charge(entry["prompt_tokens"], entry["completion_tokens"])
        for entry in platform.mock.ended(f"sum-{account.number}", 25)
    ]
    assert charges == reported
    assert nano("10.00") - platform.settled_wallet(account).paid == sum(charges)


def test_every_balance_after_continues_the_last(platform: Platform, account: Account) -> None:
    with platform.client(account) as client:
        for _ in range(3):
            client.chat.completions.create(**chat("mock"))
    expected = [nano("10.00") - charge(3, 10) * number for number in (1, 2, 3)]
    assert [record["balance_after"] for record in platform.records(account)] == expected


def test_one_rounding_down(platform: Platform, account: Account) -> None:
    """3 tokens at 0.0005 per million are 1.5 nano-units; 2 000 calls of it would be 3 000 had each been kept exactly."""
    with platform.client(account) as client:
        client.embeddings.create(model="mock-embedding", input="one two three")
    [record] = platform.records(account)
    assert (record["exact"], record["charge"]) == (1500, 1)


def test_bonus_is_spent_before_paid_money(platform: Platform) -> None:
    account = platform.account("10.00")
    platform.top_up(account, charge(3, 10) + 5, MoneyKind.BONUS)
    with platform.client(account) as client:
        client.chat.completions.create(**chat("mock"))
        client.chat.completions.create(**chat("mock"))
    wallet = platform.settled_wallet(account)
    assert (wallet.bonus, wallet.paid) == (0, nano("10.00") - charge(3, 10) + 5)


WORDS = "word " * 100_000


@pytest.mark.parametrize(
    "text",
    [
        WORDS,
        '"data:' + WORDS,
        "data:image/png;base64," + WORDS,
        '"url":"data:image/png;base64,' + "word" * 100_000,
    ],
)
def test_a_long_prompt_is_held_for_whatever_it_says(platform: Platform, text: str) -> None:
    """Text that looks like an inline image is text: its hold is no smaller than what it may cost."""
    account = platform.account("0.10")
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    content = [{"type": "text", "text": text}, image]
    with platform.client(account) as client, pytest.raises(APIStatusError) as caught:
        client.chat.completions.create(
            model="mock-tokens-1", messages=[{"role": "user", "content": content}], max_tokens=1
        )
    assert caught.value.status_code == 402
    assert nano(caught.value.body["needed"]) >= charge(100_000, 1)


def test_an_inline_image_is_not_held_for_as_text(platform: Platform) -> None:
    account = platform.account("0.10")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0KGgo/" * 40_000}}
    content = [{"type": "text", "text": "what is this"}, image]
    with platform.client(account) as client:
        answer = client.chat.completions.create(
            model="mock-tokens-1", messages=[{"role": "user", "content": content}], max_tokens=1
        )
    assert answer.usage.prompt_tokens == 3


@pytest.mark.parametrize("choices", [1, 4])
def test_an_open_end_is_bounded_by_the_wallet(platform: Platform, choices: int) -> None:
    """Without max_tokens the upstream is told to stop where the wallet ends, so nothing is left to the operator."""
    account = platform.account("0")
    options = chat("mock-tokens-5000", n=choices)
    with platform.client(account) as client:
        with pytest.raises(APIStatusError) as caught:
            client.chat.completions.create(**options)
        needed = nano(caught.value.body["needed"])
        assert needed < charge(3, 5000) * choices, "otherwise this shows nothing"
        platform.top_up(account, needed)
        answer = client.chat.completions.create(**options)
    assert answer.choices[0].finish_reason == "length"
    [record] = platform.records(account)
    assert not record["flags"] & 4, "no overrun"
    assert record["charge"] == charge(3, answer.usage.completion_tokens) <= needed
    assert platform.settled_wallet(account).paid == needed - record["charge"]


def test_a_hold_is_seen_while_a_call_runs_and_returns(platform: Platform, account: Account) -> None:
    user = f"hold-{account.number}"
    with platform.dialogue() as dialogue:
        dialogue.send(post("/v1/chat/completions", chat("mock-gate", user=user), account.key))
        until(lambda: platform.wallet(account).held > 0, "a hold")
        seen = platform.get("/v1/balance", account.key)
        platform.mock.open_gate(user)
        assert nano(seen["held"]) == nano(seen["balance"]) - nano(seen["available"]) > 0
        assert dialogue.answer().status == 200
    assert platform.wallet(account).held == 0, "settled before the last byte was sent"


def test_the_charge_is_durable_before_the_answer_ends(platform: Platform, account: Account) -> None:
    """Of a stream too: whoever has read the end can read the receipt."""
    for stream in (False, True):
        with platform.dialogue() as dialogue:
            answer = dialogue.send(post("/v1/chat/completions", chat("mock", stream=stream), account.key)).answer()
            assert platform.receipt(account, answer.headers["x-request-id"])["status"] == "completed"


def test_the_end_of_a_stream_waits_for_the_database(platform: Platform, account: Account) -> None:
    """The words are there as they come; what completes the answer comes when the charge is durable, not before."""
    body = chat("mock-chunk-delay-100-tokens-20", stream=True)
    with (
        platform.dialogue() as dialogue,
        closing(sqlite3.connect(sqlite_path(platform.data), isolation_level=None, timeout=10)) as blocker,
    ):
        dialogue.send(post("/v1/chat/completions", body, account.key)).head()
        blocker.execute("BEGIN IMMEDIATE")
        heard = b""
        while b'"finish_reason":"stop"' not in heard:
            heard += dialogue.chunk()
        dialogue.expect_silence()
        blocker.execute("ROLLBACK")
        assert b"".join(dialogue.chunks()).endswith(b"data: [DONE]\n\n")
    assert platform.wallet(account).paid == nano("10.00") - charge(3, 20)


def test_a_client_that_leaves_a_stream_pays_for_what_was_relayed(platform: Platform, account: Account) -> None:
    user = f"leaves-{account.number}"
    with platform.dialogue() as dialogue:
        body = chat("mock-chunk-delay-100-tokens-20", stream=True, user=user)
        _, _, headers = dialogue.send(post("/v1/chat/completions", body, account.key)).head()
        heard = [dialogue.chunk() for _ in range(5)]
    assert heard
    [entry] = platform.mock.ended(user)
    assert not entry["complete"], "the upstream was closed at once"
    assert entry["chunks"] < 20
    wallet = platform.settled_wallet(account)
    [record] = platform.records(account)
    receipt = platform.receipt(account, headers["x-request-id"])
    assert receipt["status"] == "cancelled"
    # The upstream reported nothing yet, so this is an estimate from the text that was relayed: more than the input
    # of a call that said nothing, less than the whole answer, and flagged.
    assert 0 < record["output"] <= 20
    assert record["flags"] & 1
    assert nano(receipt["charge"]) == record["charge"] == nano("10.00") - wallet.paid
    assert 0 < record["charge"] <= record["held"]


def test_a_client_that_leaves_before_the_first_byte_pays_nothing(platform: Platform, account: Account) -> None:
    user = f"early-{account.number}"
    with platform.dialogue() as dialogue:
        dialogue.send(post("/v1/chat/completions", chat("mock-gate", stream=True, user=user), account.key))
        until(lambda: platform.mock.asked(user), "the request to reach the upstream")
    [entry] = platform.mock.ended(user)
    assert not entry["complete"]
    assert platform.settled_wallet(account).paid == nano("10.00")
    [record] = platform.records(account)
    assert record["charge"] == 0


def test_a_client_that_resets_the_connection_is_gone_too(platform: Platform, account: Account) -> None:
    user = f"reset-{account.number}"
    with platform.dialogue() as dialogue:
        body = chat("mock-chunk-delay-100-tokens-20", stream=True, user=user)
        dialogue.send(post("/v1/chat/completions", body, account.key)).head()
        dialogue.chunk()
        dialogue.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    [entry] = platform.mock.ended(user)
    assert not entry["complete"]
    platform.settled_wallet(account)
    assert len(platform.records(account)) == 1


def test_a_price_change_is_live_and_leaves_running_calls_alone(platform: Platform, account: Account) -> None:
    """A call is billed at the price of its admission; the page and the next call have the new one (policy 20)."""
    model = "mock-changing-price"

    def cost() -> int:
        with platform.client(account) as client:
            return nano(client.chat.completions.create(**chat(model)).usage.cost)

    assert cost() == charge(3, 10)
    platform.cli("price", "set", model, "flex", "output", "20.00")
    until(lambda: cost() == charge(3, 10) + 10 * 10_000, "the new price")
    with platform.client(account) as client:
        assert client.models.retrieve(model).tiers["flex"]["output"] == "20.00"
        assert client.models.retrieve(model).tiers["test"]["output"] == "10.00"
    old, *_, new = platform.records(account)
    assert old["charge"] == charge(3, 10), "the past keeps its price"
    assert old["price_ids"] != new["price_ids"]
    assert platform.run("audit").returncode == 0


def test_a_top_up_is_credited_once(platform: Platform) -> None:
    account = platform.account("0")
    for _ in range(2):
        platform.cli("topup", account.organization.name, "1.50", "--id", f"payment-{account.number}")
    assert platform.wallet(account).paid == nano("1.50")
    other = platform.run("topup", account.organization.name, "2.00", "--id", f"payment-{account.number}")
    assert other.returncode == 1
    assert platform.wallet(account).paid == nano("1.50")
    assert "1.50" in platform.cli("balance", account.organization.name)
