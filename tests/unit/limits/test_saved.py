"""A decider that starts again knows what its forerunner let through."""

import msgspec
import pytest
from rulebook import at, claim, policy

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import Instant
from puyun.limits.limits import Limits
from puyun.limits.reading import Over

BOOK = (
    "org 7 otpm 600 burst 60\norg 7 rpm 60 burst 60\nkey 1 itpm 60 burst 60\norg 7 in_flight 1\nip each rpm 6 burst 60"
)


def ask(ticket: int, output: int = 0) -> Claim:
    return claim(ticket, 7, 1, 1, Tier.FLEX, 30, output, ip="192.0.2.1")


def shown(limits: Limits, now: Instant) -> list[tuple[str, int]]:
    return [(row.reading.metric, row.reading.used) for row in limits.view(1, 7, 1, Tier.FLEX, now)]


def test_rates_go_on_where_they_were_and_calls_in_flight_do_not() -> None:
    old = Limits(policy(BOOK))
    old.check(ask(1, 500), at(100))
    new = Limits(policy(BOOK))
    new.restore(old.snapshot(at(105)), at(110))
    new.wake(at(110))
    assert shown(new, at(110)) == [("rpm", 0), ("itpm", 20), ("otpm", 400), ("in_flight", 0)]
    over = new.check(ask(2, 201), at(110))
    assert isinstance(over, Over)
    assert (over.metric, over.used) == ("otpm", 400)
    new.check(ask(3, 200), at(110))
    assert shown(new, at(110)) == [("rpm", 1), ("itpm", 50), ("otpm", 600), ("in_flight", 1)]


def test_what_was_used_counts_against_the_rules_of_today() -> None:
    old = Limits(policy(BOOK))
    old.check(ask(1, 500), at(100))
    new = Limits(policy("org 7 otpm 60 burst 60"))
    new.restore(old.snapshot(at(100)), at(110))
    new.wake(at(110))
    new.check(ask(2), at(110))
    assert shown(new, at(110)) == [("otpm", 400)]
    assert shown(new, at(120)) == [("otpm", 390)]


def test_what_is_known_already_is_not_overwritten() -> None:
    limits = Limits(policy(BOOK))
    limits.check(ask(1, 100), at(0))
    before = limits.snapshot(at(0))
    limits.correct(1, 30, 300, at(0))
    limits.restore(before, at(0))
    assert dict(shown(limits, at(0)))["otpm"] == 300


def test_an_idle_one_saves_nothing() -> None:
    limits = Limits(policy(BOOK))
    limits.check(ask(1, 100), at(0))
    assert msgspec.msgpack.decode(limits.snapshot(at(999)))[2] == []
    new = Limits(policy(BOOK))
    new.restore(limits.snapshot(at(1)), at(999))
    assert len(new._cells) == 0


@pytest.mark.parametrize(
    "state", [b"", b"nonsense", msgspec.msgpack.encode([2, 0, []]), msgspec.msgpack.encode([1, 0, 5])]
)
def test_what_is_no_snapshot_is_refused(state: bytes) -> None:
    limits = Limits(policy(BOOK))
    with pytest.raises(ValueError, match="snapshot"):
        limits.restore(state, at(0))
