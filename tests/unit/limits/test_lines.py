"""The fast way says what the plain one does."""

import pytest
from hypothesis import given, strategies as st
from rulebook import claim

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, MINUTE, Instant
from puyun.limits import headers, lines
from puyun.limits.limits import Limits
from puyun.limits.passed import Passed
from puyun.limits.policy import Policy
from puyun.limits.reading import Reading
from puyun.limits.rule import AT_A_TIME, WINDOWS, Metric, Rule, Scope


@st.composite
def readings(draw: st.DrawFn) -> list[Reading]:
    found: list[Reading] = []
    for metric in draw(st.lists(st.sampled_from(Metric), max_size=6)):
        window = 0 if metric in AT_A_TIME else WINDOWS[metric]
        reset = draw(st.integers(0, 2 * DAY)) if window else 0
        counts = {name: draw(st.integers(0, 10**9)) for name in ("limit", "burst", "used", "remaining")}
        scope = draw(st.sampled_from(Scope))
        found.append(Reading(metric=metric, scope=scope, reset=reset, window=window, **counts))
    return found


def plain(held: list[Reading]) -> bytes:
    told = headers.openai(held) | headers.ietf(held)
    return "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode()


def distinct(held: list[Reading]) -> list[Reading]:
    """As a call has them: of one metric and scope there is one at most."""
    return list({(each.metric, each.scope): each for each in held}.values())


@given(st.lists(readings().map(distinct), min_size=1, max_size=4))
def test_lines_are_the_headers(several: list[list[Reading]]) -> None:
    for held in several:
        assert lines.openai_lines(held) == plain(held)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SHAPES_MAX", 3)
    for limit in range(20):
        rpm = Reading(Metric.RPM, Scope.TIER, limit, limit, 0, limit, 0, MINUTE)
        assert lines.openai_lines([rpm]) == plain([rpm])
        assert len(lines._shapes) <= 3


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, MINUTE)), min_size=1, max_size=8))
def test_lines_of_a_call_that_was_let_in_are_those_of_its_readings(calls: list[tuple[int, int, int]]) -> None:
    rules = [
        Rule(scope=Scope.ORGANIZATION, metric=metric, amount=amount, org=7, id=number)
        for number, (metric, amount) in enumerate(
            {Metric.RPM: 60, Metric.ITPM: 900, Metric.OTPM: 600, Metric.TPD: 10**6, Metric.IN_FLIGHT: 5}.items(), 1
        )
    ]
    limits, now = Limits(Policy(rules, {1: "m"}, defaults=())), Instant(DAY)
    for ticket, (asked, answer, pause) in enumerate(calls):
        now = Instant(now + pause)
        passed = limits.check(claim(ticket, 7, 3, 1, Tier.FLEX, asked, answer), now)
        if isinstance(passed, Passed):
            assert lines.lines_of(passed) == lines.openai_lines(passed.readings) == plain(list(passed.readings))


def test_without_limits_there_are_no_lines() -> None:
    passed = Limits(Policy(defaults=())).check(claim(1, 7, 3, 1, Tier.FLEX, 5, 5), Instant(DAY))
    assert isinstance(passed, Passed)
    assert lines.lines_of(passed) == lines.openai_lines(()) == b""
