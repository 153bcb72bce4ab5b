"""Each rule as a short play; the words are those of tests/seats.py."""

import pytest
from seats import Play, told

from puyun.kit.clock import SECOND
from puyun.scheduler.rules import Rules

PLAYS = {
    "a free seat at once, then a queue, then its turn": """
        lane 1 shared seats=1
        0 flex 1 | grant 1 at 1
        1 flex 2 | -
        2 end 1  | grant 2 at 1
        3 end 2  | -
    """,
    "the least used lane first": """
        lane 1 shared seats=4
        lane 2 shared seats=2
        0 flex 1 | grant 1 at 1
        0 flex 2 | grant 2 at 2
        0 flex 3 | grant 3 at 1
    """,
    "no lane, no call": """
        lane 1 dedicated:9 seats=1
        0 flex 1 by 7 | refused 1 no_lane
        0 flex 2 by 9 | grant 2 at 1
    """,
    "who will not wait is refused at once": """
        lane 1 shared seats=1
        0 flex 1        | grant 1 at 1
        0 flex 2 wait=0 | refused 2 wait_too_long
    """,
    "who has waited long enough is refused": """
        lane 1 shared seats=1
        0 flex 1        | grant 1 at 1
        0 flex 2 wait=5 | -
        5 wake          | refused 2 expired
    """,
    "a wait that would be too long is told before": """
        lane 1 shared seats=1
        0 flex 1         | grant 1 at 1
        20 end 1         | -
        20 flex 2        | grant 2 at 1
        20 flex 3 wait=2 | refused 3 wait_too_long
    """,
    "Enterprise first, below its ceiling": """
        lane 1 shared seats=4
        0 flex 1       | grant 1 at 1
        0 flex 2       | grant 2 at 1
        0 flex 3       | grant 3 at 1
        0 flex 4       | grant 4 at 1
        0 flex 5       | -
        0 enterprise 6 | -
        1 end 1        | grant 6 at 1
        2 end 2        | grant 5 at 1
    """,
    "Enterprise spills from its own pool into the shared one": """
        lane 1 enterprise seats=1
        lane 2 shared seats=1
        0 enterprise 1 | grant 1 at 1
        0 enterprise 2 | grant 2 at 2
        0 enterprise 3 | -
        1 end 1        | grant 3 at 1
    """,
    "what is set apart stays empty for the others": """
        lane 1 enterprise seats=1
        lane 2 shared seats=1
        0 flex 1 | grant 1 at 2
        0 test 2 | -
        1 end 1  | grant 2 at 2
    """,
    "Test gives way before its first byte, on an engine of ours": """
        lane 1 shared seats=1 own
        0 test 1       | grant 1 at 1
        1 enterprise 2 | preempted 1, grant 2 at 1
        2 end 2        | grant 1 at 1
    """,
    "not after its first byte, and not where breaking off is paid for": """
        lane 1 shared seats=1 own
        0 test 1       | grant 1 at 1
        1 begin 1      | -
        1 enterprise 2 | -
        2 end 1        | grant 2 at 1
        3 end 2        | -
        lane 1 shared seats=1
        4 test 3       | grant 3 at 1
        4 enterprise 4 | -
    """,
    "idle seats that are set apart are lent, and given back": """
        lane 1 enterprise seats=4 own lend
        0 test 1       | grant 1 at 1
        0 test 2       | grant 2 at 1
        0 test 3       | -
        0 enterprise 4 | grant 4 at 1
        0 enterprise 5 | grant 5 at 1
        0 enterprise 6 | preempted 2, grant 6 at 1
    """,
    "what is kept back is counted over all lanes of a pool": """
        lane 1 enterprise seats=1 own lend
        lane 2 enterprise seats=3 own lend
        0 test 1                    | grant 1 at 1
        0 test 2                    | grant 2 at 2
        0 test 3                    | -
        1 end 1 overloaded after=10 | grant 3 at 2
    """,
    "lending stops until what preemption wasted is made up for": """
        lane 1 enterprise seats=4 own lend
        0 test 1        | grant 1 at 1
        20 enterprise 2 | grant 2 at 1
        20 enterprise 3 | grant 3 at 1
        20 enterprise 4 | grant 4 at 1
        20 enterprise 5 | preempted 1, grant 5 at 1
        21 end 2        | -
        21 end 3        | -
        21 end 4        | -
        60 wake         | grant 1 at 1
    """,
    "an organization's own seats are its own, and Enterprise's first": """
        lane 1 dedicated:7 seats=1
        lane 2 shared seats=1
        0 enterprise 1 by 7 | grant 1 at 1
        0 enterprise 2 by 8 | grant 2 at 2
        0 flex 3 by 7       | -
        0 enterprise 4 by 7 | -
        0 enterprise 5 by 8 | -
        1 end 1             | grant 4 at 1
        2 end 4             | grant 3 at 1
        3 end 2             | grant 5 at 2
    """,
    "models that share a lane take turns, whatever one had alone": """
        lane 1 shared seats=1
        0 flex 1 model=1 input=10000 | grant 1 at 1
        0 flex 2 model=1 | -
        0 flex 3 model=1 | -
        0 flex 4 model=2 by 2 | -
        0 flex 5 model=2 by 2 | -
        1 end 1 fresh=10000 output=50 | grant 4 at 1
        2 end 4 | grant 2 at 1
        3 end 2 | grant 5 at 1
        4 end 5 | grant 3 at 1
    """,
    "a broken lane is tried with Test's call first": """
        lane 1 shared seats=6
        0 test 1 | grant 1 at 1
        0 test 2 | grant 2 at 1
        0 test 3 | grant 3 at 1
        0 test 4 | grant 4 at 1
        0 test 5 | grant 5 at 1
        0 end 1 failed | -
        0 end 2 failed | -
        0 end 3 failed | -
        0 end 4 failed | -
        0 end 5 failed | -
        0.1 enterprise 6 | -
        0.1 test 7 | -
        2 wake | grant 7 at 1
        3 end 7 | grant 6 at 1
    """,
    "organizations take turns by what they were served": """
        lane 1 shared seats=1
        0 flex 1 by 1 input=4000 | grant 1 at 1
        0 flex 2 by 1            | -
        0 flex 3 by 1            | -
        0 flex 4 by 2            | -
        0 flex 5 by 2            | -
        1 end 1 fresh=40000      | grant 4 at 1
        2 end 4                  | grant 5 at 1
    """,
    "keys of an organization take turns, and a key orders its own": """
        lane 1 shared seats=1
        0 flex 1 key=1            | grant 1 at 1
        0 flex 2 key=1 priority=9 | -
        0 flex 3 key=1 priority=0 | -
        0 flex 4 key=2            | -
        1 end 1                   | grant 3 at 1
        2 end 3                   | grant 4 at 1
        3 end 4                   | grant 2 at 1
    """,
    "a call that failed goes elsewhere, and not back": """
        lane 1 shared seats=1
        lane 2 shared seats=1
        0 flex 1             | grant 1 at 1
        1 elsewhere 1 failed | grant 1 at 2
        2 elsewhere 1 failed | refused 1 no_lane
    """,
    "Test has one second attempt": """
        lane 1 shared seats=1
        lane 2 shared seats=1
        lane 3 shared seats=1
        0 test 1             | grant 1 at 1
        1 elsewhere 1 failed | grant 1 at 2
        2 elsewhere 1 failed | refused 1 retries_spent
    """,
    "a lane that is at its limit pauses": """
        lane 1 shared seats=4
        lane 2 shared seats=4
        0 flex 1                             | grant 1 at 1
        1 elsewhere 1 overloaded after=10    | grant 1 at 2
        2 flex 2                             | grant 2 at 2
        12 flex 3                            | grant 3 at 1
    """,
    "tokens run out before seats do": """
        lane 1 shared seats=9 itpm=600
        0 test 1 input=500 | grant 1 at 1
        0 test 2 input=500 | -
        40 wake            | grant 2 at 1
    """,
    "a client that leaves gives its place back": """
        lane 1 shared seats=1
        0 flex 1   | grant 1 at 1
        0 flex 2   | -
        0 flex 3   | -
        1 cancel 2 | -
        2 cancel 1 | grant 3 at 1
    """,
    "a lane that is gone serves who it has, and nobody else": """
        lane 1 shared seats=1
        0 flex 1   | grant 1 at 1
        0 flex 2   | -
        1 remove 1 | refused 2 no_lane
        2 end 1    | -
        3 flex 3   | refused 3 no_lane
    """,
    "what is not known is ignored": """
        lane 1 shared seats=1
        0 end 9              | -
        0 begin 9            | -
        0 cancel 9           | -
        0 elsewhere 9 failed | -
        0 flex 1             | grant 1 at 1
        0 flex 1             | -
    """,
}


