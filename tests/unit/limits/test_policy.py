"""Which rules are in force: a book of rules, a caller, what comes out; the most specific first."""

import pytest
from rulebook import MODELS, policy, rule, rules

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.limits.policy import Policy, matches
from puyun.limits.rule import AT_A_TIME, Metric, Rule, Scope
from puyun.limits.table import DEFAULTS

BOOK = """
tier flex rpm 300 burst 10
tier flex itpm 600000
tier flex model claude-* rpm 50
tier flex model claude-x rpm 60
tier test rpm 20
tier flex rpm 310
org 1 rpm 1000
org 2 model gpt-* rpm 100
org 2 model gpt-4o rpm 200
org 2 model gpt-4o-* rpm 150
org 3 rpm 500
org 3 model gpt-4o rpm 90
org 3 model claude-x rpm 900
org 4 tier flex rpm 70
org 4 rpm 80
org 5 rpm none
org 6 rpm 400 from 10 to 20
org 6 rpm 800 from 15 to 17
org 7 rpm 0
key 11 rpm 5
key 12 rpm 5000
key 13 model gpt-4o rpm 40
key 13 rpm 30
key 31 rpm 95
key 32 rpm 600
"""

CALLERS = """
org 9 key 1 gpt-4o flex   | tier 310
org 9 key 1 gpt-4o test   | tier 20
org 9 key 1 gpt-4o enterprise | nothing
org 9 key 1 claude-x flex | tier_model 60
org 9 key 1 claude-y flex | tier_model 50
org 1 key 1 gpt-4o flex   | organization 1000
org 1 key 1 gpt-4o enterprise | organization 1000
org 1 key 1 claude-x flex | organization 1000
org 2 key 1 gpt-4o flex   | organization_model 200
org 2 key 1 gpt-4o-mini flex | organization_model 150
org 2 key 1 gpt-5 flex    | organization_model 100
org 2 key 1 m flex        | tier 310
org 3 key 1 gpt-4o flex   | organization_model 90, organization 500
org 3 key 1 claude-x flex | organization_model 900
org 3 key 1 m flex        | organization 500
org 4 key 1 m flex        | organization 70
org 4 key 1 m test        | organization 80
org 5 key 1 m flex        | organization none
org 7 key 1 m flex        | organization 0
org 9 key 11 m flex       | key 5, tier 310
org 9 key 12 m flex       | key 5000
org 9 key 13 gpt-4o flex  | key 40, tier 310
org 9 key 13 m flex       | key 30, tier 310
org 3 key 31 gpt-4o flex  | key 95, organization 500
org 3 key 11 gpt-4o flex  | key 5, organization_model 90, organization 500
org 3 key 32 gpt-4o flex  | key 600
org 5 key 11 m flex       | key 5, organization none
"""


def in_force(book: Policy, caller: str, now: int = 0) -> str:
    _, org, _, key, model, tier = caller.split()
    number = next((number for number, name in book.models.items() if name == model), 0)
    found = book.effective(int(key), int(org), number, Tier(tier), Instant(now * 1_000_000))
    shown = [f"{rule.scope} {'none' if rule.amount is None else rule.amount}" for rule in found.get(Metric.RPM, ())]
    return ", ".join(shown) or "nothing"


@pytest.mark.parametrize("line", CALLERS.strip().splitlines())
def test_the_most_specific_wins_and_a_wider_one_counts_too_where_it_allows_more(line: str) -> None:
    caller, expected = (part.strip() for part in line.split("|"))
    models = MODELS | {5: "gpt-5", 6: "claude-y"}
    assert in_force(Policy(rules(BOOK), models, defaults=()), caller) == expected


@pytest.mark.parametrize(
    ("now", "expected", "change"),
    [
        (9, "tier 310", 10),
        (10, "organization 400", 15),
        (14, "organization 400", 15),
        (15, "organization 800", 17),
        (17, "organization 400", 20),
        (20, "tier 310", None),
    ],
)
def test_rules_begin_and_end_when_they_say(now: int, expected: str, change: int | None) -> None:
    book = policy(BOOK)
    assert in_force(book, "org 6 key 1 m flex", now) == expected
    assert book.next_change(Instant(now * 1_000_000)) == (None if change is None else change * 1_000_000)


