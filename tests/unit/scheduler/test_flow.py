"""An organization's queue, and the line in which organizations take turns."""

from hypothesis import given, strategies as st
from seats import claim, lane

from puyun.kit.clock import Instant
from puyun.scheduler.flow import Call, Flow, Line, Short, Tab, Turn
from puyun.scheduler.lane import Lane
from puyun.scheduler.pool import FLEX
from puyun.scheduler.rules import DEFAULTS

NOW = Instant(0)


def call(ticket: int, tab: Tab, **asked: object) -> Call:
    return Call(claim(ticket, org=tab.org, **asked), Instant(0), FLEX, tab)


def drained(flow: Flow) -> list[int]:
    order = []
    while flow.size:
        head = flow.head()
        flow.remove(head, served=True)
        order.append(head.ticket)
    return order


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 5, 9]), st.booleans()), min_size=1, max_size=20))
def test_what_is_told_of_a_place_is_what_happens(asked: list[tuple[int, int, bool]]) -> None:
    tab = Tab(1, 1)
    flow = Flow(tab, (1,), ())
    calls = [call(n, tab, key=key, priority=priority) for n, (key, priority, _) in enumerate(asked)]
    for one, (_, _, again) in zip(calls, asked, strict=True):
        one.again = again
        flow.push(one)
    assert {one.ticket for one in flow} == {one.ticket for one in calls}
    foretold = {flow.ahead(one): one.ticket for one in calls}
    assert [foretold[place] for place in range(len(calls))] == drained(flow)


def test_a_call_that_leaves_from_the_middle_is_not_missed() -> None:
    tab = Tab(1, 1)
    flow = Flow(tab, (1,), ())
    calls = [call(n, tab, key=n % 2) for n in range(6)]
    for one in calls:
        flow.push(one)
    flow.remove(calls[2])
    flow.remove(calls[1])
    assert drained(flow) == [0, 3, 4, 5]


def line_of(flows: int, **changes: object) -> tuple[Line, Lane[Line], list[Flow]]:
    at: Lane[Line] = Lane(lane(seats=9, **changes), DEFAULTS, NOW)
    line = Line(FLEX, Turn(), ((at, FLEX),), DEFAULTS)
    made = []
    for n in range(flows):
        tab = Tab(n, 1)
        tab.v = n
        flow = Flow(tab, (1,), (line,))
        flow.stamp = n + 1
        flow.push(call(n, tab, input=900 if n < 5 else 100))
        line.enter(flow, NOW)
        made.append(flow)
    return line, at, made


def test_a_counter_that_has_grown_sinks_and_one_that_has_fallen_rises() -> None:
    line, _, flows = line_of(3)
    flows[0].tab.v = 10
    assert line.first() is flows[1]
    flows[2].tab.v, flows[2].stamp = -1, 9
    line.push(flows[2])
    assert line.first() is flows[2]
    for flow in flows:
        flow.remove(flow.head())
        line.leave(NOW)
    assert line.first() is None


def test_a_heap_does_not_grow_by_what_is_out_of_date() -> None:
    line, _, flows = line_of(3)
    for stamp in range(10, 5000):
        flows[0].stamp = stamp
        line.push(flows[0])
    assert len(line._heap) <= 2 * 3 + 66


def test_a_few_pass_a_call_that_lacks_tokens_and_not_for_long() -> None:
    line, at, flows = line_of(6, itpm=1000)
    at.take(500, 0, NOW)
    passed = line.next_for(at, NOW)
    assert isinstance(passed, Short), "the one with tokens stands behind five that have none: four are passed at most"
    flows[0].remove(flows[0].head())
    line.leave(NOW)
    found = line.next_for(at, NOW)
    assert isinstance(found, Call)
    assert found.ticket == 5
    later = Instant(DEFAULTS.skip_for)
    assert line.next_for(at, later) == Short(24_000_000 - 2_000_000, kept=True)