@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS.keys())
def test_plays(play: str) -> None:
    Play(play)


def test_an_organization_s_queue_is_bounded() -> None:
    play = Play("lane 1 shared seats=1\n0 flex 1 | grant 1 at 1")
    for ticket in range(2, 34):
        play.run(f"0 flex {ticket} | -")
    play.run("0 flex 40 | refused 40 queue_full")
    play.run("0 flex 41 by 2 | refused 33 dropped")


def test_the_longest_queue_loses_its_newest_call_when_a_tier_s_is_full() -> None:
    rules = Rules()
    play = Play("lane 1 shared seats=1\n0 test 1 | grant 1 at 1", rules)
    for ticket in range(2, 18):
        play.run(f"0 test {ticket} by 1 | -")
    play.run("0 test 20 by 2 | refused 17 dropped")


def test_where_a_call_stands_is_told() -> None:
    play = Play("lane 1 shared seats=1\n0 flex 1 | grant 1 at 1\n0 flex 2 | -\n0 flex 3 | -")
    assert [play.scheduler.standing(ticket) for ticket in (1, 2, 3)] == [None, (0, 0), (1, 0)]
    play.run("4 end 1 | grant 2 at 1")
    standing = play.scheduler.standing(3)
    assert standing is not None
    assert standing == (0, 4 * SECOND)


def test_flex_has_its_guarantee_and_test_its_floor_while_enterprise_overloads() -> None:
    """A long shift at one place: all three wait all the time."""
    play = Play("lane 1 shared seats=20")
    ticket, running = 0, []
    for _ in range(20):
        ticket += 1
        play.run(f"0 enterprise {ticket}")
        running.append(ticket)
    served = {"enterprise": 0, "flex": 0, "test": 0}
    tier_of: dict[int, str] = {}
    for turn in range(1, 400):
        for tier in served:
            ticket += 1
            play.run(f"{turn} {tier} {ticket}")
            tier_of[ticket] = tier
        play.run(f"{turn} end {running.pop(0)}")
        for decision in play.said:
            if told([decision]).startswith("grant"):
                running.append(decision.ticket)
                served[tier_of[decision.ticket]] += 1
    total = sum(served.values())
    assert served["flex"] >= total * 49 // 100
    assert served["test"] >= total * 4 // 100
    assert served["enterprise"] >= total * 43 // 100