@pytest.mark.parametrize(
    ("book", "burst"),
    [
        ("tier flex rpm 300\norg 1 rpm 5", 10),
        ("tier flex rpm 300 burst 60\norg 1 rpm 5", 60),
        ("tier flex rpm 300 burst 60\norg 1 rpm 5 burst 7", 7),
        ("tier flex rpm 300 burst 60\norg 1 rpm 6 burst 7\norg 1 rpm 5", 7),
        ("tier flex itpm 300\norg 1 itpm 5", 60),
        ("org 1 tpm 5", 60),
        ("org 1 rpd 5", 86_400),
        ("org 1 tpd 5", 86_400),
        ("org 1 in_flight 5", None),
    ],
)
def test_who_sets_an_amount_alone_keeps_the_burst(book: str, burst: int | None) -> None:
    found = policy(book).effective(1, 1, 1, Tier.FLEX, Instant(0))
    assert [rules[0].burst for rules in found.values()] == [burst]


@pytest.mark.parametrize(
    ("pattern", "model", "means"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-*", "gpt-4o", True),
        ("*", "anything", True),
        ("*-mini", "gpt-4o-mini", True),
        ("g*o*i", "gpt-4o-mini", True),
        ("gpt.4*", "gpt-4o", False),
        ("gpt-*", "my-gpt-4o", False),
        ("[a-z]*", "gpt", False),
    ],
)
def test_a_star_stands_for_anything(pattern: str, model: str, means: bool) -> None:
    assert matches(pattern, model) is means


def test_addresses_have_rates_alone() -> None:
    book = policy("ip each rpm 60\nip each rpm 70 from 5\nip each in_flight 3")
    assert {metric: rule.amount for metric, rule in book.of_address(Instant(0)).items()} == {Metric.RPM: 60}
    assert {metric: rule.amount for metric, rule in book.of_address(Instant(5_000_000)).items()} == {Metric.RPM: 70}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scope": Scope.ORGANIZATION_MODEL}, "do not go together"),
        ({"scope": Scope.ORGANIZATION, "model": "m"}, "do not go together"),
        ({"scope": Scope.TIER}, "needs a tier"),
        ({"scope": Scope.KEY, "amount": -1}, "an amount is"),
        ({"scope": Scope.KEY, "amount": 10**13}, "an amount is"),
        ({"scope": Scope.KEY, "burst": 0}, "a burst is"),
        ({"scope": Scope.KEY, "burst": 10**7}, "a burst is"),
    ],
)
def test_a_rule_that_contradicts_itself_cannot_be_made(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Rule(**({"metric": Metric.RPM, "amount": 1} | fields))


def test_what_each_tier_may_do_by_default() -> None:
    """As the documents and the price page state it; whoever changes this changes what is sold."""
    shown = {tier: {rule.metric: (rule.amount, rule.burst) for rule in DEFAULTS if rule.tier is tier} for tier in Tier}
    assert shown == {
        Tier.TEST: {
            "rpm": (20, 10),
            "itpm": (40_000, 60),
            "otpm": (8_000, 60),
            "in_flight": (4, None),
            "queued": (16, None),
        },
        Tier.FLEX: {
            "rpm": (300, 10),
            "itpm": (600_000, 60),
            "otpm": (120_000, 60),
            "in_flight": (16, None),
            "queued": (32, None),
        },
        Tier.ENTERPRISE: {
            "rpm": (3_000, 60),
            "itpm": (5_000_000, 60),
            "otpm": (1_000_000, 60),
            "in_flight": (64, None),
            "queued": (64, None),
        },
    }
    assert {rule.metric for rule in DEFAULTS} & AT_A_TIME == AT_A_TIME
    assert rule("org 1 rpm 3").by == ""
