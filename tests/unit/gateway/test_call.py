"""The life of a call as a table: what can be reached, what is an end, and where a hold is open."""

import pytest

from puyun.gateway.call import HELD_STATES, TRANSITIONS, CallEvent, CallState

ENDS = {CallState.FINISHED, CallState.REFUSED, CallState.ABANDONED, CallState.FAILED}


def reached(start: CallState) -> set[CallState]:
    found, frontier = {start}, [start]
    while frontier:
        state = frontier.pop()
        after = {target for (source, _), target in TRANSITIONS.items() if source is state} - found
        found |= after
        frontier += after
    return found


def test_every_state_is_reached() -> None:
    assert reached(CallState.RECEIVED) == set(CallState)


def test_every_event_happens() -> None:
    assert {event for _, event in TRANSITIONS} == set(CallEvent)


@pytest.mark.parametrize("state", sorted(CallState))
def test_from_every_state_an_end_is_reached(state: CallState) -> None:
    assert reached(state) & ENDS


def test_nothing_leaves_an_end() -> None:
    """I9: a call leaves one record."""
    assert {state for state, _ in TRANSITIONS}.isdisjoint(ENDS)
    assert {state for state, _ in TRANSITIONS} | ENDS == set(CallState)


@pytest.mark.parametrize("state", sorted(HELD_STATES))
def test_wherever_a_hold_is_open_the_call_can_fail_or_be_abandoned(state: CallState) -> None:
    """Whatever happens there, the hold ends."""
    assert TRANSITIONS[state, CallEvent.FAIL] is CallState.FAILED
    assert TRANSITIONS[state, CallEvent.ABANDON] is CallState.ABANDONED


def test_a_hold_is_open_between_its_commit_and_the_end() -> None:
    assert {target for (_, event), target in TRANSITIONS.items() if event is CallEvent.HELD} == {CallState.ADMITTED}
    assert reached(CallState.ADMITTED) - ENDS == HELD_STATES


def test_nothing_is_finished_without_a_lease_and_nothing_is_refused_once_it_is_held() -> None:
    """I7."""
    assert (CallState.ADMITTED, CallEvent.FINISH) not in TRANSITIONS
    assert (CallState.ADMITTED, CallEvent.FIRST_BYTE) not in TRANSITIONS
    assert [state for state, event in TRANSITIONS if event is CallEvent.REFUSE] == [CallState.RECEIVED]
