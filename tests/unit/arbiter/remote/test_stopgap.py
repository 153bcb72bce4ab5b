"""Limits while no arbiter is there: what workers let in by themselves is within them, and counts when one is back."""

import asyncio

import pytest
from arbitration import Arbitration, play
from asking import FREE, ask, configuration, lane
from scripted import until

from puyun.arbiter.message import Configuration
from puyun.arbiter.remote import report
from puyun.kit.clock import MINUTE
from puyun.limits.rule import Metric, Rule, Scope
from puyun.scheduler.attempt import OK, Spent


def limited(metric: Metric, amount: int, burst: int | None = None) -> Configuration:
    """Organization 1 has one limit."""
    rule = Rule(scope=Scope.ORGANIZATION, org=1, metric=metric, amount=amount, burst=burst, id=9)
    return configuration(lane(seats=1_000), rules=(*FREE, rule))


def test_there_is_no_second_burst() -> None:
    """All that may come at once has come; what comes now waits for its rate, and what waits is served in the end."""
    rate = 3_000

    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        asked = stage.clock.now()
        before = [first.acquire(ask()) for _ in range(50)]
        assert all([await lease.seat() for lease in before])
        await stage.away()
        during = [client.acquire(ask()) for _ in range(20) for client in (first, second)]
        await until(lambda: sum(bool(lease.lane) for lease in during) > 3, "a part of the rate")
        seated = sum(bool(lease.lane) for lease in during)
        assert seated * MINUTE <= rate * (stage.clock.now() - asked)
        await stage.back()
        assert all([await lease.seat() for lease in during])
        assert len(during) * MINUTE <= rate * (stage.clock.now() - asked)

    play(scene, lanes=limited(Metric.RPM, rate, burst=1))


def test_calls_in_flight_are_never_more_than_may_be() -> None:
    """Of three, two are one worker's when the arbiter goes."""

    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        one, two = first.acquire(ask()), first.acquire(ask())
        assert await one.seat()
        assert await two.seat()
        await stage.away()
        three, four = second.acquire(ask()), second.acquire(ask())
        assert await three.seat()
        await asyncio.sleep(0.1)
        assert not four.lane
        one.end(Spent(), OK)
        assert await four.seat()

    play(scene, lanes=limited(Metric.IN_FLIGHT, 3))


def test_a_worker_that_has_too_much_to_tell_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ENDED_MAX", 2)

    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        await stage.away()
        for _ in range(2):
            lease = first.acquire(ask())
            assert await lease.seat()
            lease.end(Spent(), OK)
        waits = first.acquire(ask())
        await asyncio.sleep(0.1)
        assert not waits.lane
        await stage.back()
        assert await waits.seat()

    play(scene)


def test_an_address_that_guesses_keys_waits_too() -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        assert await first.knock("192.0.2.1") is None
        await stage.away()
        error = await first.knock("192.0.2.1")
        assert error is not None
        assert (error.status, error.code) == (429, "rate_limit_exceeded")
        await stage.back()
        assert await first.knock("192.0.2.1") is None

    rule = Rule(scope=Scope.IP, metric=Metric.RPM, amount=10, burst=60, id=9)
    play(scene, lanes=configuration(lane(), rules=(*FREE, rule)))
