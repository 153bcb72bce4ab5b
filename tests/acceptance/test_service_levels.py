"""Service levels of a running platform: what the report of an organization says is what was done to its calls."""

import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
import openai
import pytest
from stage.catalogue import ONE_SEAT
from stage.platform import Account, Platform
from stage.waiting import until

from puyun.kit.clock import format_instant
from puyun.kit.ids import call_started
from puyun.storage.ledger.codes import STATUS_NAME

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def say(platform: Platform, account: Account, model: str, *, stream: bool = False) -> None:
    with platform.client(account) as client, suppress(openai.APIError):
        answer = client.chat.completions.create(model=model, messages=SAYS, stream=stream)
        if stream:
            list(answer)


def leave(platform: Platform, account: Account, model: str) -> None:
    """After the first chunk."""
    with platform.client(account) as client:
        stream = client.chat.completions.create(model=model, messages=SAYS, stream=True)
        next(stream)
        stream.close()


def report(platform: Platform, account: Account) -> dict[str, dict]:
    month = format_instant(call_started(platform.records(account)[0]["call"]))[:7]
    printed = platform.cli("sla", "report", account.organization.name, "--month", month, "--json")
    return {row["model"]: row for row in msgspec.json.decode(printed)["levels"]}


def test_every_call_counts_as_it_ended(platform: Platform, account: Account) -> None:
    say(platform, account, "mock")
    say(platform, account, "mock-chunk-delay-20-tokens-50", stream=True)
    for model in ("mock-status-500", "mock-die-midstream", "mock-status-429", "mock-status-400"):
        say(platform, account, model, stream=True)
    leave(platform, account, "mock-chunk-delay-100-tokens-20")
    until(lambda: len(platform.records(account)) == 7, "every call's record")
    levels = report(platform, account)
    counted = {
        model: (row["calls"], row["good"], row["bad"], row["refused"], row["gone"]) for model, row in levels.items()
    }
    assert counted == {
        "mock": (1, 1, {}, 0, 0),
        "mock-chunk-delay-20-tokens-50": (1, 1, {}, 0, 0),
        "mock-status-500": (1, 0, {"upstream_error": 1}, 0, 0),
        "mock-die-midstream": (1, 0, {"upstream_error": 1}, 0, 0),
        "mock-status-429": (1, 0, {"capacity": 1}, 0, 0),
        "mock-status-400": (0, 0, {}, 1, 0),
        "mock-chunk-delay-100-tokens-20": (0, 0, {}, 0, 1),
    }
    stream, whole = levels["mock-chunk-delay-20-tokens-50"], levels["mock"]
    assert 10 < float(stream["tokens_per_second_p50"]) < 60, "a token every 20 ms, or more slowly"
    assert stream["first_token_p50_ms"] is not None
    assert whole["first_token_p50_ms"] is None
    assert (whole["waits"], whole["overheads_kept"] is not None) == (1, True)
    assert {STATUS_NAME[row["status"]] for row in platform.records(account)} == {"completed", "failed", "cancelled"}


@pytest.mark.parametrize("stream", [False, True])
def test_the_provider_s_time_is_not_ours(platform: Platform, account: Account, stream: bool) -> None:
    say(platform, account, "mock-delay-1500-tokens-50", stream=stream)
    level = report(platform, account)["mock-delay-1500-tokens-50"]
    assert 0 < level["overhead_p99_us"] < 1_500_000
    assert (level["first_token_p50_ms"] or 1500) >= 1350


def test_the_status_page_follows_a_running_platform(platform: Platform, account: Account) -> None:
    say(platform, account, "mock-tokens-1")

    def shown() -> bool:
        row = re.search(r'<tr data-model="mock-tokens-1" data-tier="flex">.*?</tr>', page(platform), re.DOTALL)
        return row is not None and "100.00%" in row[0]

    until(shown, "the call on the status page")


def page(platform: Platform) -> str:
    with urllib.request.urlopen(f"{platform.base_url}/status", timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.xdist_group("own")
def test_who_is_refused_for_capacity_or_leaves_the_queue_counts_too(own_platform: Platform) -> None:
    """One seat that is taken: one waits as long as it said and is refused, one leaves while it waits."""
    platform, account = own_platform, own_platform.account()
    with platform.client(account) as client, ThreadPoolExecutor(1) as pool:
        held = pool.submit(
            client.chat.completions.create, model=ONE_SEAT, messages=SAYS, user=(user := f"gate-{account.number}")
        )
        until(lambda: platform.mock.asked(user), "the one that has the seat")
        with pytest.raises(openai.APIStatusError) as refused:
            client.chat.completions.create(model=ONE_SEAT, messages=SAYS, extra_headers={"X-Max-Wait": "0.3"})
        assert refused.value.code == "capacity_unavailable"
        with platform.client(account).with_options(timeout=0.4) as hasty, pytest.raises(openai.APITimeoutError):
            hasty.chat.completions.create(model=ONE_SEAT, messages=SAYS)
        platform.mock.open_gate(user)
        held.result()

    def counted() -> tuple:
        row = report(platform, account)[ONE_SEAT]
        return row["calls"], row["good"], row["bad"], row["gone"], row["waits"]

    until(lambda: counted() == (2, 1, {"capacity": 1}, 1, 2), "every call to be counted")
