import os

import pytest

from puyun.arbiter.remote import memory
from puyun.arbiter.remote.memory import Memory, State


def copy(descriptor: int, places: dict[int, int]) -> int:
    """As if the writer had been killed: of these places so many bytes were written."""
    made = memory.create()
    for place, size in places.items():
        os.pwrite(made, os.pread(descriptor, size, place * memory._PLACE), place * memory._PLACE)
    return made


def test_what_was_saved_last_is_found_with_the_log_after_it() -> None:
    descriptor = memory.create()
    assert Memory(descriptor).load() == State()
    for epoch in range(1, 6):
        one = Memory(descriptor)
        assert one.load().epoch == epoch - 1
        one.save(epoch, b"a" * epoch)
        one.note(b"before")
        one.save(epoch, b"b" * epoch)
        one.note(b"first")
        one.note(b"second")
    last = Memory(descriptor)
    assert last.load() == State(10, 5, b"b" * 5)
    assert list(last.log()) == [b"first", b"second"]


def test_a_shorter_log_does_not_go_on_into_an_older_one() -> None:
    descriptor = memory.create()
    one = Memory(descriptor)
    one.save(1, b"")
    for _ in range(5):
        one.note(b"old")
    one.save(1, b"")
    one.save(1, b"")
    one.note(b"new")
    other = Memory(descriptor)
    other.load()
    assert list(other.log()) == [b"new"]


@pytest.mark.parametrize("torn", [0, 1, 6, 9, 2000])
def test_of_a_torn_state_the_one_before_is_there_with_its_log(torn: int) -> None:
    descriptor = memory.create()
    one = Memory(descriptor)
    one.save(1, b"old" * 1000)
    one.note(b"since")
    one.save(2, b"new" * 1000)
    other = Memory(copy(descriptor, {1: 4096, 3: 4096, 0: torn, 2: 4096}))
    assert other.load() == State(1, 1, b"old" * 1000)
    assert list(other.log()) == [b"since"]


@pytest.mark.parametrize("torn", [1, 7, 8, 10])
def test_a_torn_note_ends_the_log(torn: int) -> None:
    descriptor = memory.create()
    one = Memory(descriptor)
    one.save(1, b"")
    one.note(b"whole")
    one.note(b"torn")
    other = Memory(copy(descriptor, {1: 4096, 3: 13 + torn}))
    other.load()
    assert list(other.log()) == [b"whole"]
