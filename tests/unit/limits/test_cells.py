"""Memory is bounded by who is active, whoever has ever called."""

import pytest
from rulebook import at, claim, policy

from puyun.catalog.model import Tier
from puyun.limits import cells
from puyun.limits.limits import Limits

BOOK = "tier flex rpm 60 burst 1\ntier flex itpm 600 burst 1\ntier flex in_flight 2\nip each rpm 60 burst 1"


def call(limits: Limits, org: int, second: float, *, ends: bool = True, ip: str | None = None) -> None:
    limits.check(claim(org, org, org, 1, Tier.FLEX, 5, 5, ip=ip), at(second))
    if ends:
        limits.release(org, at(second))


def test_who_is_gone_is_forgotten() -> None:
    limits = Limits(policy(BOOK))
    for org in range(1, 2001):
        call(limits, org, org)
    assert len(limits._cells) < 500


def test_callers_in_turn_do_not_push_one_another_out() -> None:
    """A vector that is looked for and not there costs more than the decision."""
    limits = Limits(policy(BOOK))
    for _ in range(3):
        for org in range(1, 500):
            call(limits, org, 1)
        assert len(limits._cells._vectors) == 499


def test_open_calls_and_what_is_still_used_are_not_forgotten() -> None:
    limits = Limits(policy(BOOK + "\norg 1 tpd 100\norg 2 in_flight 1"))
    call(limits, 1, 0)
    call(limits, 2, 0, ends=False)
    for org in range(3, 1000):
        call(limits, org, org)
    rows = {row.reading.metric: row.reading.used for row in limits.view(1, 1, 1, Tier.FLEX, at(1000))}
    assert rows["tpd"] == 9  # one is forgotten by now
    rows = {row.reading.metric: row.reading.used for row in limits.view(2, 2, 1, Tier.FLEX, at(1000))}
    assert rows["in_flight"] == 1
    limits.correct(2, 900, 5, at(1000))
    rows = {row.reading.metric: row.reading.used for row in limits.view(2, 2, 1, Tier.FLEX, at(1000))}
    assert rows["itpm"] == 20  # at most a second burst


def test_who_is_gone_is_forgotten_under_new_rules_too() -> None:
    limits = Limits(policy(BOOK))
    for org in range(1, 200):
        call(limits, org, 0, ends=False)
    limits.configure(policy(BOOK), at(1))
    for org in range(1, 200):
        limits.release(org, at(1))
    for org in range(200, 800):
        call(limits, org, org * 5)
    assert len(limits._cells) < 150


def test_addresses_without_end_are_bounded_though_none_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "ENTRIES_MAX", 100)
    limits = Limits(policy(BOOK))
    call(limits, 1, 0, ends=False)
    for number in range(2000):
        limits.knock(f"10.0.{number // 256}.{number % 256}", at(1))
    assert len(limits._cells) < 2 * 100 + 20
    assert limits.release(1, at(2)) == []


@pytest.mark.parametrize("busy", [1, 50])
def test_a_cell_is_one_cell_for_as_long_as_it_is_used(busy: int) -> None:
    """However many others come and go, nobody gets a second, empty cell."""
    limits = Limits(policy("org 1 rpm 60 burst 60\ntier flex rpm 600 burst 1"))
    passed = 0
    for number in range(4000):
        now = at(number * 0.01)
        answer = limits.check(claim(number, 1, number % busy, 1, Tier.FLEX, 0, 0), now)
        if hasattr(answer, "waiting"):
            passed += 1
            limits.release(number, now)
        call(limits, 1_000_000 + number, number * 0.01)
    assert passed == 60 + 39
