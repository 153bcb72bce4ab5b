"""Clients that read slowly, stop reading, or leave: the upstream waits or is let go, memory stays, money is exact."""

import time

import pytest
from stage.bill import charge, nano
from stage.dialogue import post
from stage.platform import SETTINGS, Account, Platform
from stage.waiting import until

CHAT = "/v1/chat/completions"
SAYS = [{"role": "user", "content": "one two three"}]
MEBIBYTE = 1024 * 1024
FLOOD = "mock-flood-64-tokens-1000"
"""A thousand tokens of 64 KiB each: far more than all buffers between upstream and client hold."""


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def ask(model: str, user: str, **options) -> dict:
    return {"model": model, "messages": SAYS, "user": user, "max_tokens": 5000} | options


def chunks_written(platform: Platform, user: str) -> int:
    asked = platform.mock.asked(user)
    return asked[0]["entry"]["chunks"] if asked else 0


def standstill(platform: Platform, user: str) -> int:
    """How many chunks the upstream got rid of, once it cannot get rid of more."""
    seen = [0, -1]

    def still() -> bool:
        time.sleep(0.2)
        seen.append(chunks_written(platform, user))
        return seen[-1] > 0 and seen[-1] == seen[-2] == seen[-3]

    until(still, "the upstream to stand still")
    return seen[-1]


def test_a_client_that_does_not_read_stops_the_upstream(platform: Platform, account: Account) -> None:
    user = f"still-{account.number}"
    before = platform.server.resident()
    with platform.dialogue(receive_buffer=4096) as dialogue:
        dialogue.send(post(CHAT, ask(FLOOD, user, stream=True), account.key))
        written = standstill(platform, user)
        assert written < 500, "the rest waits upstream"
        assert platform.server.resident() - before < 16 * MEBIBYTE
    [entry] = platform.mock.ended(user)
    assert not entry["complete"]
    wallet = platform.settled_wallet(account)
    [record] = platform.records(account)
    assert nano("10.00") - wallet.paid == record["charge"] <= record["held"]


def test_a_client_that_reads_slowly_gets_everything_and_pays_for_it(platform: Platform, account: Account) -> None:
    """It pauses for longer than an upstream may be silent: the pause is the client's, and no reason to break off."""
    user = f"slow-{account.number}"
    with platform.dialogue(receive_buffer=4096) as dialogue:
        dialogue.send(post(CHAT, ask(FLOOD, user, stream=True, max_tokens=150), account.key))
        standstill(platform, user)
        patience = float(SETTINGS["PUYUN_UPSTREAM__IDLE_TIMEOUT"]) + 1
        waited_until = time.monotonic() + patience
        until(lambda: time.monotonic() > waited_until, "the pause to pass", seconds=patience + 5)
        answer = dialogue.answer()
    assert answer.status == 200
    assert answer.events()[-1] == "[DONE]"
    assert sum(len(event["choices"][0]["delta"].get("content") or "") for event in answer.events()[:-1]) > 150 * 65536
    assert platform.settled_wallet(account).paid == nano("10.00") - charge(3, 150)


def test_a_large_answer_reaches_a_slow_reader_whole(platform: Platform, account: Account) -> None:
    with platform.dialogue(receive_buffer=4096) as dialogue:
        body = ask(FLOOD, f"large-{account.number}", max_tokens=100)
        answer = dialogue.send(post(CHAT, body, account.key)).answer()
        assert len(answer.json()["choices"][0]["message"]["content"]) > 100 * 65536
        again = dialogue.send(post(CHAT, ask("mock", "again"), account.key)).answer()
        assert again.status == 200


def test_one_slow_reader_does_not_hold_up_another(platform: Platform, account: Account) -> None:
    user = f"other-{account.number}"
    with platform.dialogue(receive_buffer=4096) as slow, platform.dialogue() as quick:
        slow.send(post(CHAT, ask(FLOOD, user, stream=True), account.key))
        standstill(platform, user)
        for _ in range(20):
            assert quick.send(post(CHAT, ask("mock", "quick", stream=True), account.key)).answer().status == 200


