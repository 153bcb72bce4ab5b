"""The limits, told as dialogues: a rule book, what is asked and when (seconds), what is answered."""

import pytest
from rulebook import MODELS, at, claim, policy, rules

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import Instant
from puyun.limits.limits import Limits
from puyun.limits.passed import Passed
from puyun.limits.policy import Policy
from puyun.limits.reading import Over


def ask(ticket: int, **fields: object) -> Claim:
    tokens = fields.pop("input", 0), fields.pop("output", 0)
    usual = {"org": 7, "key": 1, "model": 1, "tier": Tier.FLEX} | fields
    named = {name: usual.pop(name) for name in ("ip", "patience") if name in usual}
    return claim(ticket, *usual.values(), *tokens, **named)


def asked(words: list[str]) -> Claim:
    """`1 in=10 out=5 org=8 key=2 model=3 tier=test ip=::1 patience=2`"""
    names = {"in": "input", "out": "output"}
    fields = dict(word.split("=") for word in words[1:])
    values = {
        names.get(name, name): value if name == "ip" else Tier(value) if name == "tier" else int(value)
        for name, value in fields.items()
    }
    if "patience" in values:
        values["patience"] *= 1_000_000
    return ask(int(words[0]), **values)


def told(answer: Passed | Over | list[int] | None) -> str:
    if isinstance(answer, Passed):
        delay = f" after {answer.delay / 1_000_000:g}" if answer.delay else ""
        return ("waits" if answer.waiting else "passed") + delay
    if isinstance(answer, Over):
        wait = "never" if answer.wait is None else f"{answer.wait / 1_000_000:g}"
        return f"over {answer.scope} {answer.metric} {answer.used}/{answer.limit} {wait}"
    return " ".join(["starts", *map(str, answer)]) if answer else "-"


def play(limits: Limits, script: str) -> list[str]:
    """The script again, with what was answered in place of what was expected."""
    played: list[str] = []
    for line in script.strip().splitlines():
        said = line.partition("|")[0].strip()
        moment, act, *words = said.split()
        now = at(moment)
        match act:
            case "ask":
                answer = told(limits.check(asked(words), now))
            case "knock":
                answer = told(limits.knock(words[0], now))
            case "correct":
                limits.correct(int(words[0]), int(words[1]), int(words[2]), now)
                answer = "-"
            case "release":
                answer = told(limits.release(int(words[0]), now))
            case "void":
                answer = told(limits.void(int(words[0]), now))
            case "reclaim":
                limits.reclaim(asked(words), now)
                answer = "-"
            case "wake":
                answer = told(limits.wake(now))
            case "view":
                rows = limits.view(1, 7, 1, Tier.FLEX, now)
                answer = (
                    ", ".join(f"{row.reading.metric} {row.reading.used}+{row.reading.remaining}" for row in rows)
                    or "nothing"
                )
            case _:
                answer = told(limits.configure(policy(said.partition("rules ")[2].replace(";", "\n")), now))
        played.append(f"{said} | {answer}")
    return played


