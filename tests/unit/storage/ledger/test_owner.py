"""Who is alive is what the kernel says: real processes, killed without a word."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stage.waiting import until
from till import NOON, Till, hold

from puyun.kit.clock import ManualClock
from puyun.storage.ledger import owner as module
from puyun.storage.ledger.owner import Slot, TooManyProcessesError, dead_owners, forget, register

PROCESS = """
import sys
from pathlib import Path
from puyun.kit.clock import ManualClock
from puyun.storage.ledger.owner import Slot, register
slot = Slot.take(Path(sys.argv[1]))
print(slot.number, register(Path(sys.argv[2]), slot, ManualClock()), flush=True)
sys.stdin.read()
"""


class Process:
    """A process that holds a slot until it is killed."""

    def __init__(self, folder: Path, database: Path) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", PROCESS, folder, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._child.stdout is not None
        self.slot, self.owner = (int(word) for word in self._child.stdout.readline().split())

    def kill(self) -> None:
        self._child.kill()
        self._child.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "owners"


@pytest.fixture
def process(folder: Path, database: Path) -> Iterator[Callable[[], Process]]:
    started: list[Process] = []

    def start() -> Process:
        started.append(Process(folder, database))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def test_a_killed_process_leaves_its_slot_its_row_and_its_holds_to_others(
    folder: Path, database: Path, process: Callable[[], Process]
) -> None:
    first, second = process(), process()
    assert [first.slot, second.slot] == [0, 1]
    mine = Slot.take(folder)
    assert mine.number == 2
    me = register(database, mine, ManualClock(NOON))
    assert dead_owners(database, folder, me, mine) == []

    till = Till(database, owner=second.owner)
    till.wallet(7, paid=100)
    till.one(hold(7, till.call(), 60))
    second.kill()
    until(lambda: dead_owners(database, folder, me, mine) == [second.owner], "the kernel lets go of the lock")
    assert till.store.expire_orphans(second.owner) == 1
    forget(database, second.owner)
    assert dead_owners(database, folder, me, mine) == []
    assert till.everything(7)["wallet"] == [(100, 0, 0, 0)]
    till.close()

    successor = process()
    assert successor.slot == 1
    assert successor.owner not in {first.owner, second.owner, me}
    mine.release()


def test_who_takes_a_slot_over_knows_that_its_owner_is_dead(
    folder: Path, database: Path, process: Callable[[], Process]
) -> None:
    first = process()
    first.kill()
    mine = Slot.take(folder)
    assert mine.number == first.slot
    me = register(database, mine, ManualClock(NOON))
    assert me != first.owner
    assert dead_owners(database, folder, me, mine) == [first.owner]
    mine.release()


def test_a_slot_is_held_once(folder: Path) -> None:
    slot = Slot.take(folder)
    assert Slot.try_take(folder, slot.number) is None
    slot.release()
    again = Slot.try_take(folder, slot.number)
    assert again is not None
    again.release()


def test_there_are_only_so_many_slots(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOTS", 3)
    slots = [Slot.take(folder) for _ in range(3)]
    with pytest.raises(TooManyProcessesError, match="3 processes already use"):
        Slot.take(folder)
    for slot in slots:
        slot.release()


def test_looking_for_the_dead_leaves_the_slots_free(folder: Path, database: Path) -> None:
    dead = Slot.take(folder)
    owner = register(database, dead, ManualClock(NOON))
    mine = Slot.take(folder)
    me = register(database, mine, ManualClock(NOON))
    dead.release()
    for _ in range(2):
        assert dead_owners(database, folder, me, mine) == [owner]
    third = Slot.take(folder)
    assert third.number == dead.number
    third.release()
    mine.release()
