"""Workers that agree without anybody: real processes, real locks."""

import os
import signal
import subprocess
import sys

from stage.waiting import until

from puyun.arbiter.remote.board import Board, create

HAMMER = """
import sys
from puyun.arbiter.remote.board import Board
descriptor, worker, workers, seats, rounds = map(int, sys.argv[1:])
board = Board(descriptor, worker, workers)
board.say({})
held = most = taken = 0
while taken < rounds:
    with board.turn() as used:
        if used is None:
            continue
        most = max(most, used[1])
        full = used[1] >= seats
        if not full:
            held += 1
            taken += 1
            board.say({1: held})
    if held and (full or taken % 3 == worker % 3):
        held -= 1
        board.say({1: held})
board.say({})
print(most)
"""
HOLDER = """
import sys, time
from puyun.arbiter.remote.board import Board
board = Board(int(sys.argv[1]), 1, 2)
with board.turn():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_nothing_is_known_while_one_obeys() -> None:
    descriptor = create(2)
    one, two = Board(descriptor, 1, 2), Board(descriptor, 2, 2)
    one.say({1: 3, 2: 0})
    with one.turn() as used:
        assert used is None
    two.say({1: 2, 7: 1})
    with one.turn() as used:
        assert used == {1: 5, 7: 1}
    two.obey()
    with one.turn() as used:
        assert used is None


def test_what_does_not_fit_in_a_row_counts_as_not_known() -> None:
    descriptor = create(1)
    board = Board(descriptor, 1, 1)
    board.say(dict.fromkeys(range(100000, 110000), 1))
    with board.turn() as used:
        assert used is None


def test_together_they_never_take_more_than_there_are() -> None:
    descriptor, workers, seats = create(3), 3, 4
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, *map(str, (descriptor, worker, workers, seats, 1500))],
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            text=True,
        )
        for worker in range(1, workers + 1)
    ]
    most = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert max(most) == seats


def test_who_dies_in_its_turn_gives_it_up() -> None:
    descriptor = create(2)
    command = [sys.executable, "-c", HOLDER, str(descriptor)]
    with subprocess.Popen(command, pass_fds=[descriptor], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"locked\n"
        os.kill(holder.pid, signal.SIGKILL)
    until(lambda: holder.returncode is not None, "the holder's end")
    board = Board(descriptor, 2, 2)
    board.say({})
    with board.turn() as used:
        assert used is None
