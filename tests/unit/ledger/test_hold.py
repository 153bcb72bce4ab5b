"""The lifecycle table of the README, cell by cell: it is the test's data."""

import re
from pathlib import Path

import pytest

import puyun.ledger
from puyun.ledger.book import Book, Wallet
from puyun.ledger.command import Command, Grow, Held, Hold, Reason, Refused, Settle, Settled
from puyun.ledger.hold import ENDING, TRANSITIONS, HoldEvent, HoldState, Status

README = Path(puyun.ledger.__file__).with_name("README.md").read_text("utf-8")
ENDED = {HoldState.SETTLED, HoldState.VOIDED, HoldState.EXPIRED}


def cells() -> list[tuple[str, str, str]]:
    """(state, event, what the README says happens)."""
    rows = [line.strip("|").split("|") for line in README.splitlines() if line.startswith("|")]
    head, _, *body = ([cell.strip() for cell in row] for row in rows)
    return [(row[0], event, text) for row in body for event, text in zip(head[1:], row[1:], strict=True)]


def test_the_readme_shows_every_cell() -> None:
    assert len(cells()) == 3 * len(HoldEvent)
    assert {event for _, event, _ in cells()} == set(HoldEvent)


@pytest.mark.parametrize(("state", "event", "said"), cells())
def test_the_table_is_what_the_readme_says(state: str, event: str, said: str) -> None:
    target = re.match(r"(PENDING|SETTLED|VOIDED|EXPIRED)", said)
    before = ENDED if state == "ended" else {HoldState(state.lower())}
    for one in before:
        found = TRANSITIONS.get((one, HoldEvent(event)))
        if target:
            assert found is HoldState(target[0].lower())
        elif said.startswith("more"):
            assert found is one
        else:
            assert found is None


COMMANDS: dict[str, Command] = {
    "hold": Hold(7, 1, 3, 60, 1, "flex"),
    "grow": Grow(7, 1, 3, 30),
    "settle": Settle(7, 1, 3, "flex", Status.COMPLETED, 50),
    "void": Settle(7, 1, 3, "flex", Status.FAILED, 50),
    "expire": Settle(7, 1, 3, "flex", Status.CRASHED, 50),
}

FIRST = Settled(50, 0, 50, 1)
OUTCOMES = {
    ("none", "hold"): Held(60, 40),
    ("none", "grow"): Refused(Reason.NO_HOLD),
    ("none", "settle"): Refused(Reason.NO_HOLD),
    ("none", "void"): Refused(Reason.NO_HOLD),
    ("none", "expire"): Refused(Reason.NO_HOLD),
    ("PENDING", "hold"): Held(60, 40),
    ("PENDING", "grow"): Held(90, 10),
    ("PENDING", "settle"): FIRST,
    ("PENDING", "void"): Settled(0, 0, 100, 0),
    ("PENDING", "expire"): Settled(0, 0, 100, 0),
    ("ended", "hold"): Refused(Reason.FINISHED),
    ("ended", "grow"): Refused(Reason.FINISHED),
    ("ended", "settle"): FIRST,
    ("ended", "void"): FIRST,
    ("ended", "expire"): FIRST,
}


@pytest.mark.parametrize(("state", "event"), OUTCOMES)
def test_the_book_does_what_the_table_says(state: str, event: str) -> None:
    book = Book({7: Wallet(7, paid=100)})
    for step in {"none": (), "PENDING": ("hold",), "ended": ("hold", "settle")}[state]:
        book.apply(COMMANDS[step])
    before = (book.wallets[7].held, book.wallets[7].paid)
    assert book.apply(COMMANDS[event]) == OUTCOMES[state, event]
    changes = bool({(one, HoldEvent(event)) for one in HoldState if one.value == state.lower()} & set(TRANSITIONS))
    again = (state, event) == ("PENDING", "hold")
    assert (before != (book.wallets[7].held, book.wallets[7].paid)) == (changes and not again)


def test_every_status_ends_a_hold_and_charges_only_by_a_settle() -> None:
    assert set(ENDING) == set(Status)
    for status, event in ENDING.items():
        assert TRANSITIONS[HoldState.PENDING, event] in ENDED
        book = Book({7: Wallet(7, paid=100)}, holds={(7, 1): 60})
        book.wallets[7].held = 60
        outcome = book.apply(Settle(7, 1, 3, "flex", status, 50))
        assert isinstance(outcome, Settled)
        assert outcome.charge == (50 if event is HoldEvent.SETTLE else 0)
        assert book.wallets[7].held == 0


def test_nothing_leaves_an_end() -> None:
    assert not [state for state, _ in TRANSITIONS if state in ENDED]