DIALOGUES = {
    "a burst passes, then one at a time": (
        "org 7 rpm 60 burst 3",
        """
        100 ask 1 | passed
        100 ask 2 | passed
        100 ask 3 | passed
        100 ask 4 | over organization rpm 3/60 1
        100.999999 ask 4 | over organization rpm 3/60 1e-06
        101 ask 4 | passed
        101 ask 5 | over organization rpm 3/60 1
        1000 ask 5 | passed
        1000 ask 6 | passed
        1000 ask 7 | passed
        1000 ask 8 | over organization rpm 3/60 1
        """,
    ),
    "one request always fits, however small the burst": (
        "org 7 rpm 2 burst 1",
        """
        0 ask 1 | passed
        29 ask 2 | over organization rpm 1/2 1
        30 ask 2 | passed
        """,
    ),
    "to the microsecond": (
        "org 7 rpm 1 burst 1",
        """
        0 ask 1 | passed
        59.999999 ask 2 | over organization rpm 1/1 1e-06
        60 ask 2 | passed
        """,
    ),
    "what is larger than the limit never passes": (
        "org 7 itpm 600 burst 60",
        """
        0 ask 1 in=601 | over organization itpm 0/600 never
        0 ask 1 in=600 | passed
        0 ask 2 in=1 | over organization itpm 600/600 0.1
        9.9 ask 2 in=100 | over organization itpm 501/600 0.1
        10 ask 2 in=100 | passed
        """,
    ),
    "nothing at all": (
        "org 7 rpm 0",
        "0 ask 1 | over organization rpm 0/0 never",
    ),
    "no tokens, but a request without any": (
        "org 7 otpm 0",
        """
        0 ask 1 out=1 | over organization otpm 0/0 never
        0 ask 1 in=9 out=0 | passed
        """,
    ),
    "unlimited": (
        "tier flex rpm 1\norg 7 rpm none",
        """
        0 ask 1 | passed
        0 ask 2 | passed
        0 view | nothing""",
    ),
    "all or nothing: what one refuses, no other counts": (
        "org 7 rpm 6 burst 60\norg 7 itpm 100 burst 60\norg 7 otpm 50 burst 60\norg 7 in_flight 9",
        """
        0 ask 1 in=90 out=10 | passed
        0 ask 2 in=11 out=10 | over organization itpm 90/100 0.6
        0 ask 2 in=10 out=41 | over organization otpm 10/50 1.2
        0 view | rpm 1+5, itpm 90+10, otpm 10+40, in_flight 1+8
        0 ask 2 in=10 out=40 | passed
        0 view | rpm 2+4, itpm 100+0, otpm 50+0, in_flight 2+7
        """,
    ),
    "of several that refuse, the one that refuses longest": (
        "org 7 rpm 1 burst 1\norg 7 itpm 100 burst 60",
        """
        0 ask 1 in=100 | passed
        0 ask 2 in=50 | over organization rpm 1/1 60
        0 ask 2 in=101 | over organization itpm 100/100 never
        40 ask 2 in=100 | over organization rpm 1/1 20
        """,
    ),
    "combined tokens count both ways": (
        "org 7 tpm 100 burst 60",
        """
        0 ask 1 in=60 out=40 | passed
        0 ask 2 in=1 | over organization tpm 100/100 0.6
        0 correct 1 10 5 | -
        0 view | tpm 15+85
        """,
    ),
    "a day's": (
        "org 7 rpd 2\norg 7 tpd 1000",
        """
        0 ask 1 in=1000 | passed
        0 ask 2 | passed
        0 ask 3 | over organization rpd 2/2 43200
        0 ask 3 in=1 | over organization rpd 2/2 43200
        43200 ask 3 in=500 | passed
        """,
    ),
    "estimates are corrected down and up, at once": (
        "org 7 itpm 600 burst 60\norg 7 otpm 600 burst 60",
        """
        0 ask 1 in=600 out=600 | passed
        0 ask 2 in=1 out=1 | over organization itpm 600/600 0.1
        0 correct 1 400 500 | -
        0 view | itpm 400+200, otpm 500+100
        0 correct 1 450 700 | -
        0 view | itpm 450+150, otpm 700+0
        10 view | itpm 350+250, otpm 600+0
        10 ask 3 out=1 | over organization otpm 600/600 0.1
        0 correct 99 1 1 | -
        """,
    ),
    "a debt is at most one burst": (
        "org 7 otpm 600 burst 60",
        """
        0 ask 1 out=1 | passed
        0 correct 1 0 1000000 | -
        0 view | otpm 1200+0
        59.9 ask 2 out=1 | over organization otpm 601/600 0.2
        60.1 ask 2 out=1 | passed
        """,
    ),
    "what is given back is never more than was used": (
        "org 7 otpm 600 burst 60",
        """
        0 ask 1 out=300 | passed
        30 correct 1 0 0 | -
        30 view | otpm 0+600
        30 correct 1 0 10 | -
        30 view | otpm 10+590
        """,
    ),
    "void: as if it had never been asked": (
        "org 7 rpm 1 burst 1\norg 7 otpm 600 burst 60\norg 7 in_flight 1",
        """
        0 ask 1 out=600 | passed
        0 correct 1 5 100 | -
        0 void 1 | -
        0 view | rpm 0+1, otpm 0+600, in_flight 0+1
        0 void 1 | -
        0 ask 2 out=600 | passed
        """,
    ),
    "in flight, without a queue": (
        "org 7 in_flight 2",
        """
        0 ask 1 | passed
        0 ask 2 | passed
        0 ask 3 | over organization in_flight 2/2 1
        0 release 1 | -
        0 release 1 | -
        0 release 99 | -
        0 ask 3 | passed
        0 ask 4 | over organization in_flight 2/2 1
        """,
    ),
    "in flight, with a queue: first come, first served": (
        "org 7 in_flight 1\norg 7 queued 2\norg 7 rpm 60 burst 60",
        """
        0 ask 1 | passed
        0 ask 2 | waits
        0 ask 3 | waits
        0 ask 4 | over organization queued 2/2 1
        0 view | rpm 3+57, in_flight 1+0, queued 2+0
        0 release 1 | starts 2
        0 ask 5 | waits
        0 release 3 | -
        0 release 2 | starts 5
        0 void 5 | -
        0 view | rpm 3+57, in_flight 0+1, queued 0+2
        """,
    ),
    "nothing in flight ever, so nothing waits": (
        "org 7 in_flight 0\norg 7 queued 2",
        "0 ask 1 | over organization in_flight 0/0 never",
    ),
    "who waits for one place does not stop who waits for another": (
        "org 7 in_flight 9\nkey 1 in_flight 1\nkey 2 in_flight 1\norg 7 queued 9",
        """
        0 ask 1 key=1 | passed
        0 ask 2 key=1 | waits
        0 ask 3 key=2 | passed
        0 ask 4 key=2 | waits
        0 ask 5 key=3 | passed
        0 release 3 | starts 4
        0 release 1 | starts 2
        """,
    ),
    "a tier's rates are by model, what is at a time is not; organizations and tiers are apart": (
        "tier flex rpm 1 burst 1\ntier flex in_flight 3\ntier test rpm 1 burst 1",
        """
        0 ask 1 | passed
        0 ask 2 | over tier rpm 1/1 60
        0 ask 2 model=2 | passed
        0 ask 3 org=8 key=9 | passed
        0 ask 4 tier=test | passed
        0 ask 5 model=3 key=5 | passed
        0 ask 6 model=4 key=5 | over tier in_flight 3/3 1
        """,
    ),
    "an organization's own limit is for all its models, a pattern's for each": (
        "org 7 rpm 2 burst 60\norg 8 model gpt-* rpm 1 burst 60\norg 8 model claude-* tier flex rpm 1 burst 60",
        """
        0 ask 1 | passed
        0 ask 2 model=3 tier=test | passed
        0 ask 3 model=2 | over organization rpm 2/2 30
        0 ask 4 org=8 model=1 | passed
        0 ask 5 org=8 model=1 tier=test | over organization_model rpm 1/1 60
        0 ask 5 org=8 model=2 | passed
        0 ask 6 org=8 model=3 | passed
        0 ask 7 org=8 model=3 | over organization_model rpm 1/1 60
        0 ask 7 org=8 model=3 tier=test | passed
        """,
    ),
    "a key's smaller limit narrows, a larger one lifts": (
        "org 7 rpm 2 burst 60\nkey 1 rpm 1 burst 60\nkey 2 rpm 3 burst 60",
        """
        0 ask 1 key=1 | passed
        0 ask 2 key=1 | over key rpm 1/1 60
        0 ask 2 key=2 | passed
        0 ask 3 key=2 | passed
        0 ask 4 key=2 | passed
        0 ask 5 key=2 | over key rpm 3/3 20
        0 ask 5 key=9 | passed
        0 ask 6 key=9 | over organization rpm 2/2 30
        """,
    ),
    "patience: a rate keeps the call back instead of refusing it, in turn": (
        "org 7 rpm 60 burst 1",
        """
        0 ask 1 | passed
        0 ask 2 patience=1 | passed after 1
        0 ask 3 patience=1 | over organization rpm 2/60 2
        0 ask 3 patience=2 | passed after 2
        0 ask 4 | over organization rpm 3/60 3
        2 ask 4 | over organization rpm 1/60 1
        2 void 3 | -
        2 ask 4 | passed
        """,
    ),
    "kept back for longer than a debt may be, and then a debt": (
        "org 7 otpm 60 burst 1",
        """
        0 ask 1 out=1 | passed
        0 ask 2 out=1 patience=9 | passed after 1
        0 ask 3 out=1 patience=9 | passed after 2
        0 correct 1 0 2 | -
        0 view | otpm 3+0
        """,
    ),
    "patience is no help against what never passes, or against a crowd": (
        "org 7 itpm 10 burst 60\norg 7 in_flight 1",
        """
        0 ask 1 in=11 patience=100 | over organization itpm 0/10 never
        0 ask 1 in=10 | passed
        0 ask 2 in=10 patience=100 | over organization in_flight 1/1 1
        """,
    ),
    "reclaimed calls are in flight whatever the limits, and are corrected": (
        "org 7 in_flight 1\norg 7 otpm 100 burst 60",
        """
        0 reclaim 1 out=50 | -
        0 reclaim 2 out=50 | -
        0 view | otpm 0+100, in_flight 2+0
        0 correct 1 0 60 | -
        0 view | otpm 10+90, in_flight 2+0
        0 release 2 | -
        0 ask 3 | over organization in_flight 1/1 1
        0 release 1 | -
        0 ask 3 | passed
        """,
    ),
    "addresses: known calls and unknown ones, a /64 for one": (
        "ip each rpm 2 burst 60\norg 7 rpm 9 burst 60",
        """
        0 ask 1 ip=2001:db8::1 | passed
        0 knock 2001:db8::2 | -
        0 knock 2001:db8::3 | over ip rpm 2/2 30
        0 ask 2 ip=2001:db8::4 | over ip rpm 2/2 30
        0 ask 2 ip=192.0.2.1 | passed
        0 knock ::ffff:192.0.2.1 | -
        0 knock 192.0.2.1 | over ip rpm 2/2 30
        0 knock nonsense | -
        0 ask 3 | passed
        0 view | rpm 3+6
        """,
    ),
    "no rule, no limit": (
        "org 8 rpm 1",
        """
        0 knock 192.0.2.1 | -
        0 ask 1 ip=192.0.2.1 | passed
        0 release 1 | -
        """,
    ),
    "what was used stays used when the rule changes": (
        "org 7 otpm 600 burst 60",
        """
        0 ask 1 out=500 | passed
        10 rules org 7 otpm 1200 burst 60 | -
        10 view | otpm 400+800
        20 view | otpm 200+1000
        20 rules org 7 otpm 60 burst 60 | -
        30 view | otpm 190+0
        30 ask 2 out=1 | over organization otpm 190/60 131
        30 rules org 7 otpm 0 | -
        99 view | otpm 190+0
        99 rules org 7 otpm 600 burst 60 | -
        99 view | otpm 190+410
        """,
    ),
    "a rule that changes before anybody looks counts from when it changed": (
        "org 7 otpm 600 burst 60",
        """
        0 ask 1 out=500 | passed
        10 rules org 7 otpm 60 burst 60 | -
        20 ask 2 out=1 | over organization otpm 390/60 331
        """,
    ),
    "a view goes by the rules of today though nobody asked since": (
        "org 7 otpm 600 burst 60",
        """
        0 ask 1 out=500 | passed
        0 release 1 | -
        10 rules org 7 otpm 1200 burst 60 | -
        10 view | otpm 400+800
        20 view | otpm 200+1000
        """,
    ),
    "open calls are counted where new rules want them": (
        "tier flex in_flight 2\ntier flex queued 5",
        """
        0 ask 1 | passed
        0 ask 2 | passed
        0 ask 3 | waits
        0 ask 4 | waits
        0 rules org 7 in_flight 3; org 7 queued 1 | starts 3
        0 ask 5 | over organization queued 1/1 1
        0 rules org 7 in_flight 1; org 7 queued 1 | -
        0 view | in_flight 3+0, queued 1+0
        0 release 1 | -
        0 release 2 | -
        0 release 3 | starts 4
        0 rules org 8 in_flight 1 | -
        0 ask 6 | passed
        0 release 4 | -
        """,
    ),
    "no limit any more: who waited starts": (
        "org 7 in_flight 1\norg 7 queued 5",
        """
        0 ask 1 | passed
        0 ask 2 | waits
        0 rules org 8 rpm 1 | starts 2
        0 release 2 | -
        """,
    ),
    "dated rules": (
        "org 7 in_flight 1\norg 7 queued 5\norg 7 in_flight 2 from 10 to 20\norg 7 otpm 60\norg 7 otpm 600 from 10",
        """
        0 ask 1 out=60 | passed
        0 ask 2 | waits
        9 wake | -
        10 wake | starts 2
        11 ask 3 out=500 | waits
        11 view | otpm 540+60, in_flight 2+0, queued 1+4
        12 release 1 | starts 3
        21 ask 4 | waits
        21 release 3 | -
        21 release 2 | starts 4
        """,
    ),
    "a date passes unseen: the next that asks sees to it, and who started is told with the next that ends": (
        "org 7 in_flight 1\norg 7 queued 5\norg 7 in_flight 3 from 10",
        """
        0 ask 1 | passed
        0 ask 2 | waits
        0 ask 3 | waits
        11 ask 4 | waits
        11 release 2 | starts 3 4
        11 wake | -
        """,
    ),
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    book, script = DIALOGUES[name]
    lines = [line.strip() for line in script.strip().splitlines()]
    assert play(Limits(policy(book)), script) == lines


def test_a_ticket_passes_once() -> None:
    limits = Limits(policy("org 7 rpm 60"))
    assert isinstance(limits.check(ask(1), Instant(0)), Passed)
    with pytest.raises(ValueError, match="ticket 1 has passed"):
        limits.check(ask(1), Instant(0))
    with pytest.raises(ValueError, match="ticket 1 has passed"):
        limits.reclaim(ask(1), Instant(0))


def test_readings_of_both_answers_say_how_every_limit_stands() -> None:
    limits = Limits(policy("org 7 rpm 60 burst 2\norg 7 itpm 600\norg 7 in_flight 5"))
    passed = limits.check(ask(1, input=30), at(5))
    assert isinstance(passed, Passed)
    rpm, itpm, flight = passed.readings
    assert (rpm.metric, rpm.limit, rpm.burst, rpm.used, rpm.remaining) == ("rpm", 60, 2, 1, 1)
    assert (rpm.reset, rpm.window) == (1_000_000, 60_000_000)
    assert (itpm.used, itpm.remaining, itpm.reset) == (30, 570, 3_000_000)
    assert (flight.used, flight.remaining, flight.reset, flight.window) == (1, 4, 0, 0)
    over = limits.check(ask(2, input=601), at(5))
    assert isinstance(over, Over)
    assert over.readings == passed.readings
    assert over.rule.org == 7


def test_a_view_names_the_rules_and_keeps_nothing() -> None:
    limits = Limits(Policy(rules("org 7 rpm 60\nkey 1 rpm 5\norg 7 tpd none"), MODELS))
    limits.wake(at(1))
    rows = limits.view(1, 7, 1, Tier.TEST, at(1))
    assert [(row.rule.scope, row.reading.metric, row.reading.limit) for row in rows] == [
        ("key", "rpm", 5),
        ("organization", "rpm", 60),
        ("tier", "itpm", 40_000),
        ("tier", "otpm", 8_000),
        ("tier", "in_flight", 4),
        ("tier", "queued", 16),
    ]
    assert len(limits._cells) == 0


def test_when_to_wake() -> None:
    limits = Limits(policy("org 7 rpm 60 from 10 to 20"))
    limits.wake(at(5))
    assert limits.next_wake == at(10)
    limits.wake(at(10))
    assert limits.next_wake == at(20)
    limits.wake(at(30))
    assert limits.next_wake is None


@pytest.mark.parametrize("amount", [1, 7, 59, 60, 61, 997, 3_000])
def test_nothing_drifts(amount: int) -> None:
    """Who always comes at the first microsecond at which they may gets exactly the rate, however long it goes on."""
    limits, now, passed = Limits(policy(f"org 7 rpm {amount} burst 60")), at(1), 0
    while passed < 5_000 + amount:
        answer = limits.check(ask(passed), now)
        if isinstance(answer, Over):
            assert answer.wait
            now = Instant(now + answer.wait)
        else:
            passed += 1
    assert now - at(1) == -(-5_000 * 60_000_000 // amount)


def test_ten_minutes_of_hammering_let_through_a_burst_and_the_rate_and_no_more() -> None:
    limits, passed = Limits(policy("org 7 rpm 90 burst 7\norg 7 itpm 100000")), 0
    for tick in range(60_000):
        passed += isinstance(limits.check(ask(tick, input=100), at(tick / 100)), Passed)
    assert passed == (90 * 7 + 90 * 599.99) // 60