def test_a_client_that_leaves_while_nothing_comes_is_noticed(platform: Platform, account: Account) -> None:
    """There is nothing to write that could fail: the end of the connection itself is the news."""
    for stream in (False, True):
        user = f"nothing-{account.number}-{stream}"
        with platform.dialogue() as dialogue:
            dialogue.send(post(CHAT, ask("mock-stall", user, stream=stream), account.key))
            until(lambda user=user: platform.mock.asked(user), "the request to reach the upstream")
        [entry] = platform.mock.ended(user)
        assert not entry["complete"]
    assert platform.settled_wallet(account).paid == nano("10.00")
    assert [record["charge"] for record in platform.records(account)] == [0, 0]


def test_a_client_that_leaves_an_answer_that_is_not_streamed_pays_nothing(platform: Platform, account: Account) -> None:
    user = f"whole-{account.number}"
    with platform.dialogue() as dialogue:
        dialogue.send(post(CHAT, ask("mock-gate", user), account.key))
        until(lambda: platform.mock.asked(user), "the request to reach the upstream")
    [entry] = platform.mock.ended(user)
    assert not entry["complete"]
    assert platform.settled_wallet(account).paid == nano("10.00")


def test_a_client_that_leaves_with_requests_in_its_pipeline(platform: Platform, account: Account) -> None:
    """Reading rests while a request waits, so its leaving is seen late. What it pays for is what was sent to it."""
    user = f"pipeline-{account.number}"
    with platform.dialogue() as dialogue:
        first = post(CHAT, ask("mock-delay-300", user), account.key)
        dialogue.send(first + post(CHAT, ask("mock-delay-300", user), account.key))
        until(lambda: platform.mock.asked(user), "the first request to reach the upstream")
    platform.mock.ended(user)
    wallet = platform.settled_wallet(account)
    charges = [record["charge"] for record in platform.records(account)]
    assert set(charges[1:]) <= {0}
    assert nano("10.00") - wallet.paid == sum(charges) <= charge(3, 10)


@pytest.mark.parametrize("model", ["mock", "mock-delay-300"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_half_closed_connection_is_answered_or_closed(
    platform: Platform, account: Account, model: str, stream: bool
) -> None:
    """Whoever shuts down the sending side is taken for gone: what was sent by then is paid, whole or not."""
    with platform.dialogue() as dialogue:
        dialogue.send(post(CHAT, ask(model, "half", stream=stream), account.key)).half_close()
        rest = dialogue.rest()
    until(lambda: platform.records(account), "the record")
    paid = nano("10.00") - platform.settled_wallet(account).paid
    if rest.endswith(b"0\r\n\r\n" if stream else b"}"):
        assert paid == charge(3, 10)
    else:
        assert rest == b"" or stream, "only a stream can end early"
    [record] = platform.records(account)
    assert paid == record["charge"] <= record["held"]


def test_half_a_request_and_half_a_connection(platform: Platform, account: Account) -> None:
    request = post(CHAT, ask("mock", f"half-{account.number}"), account.key)
    for size in (1, 20, len(request) // 2, len(request) - 1):
        with platform.dialogue() as dialogue:
            rest = dialogue.send(request[:size]).half_close().rest()
            assert rest == b"" or rest.startswith(b"HTTP/1.1 4")
    assert platform.mock.asked(f"half-{account.number}") == []
    assert platform.records(account) == []


def test_many_streams_that_are_left_at_once(platform: Platform, account: Account) -> None:
    """Every upstream request ends, every hold returns, every record adds up."""
    user = f"many-{account.number}"
    dialogues = [platform.dialogue() for _ in range(50)]
    for dialogue in dialogues:
        dialogue.send(post(CHAT, ask("mock-chunk-delay-100-tokens-20", user, stream=True, max_tokens=20), account.key))
    for dialogue in dialogues:
        dialogue.head()
    for dialogue in dialogues:
        dialogue.socket.close()
    entries = platform.mock.ended(user, 50)
    assert not any(entry["complete"] for entry in entries)
    wallet = platform.settled_wallet(account)
    until(lambda: len(platform.records(account)) == 50, "every record")
    assert nano("10.00") - wallet.paid == sum(record["charge"] for record in platform.records(account))
