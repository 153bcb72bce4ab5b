import threading

from puyun.storage.ledger.inbox import NOTHING
from puyun.storage.ledger.notes import NOTES_MAX, Notes

ONE = (7, 1, "test", "capacity_unavailable", 0)


def test_alike_are_counted_together_and_taken_once() -> None:
    notes = Notes()
    assert not notes
    for _ in range(3):
        notes.add(ONE)
    notes.add((7, 1, "test", None, 40))
    assert notes
    assert notes.take() == {ONE: 3, (7, 1, "test", None, 40): 1}
    assert (bool(notes), notes.take()) == (False, NOTHING)


def test_what_comes_back_is_added_to_what_came_meanwhile() -> None:
    notes = Notes()
    notes.add(ONE)
    taken = notes.take()
    notes.add(ONE)
    notes.give_back(taken)
    assert notes.take() == {ONE: 2}


def test_there_is_an_end_to_what_is_remembered() -> None:
    notes = Notes()
    for org in range(NOTES_MAX + 5):
        notes.add((org, 1, "test", "capacity_unavailable", 0))
    notes.add((0, 1, "test", "capacity_unavailable", 0))
    assert notes.dropped == 5
    assert sum(notes.take().values()) == NOTES_MAX + 1


def test_none_is_lost_between_two_threads() -> None:
    notes, taken, done = Notes(), [], threading.Event()

    def take() -> None:
        while not done.is_set():
            taken.append(notes.take())

    thread = threading.Thread(target=take)
    thread.start()
    for number in range(20_000):
        notes.add((number % 5, 1, "test", None, 0))
    done.set()
    thread.join()
    taken.append(notes.take())
    assert sum(often for each in taken for often in each.values()) == 20_000
