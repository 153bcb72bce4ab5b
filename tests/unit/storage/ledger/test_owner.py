"""Who is alive is what the kernel says, or the server: real processes, killed without a word, on each engine."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stage.waiting import until
from till import NOON, Till, hold

from puyun.kit.clock import ManualClock
from puyun.storage.engine import Database
from puyun.storage.ledger import advisory, owner as module
from puyun.storage.ledger.opening import take_owner
from puyun.storage.ledger.owner import FileOwner, Owner, Slot, TooManyProcessesError

PROCESS = """
import sys
from pathlib import Path
from puyun.kit.clock import ManualClock
from puyun.storage.ledger.opening import take_owner
place = sys.argv[2] if sys.argv[2].startswith("postgresql:") else Path(sys.argv[2])
owner = take_owner(place, Path(sys.argv[1]), ManualClock())
print(owner.slot, owner.id, flush=True)
sys.stdin.read()
"""


class Process:
    """A process that holds a slot until it is killed."""

    def __init__(self, folder: Path, database: Database) -> None:
        command = [sys.executable, "-c", PROCESS, str(folder), str(database)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        self.slot, self.owner = (int(word) for word in self._child.stdout.readline().split())

    def kill(self) -> None:
        self._child.kill()
        self._child.communicate()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisory, "SILENCE_SECONDS", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "owners"


@pytest.fixture
def process(folder: Path, anywhere: Database) -> Iterator[Callable[[], Process]]:
    started: list[Process] = []

    def start() -> Process:
        started.append(Process(folder, anywhere))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def me(folder: Path, anywhere: Database, process: Callable[[], Process]) -> Iterator[Owner]:
    """Registers after `process` had its say: a test that starts processes first asks for it by `getfixturevalue`."""
    owner = take_owner(anywhere, folder, ManualClock(NOON))
    yield owner
    owner.release()


def rows(database: Database) -> list[tuple]:
    till = Till(database, owner=99)
    found = till.rows("SELECT id FROM owner WHERE id <> 99 ORDER BY id")
    till.close()
    return found


def test_a_killed_process_leaves_its_row_and_its_holds_to_others(
    anywhere: Database, process: Callable[[], Process], me: Owner
) -> None:
    first, second = process(), process()
    assert sorted({me.slot, first.slot, second.slot}) == [0, 1, 2]
    assert len({me.id, first.owner, second.owner}) == 3
    assert me.bury() == 0
    till = Till(anywhere, owner=second.owner)
    till.wallet(7, paid=100)
    till.one(hold(7, till.call(), 60))
    assert till.store.expire_orphans() == 0
    second.kill()
    until(me.bury, "the death to be noticed")
    assert till.store.expire_orphans() == 1
    assert till.everything(7)["wallet"] == [(100, 0, 0, 0)]
    till.close()
    assert me.bury() == 0
    assert rows(anywhere) == [(owner,) for owner in sorted((me.id, first.owner))]
    successor = process()
    assert successor.slot == second.slot
    assert successor.owner not in {first.owner, me.id}


def test_a_newcomer_is_nobody_whose_holds_are_still_to_return(
    anywhere: Database, process: Callable[[], Process], me: Owner
) -> None:
    """Between the burial of a process and the return of its holds another one starts: it must not inherit them."""
    dead = process()
    till = Till(anywhere, owner=dead.owner)
    till.wallet(7, paid=100)
    till.one(hold(7, till.call(), 60))
    dead.kill()
    until(me.bury, "the death to be noticed")
    newcomer = process()
    assert newcomer.owner != dead.owner
    assert till.store.expire_orphans() == 1
    till.close()


def test_who_takes_a_slot_over_knows_that_its_owner_is_dead(
    anywhere: Database, process: Callable[[], Process], request: pytest.FixtureRequest
) -> None:
    first = process()
    first.kill()
    me: Owner = request.getfixturevalue("me")
    assert me.id != first.owner
    until(me.bury, "the death to be noticed")
    assert rows(anywhere) == [(me.id,)]
    assert me.keep() is False


def test_a_slot_is_held_once(folder: Path) -> None:
    slot = Slot.take(folder)
    assert Slot.try_take(folder, slot.number) is None
    slot.release()
    again = Slot.try_take(folder, slot.number)
    assert again is not None
    again.release()


def test_there_are_only_so_many_slots(anywhere: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOTS", 3)
    monkeypatch.setattr(advisory, "SLOTS", 3)
    owners = [take_owner(anywhere, folder, ManualClock(NOON)) for _ in range(3)]
    with pytest.raises(TooManyProcessesError, match="3 processes already use"):
        take_owner(anywhere, folder, ManualClock(NOON))
    for owner in owners:
        owner.release()


def test_looking_for_the_dead_leaves_the_slots_free(folder: Path, file: Path) -> None:
    dead, me = FileOwner(file, folder, ManualClock(NOON)), FileOwner(file, folder, ManualClock(NOON))
    dead.release()
    assert [me.bury() for _ in range(2)] == [1, 0]
    third = Slot.take(folder)
    assert third.number == dead.slot
    third.release()
    me.release()
