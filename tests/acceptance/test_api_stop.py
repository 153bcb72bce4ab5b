"""A server that is told to stop: what runs is finished and paid, what is new is refused, nothing is left behind."""

import os
import signal
from pathlib import Path

import pytest
from stage.bill import charge, nano
from stage.child import Child
from stage.dialogue import post
from stage.platform import Platform
from stage.waiting import until

CHAT = "/v1/chat/completions"
SAYS = [{"role": "user", "content": "one two three"}]

pytestmark = pytest.mark.xdist_group("own")


def accepts(platform: Platform) -> bool:
    try:
        with platform.dialogue():
            return True
    except OSError:
        return False


def tell_to_stop(platform: Platform) -> None:
    platform.server.signal(signal.SIGTERM)
    until(lambda: not accepts(platform), "new connections to be refused")


def test_a_stopped_server_finishes_its_streams(own_platform: Platform) -> None:
    """As if nothing had happened, to the last byte and the last nano-unit."""
    account = own_platform.account()
    with own_platform.client(account) as client:
        chunks = client.chat.completions.create(
            model="mock-chunk-delay-20-tokens-50", messages=SAYS, stream=True, stream_options={"include_usage": True}
        )
        next(chunks)
        tell_to_stop(own_platform)
        last = list(chunks)[-1]
    assert last.usage.completion_tokens == 50
    assert own_platform.server.wait() == 0
    assert own_platform.wallet(account).paid == nano("10.00") - charge(3, 50)


def test_a_stopped_server_finishes_its_answers_and_closes(own_platform: Platform) -> None:
    """The answer says that the connection ends; an idle connection just ends."""
    account = own_platform.account()
    body = {"model": "mock-gate", "messages": SAYS, "user": "stop"}
    with own_platform.dialogue() as idle, own_platform.dialogue() as busy:
        assert idle.send(post(CHAT, body | {"model": "mock"}, account.key)).answer().status == 200
        busy.send(post(CHAT, body, account.key))
        until(lambda: own_platform.mock.asked("stop"), "the call to reach the upstream")
        tell_to_stop(own_platform)
        idle.expect_closed()
        own_platform.mock.open_gate("stop")
        answer = busy.answer()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        busy.expect_closed()
    assert own_platform.server.wait() == 0
    assert own_platform.wallet(account).paid == nano("10.00") - 2 * charge(3, 10)


@pytest.mark.parametrize("model", ["mock-gate", "mock-chunk-delay-20-tokens-5000"])
def test_a_stop_has_a_limit(own_platform: Platform, model: str) -> None:
    """A call that takes longer is broken off: its client gets no end, nothing is held, nothing is charged."""
    account = own_platform.account()
    body = {"model": model, "messages": SAYS, "stream": True, "user": f"limit-{model}", "max_tokens": 5000}
    with own_platform.dialogue() as dialogue:
        dialogue.send(post(CHAT, body, account.key))
        until(lambda: own_platform.mock.asked(f"limit-{model}"), "the call to reach the upstream")
        own_platform.server.signal(signal.SIGTERM)
        assert own_platform.server.wait() == 0
        rest = dialogue.rest()
    assert b"[DONE]" not in rest
    own_platform.restart()
    assert own_platform.settled_wallet(account).paid == nano("10.00")
    [record] = own_platform.records(account)
    assert record["charge"] == 0


@pytest.mark.parametrize("moment", ["owner-registered", "listening"])
def test_a_stop_that_comes_while_a_server_starts_is_not_lost(tmp_path: Path, moment: str) -> None:
    arguments = ["-m", "puyun", "serve", "--data", str(tmp_path / "data"), "--port", "0", "--no-demo"]
    server = Child("starting", arguments, folder=tmp_path, env=dict(os.environ))
    if moment == "listening":
        server.wait_for("is ready on")
    else:
        until(lambda: any((tmp_path / "data" / "owners").glob("*")), "the server to have a slot")
    server.signal(signal.SIGTERM)
    assert server.wait() in {0, -signal.SIGTERM}
