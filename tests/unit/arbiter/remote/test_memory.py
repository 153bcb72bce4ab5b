import os

import pytest

from puyun.arbiter.remote import memory
from puyun.arbiter.remote.memory import Memory


def test_what_was_saved_last_is_found() -> None:
    descriptor = memory.create()
    assert Memory(descriptor).load() == memory.State()
    for epoch in range(1, 6):
        one = Memory(descriptor)
        assert one.load().epoch == epoch - 1
        one.save(epoch, b"a" * epoch)
        one.save(epoch, b"b" * epoch)
    assert Memory(descriptor).load() == memory.State(10, 5, b"b" * 5)


@pytest.mark.parametrize("torn", [1, 6, 9, 2000])
def test_of_a_torn_one_the_one_before_is_there(torn: int) -> None:
    """The saver was killed after so many bytes."""
    descriptor = memory.create()
    one = Memory(descriptor)
    one.load()
    one.save(1, b"old" * 1000)
    one.save(2, b"new" * 1000)
    other = memory.create()
    [first, second] = [os.pread(descriptor, 4096, place) for place in (0, memory._PLACE)]
    os.pwrite(other, second, memory._PLACE)
    os.pwrite(other, first[:torn], 0)
    found = Memory(other).load()
    assert (found.serial, found.epoch, found.limits) == (1, 1, b"old" * 1000)
