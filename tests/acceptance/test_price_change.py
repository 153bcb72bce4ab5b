"""A price that changes in mid-load: every receipt matches the price in force when its call was admitted."""

import threading
import time
from typing import Any, Self

import pytest
from stage.catalogue import catalogue, one_more
from stage.platform import Account, Platform
from stage.waiting import until

from puyun.kit.clock import SECOND, Instant, format_instant
from puyun.kit.ids import call_started, request_id
from puyun.storage.engine import reading
from puyun.storage.reports.rerating import rerate

MODEL = "mock-repriced"
SLOW = "mock-chunk-delay-20-tokens-50"
"""A stream of a second: some of them begin before the change and end after it."""

CALLERS = 6
SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    name = 'upstream_model = "mock"'
    platform.apply(catalogue(platform.mock.base_url) + one_more(MODEL).replace(name, f'upstream_model = "{SLOW}"'))
    account = platform.account()
    until(lambda: platform.status(f"/v1/models/{MODEL}", account.key) == 200, "the model")
    return account


class Load:
    """Streams one after the other, by several callers at once, until it is told to stop."""

    def __init__(self, platform: Platform, account: Account) -> None:
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._platform, self._account = platform, account
        self._callers = [threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)]

    def __enter__(self) -> Self:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for caller in self._callers:
            caller.join()

    def _call(self, number: int) -> None:
        try:
            with self._platform.client(self._account) as client:
                while not self._stop.is_set():
                    chunks = list(client.chat.completions.create(model=MODEL, messages=SAYS, stream=True))
                    assert chunks[-1].choices[0].finish_reason == "stop", number
        except BaseException as failure:
            self.failures.append(failure)
            raise


def now() -> Instant:
    return Instant(time.time_ns() // 1000)


def output_price(receipt: dict[str, Any]) -> str:
    return next(line["price_per_million"] for line in receipt["lines"] if line["meter"] == "output")


def test_a_dated_change_in_mid_load(platform: Platform, account: Account) -> None:
    with Load(platform, account) as load:
        until(lambda: len(platform.records(account)) > CALLERS, "calls at the old price")
        change = Instant((now() // SECOND + 8) * SECOND)
        platform.cli(
            "price", "set", MODEL, "flex", "output", "12.34", "--from", format_instant(change), "--why", "test"
        )
        until(lambda: len(_since(platform, account, change)) > CALLERS, "calls at the new price")
    assert load.failures == []
    records = platform.records(account)
    before = [record for record in records if call_started(record["call"]) < change]
    after = _since(platform, account, change)
    assert any(call_started(record["call"]) + record["total_ms"] * 1000 > change for record in before)
    for group, price in ((before, "10.00"), (after, "12.34")):
        receipts = [platform.receipt(account, request_id(account.number, record["call"])) for record in group]
        assert {output_price(receipt) for receipt in receipts} == {price}
    _rated_again(platform, account, records)


def _since(platform: Platform, account: Account, moment: Instant) -> list[dict[str, Any]]:
    return [record for record in platform.records(account) if call_started(record["call"]) >= moment]


def test_an_immediate_change_in_mid_load(platform: Platform, account: Account) -> None:
    """No call is charged by a row that was not in force when it was admitted, and the new one is in use in no time."""
    with Load(platform, account) as load:
        row = platform.cli("price", "set", MODEL, "flex", "input", "3.21")
        assert "3.21" in row
        until(lambda: _latest_price(platform, account) == "3.21", "a call at the new price")
    assert load.failures == []
    _rated_again(platform, account, platform.records(account))


def _latest_price(platform: Platform, account: Account) -> str | None:
    records = platform.records(account)
    if not records:
        return None
    receipt = platform.receipt(account, request_id(account.number, records[-1]["call"]))
    return next(line["price_per_million"] for line in receipt["lines"] if line["meter"] == "input")


def _rated_again(platform: Platform, account: Account, records: list[dict[str, Any]]) -> None:
    with reading(platform.engine) as connection:
        for record in records:
            found = rerate(connection, account.number, record["call"])
            assert found is not None
            assert found.differences == ()
