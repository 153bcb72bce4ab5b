"""A parent and its children, as real processes: what it prints is what happened."""

import os
import signal
from pathlib import Path

import pytest
from stage.child import Child
from stage.waiting import until

PARENT = """
import os, signal, sys, time
from puyun.supervisor.child import Role
from puyun.supervisor.supervisor import Supervisor

def say(text):
    os.write(1, f"{text}\\n".encode())

def hear_until_stopped(link, name):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    while not stopping:
        lines = link.hear()
        if lines is None:
            say(f"{name} orphaned")
            return
        for line in lines:
            say(f"{name} heard {line}")
        time.sleep(0.01)
    say(f"{name} stopping")
    time.sleep(0.2)
    say(f"{name} stopped")

def steady(name):
    def run(link):
        say(f"{name} is {os.getpid()}")
        link.tell("ready")
        link.tell(f"hello of {os.getpid()}")
        hear_until_stopped(link, name)
    return run

def deaf(link):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(f"deaf is {os.getpid()}")
    link.tell("ready")
    time.sleep(60)

def broken(link):
    raise RuntimeError("does not start")

ROLES = {
    "one": Role("one", steady("one"), 5.0),
    "two": Role("two", steady("two"), 5.0),
    "last": Role("last", steady("last"), 5.0, last=True),
    "deaf": Role("deaf", deaf, 0.3),
    "broken": Role("broken", broken, 5.0),
}
supervisor = Supervisor([ROLES[name] for name in sys.argv[1:]], lambda: say("all ready"))
say(f"ended {supervisor.run()}")
"""


class Family:
    def __init__(self, folder: Path, *roles: str) -> None:
        self.parent = Child("parent", ["-c", PARENT, *roles], folder=folder)

    def pid(self, name: str, *, not_this: int = 0) -> int:
        """Of the newest process of that role; `not_this`: not of this one."""

        def found() -> int:
            pid = (self.born(name) or [0])[-1]
            return pid if pid != not_this else 0

        return until(found, f"{name} to be born")

    def born(self, name: str) -> list[int]:
        return [int(line.split()[-1]) for line in self.said() if line.startswith(f"{name} is ")]

    def said(self) -> list[str]:
        return self.parent.log().splitlines()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_are_stopped_in_order_and_waited_for(tmp_path: Path) -> None:
    family = Family(tmp_path, "last", "one", "two")
    family.parent.wait_for("all ready")
    family.parent.signal(signal.SIGTERM)
    assert family.parent.wait() == 0
    said = family.said()
    assert said[-1] == "ended True"
    assert said.count("all ready") == 1
    assert said.index("last stopping") > max(said.index("one stopped"), said.index("two stopped"))
    assert "last stopped" in said


def test_a_child_that_dies_is_started_again_and_hears_what_was_said(tmp_path: Path) -> None:
    family = Family(tmp_path, "one", "two")
    family.parent.wait_for("all ready")
    first, other = family.pid("one"), family.pid("two")
    family.parent.wait_for(f"two heard one hello of {first}")
    family.parent.wait_for(f"one heard two hello of {other}")
    os.kill(first, signal.SIGKILL)
    second = family.pid("one", not_this=first)
    family.parent.wait_for(f"two heard one hello of {second}")
    until(lambda: family.said().count(f"one heard two hello of {other}") == 2, "the news of before")
    said = family.said()
    assert said.index("two heard one ") < said.index(f"two heard one hello of {second}"), "its end was not told"
    assert said.count("all ready") == 1
    family.parent.signal(signal.SIGINT)
    assert family.parent.wait() == 0


def test_a_start_that_fails_ends_everything(tmp_path: Path) -> None:
    family = Family(tmp_path, "one", "broken")
    assert family.parent.wait() == 0
    said = family.said()
    assert said[-1] == "ended False"
    assert "all ready" not in said
    assert any("does not start" in line for line in said)
    assert not any(map(alive, family.born("one")))  # it may have been ended before it said anything


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    family = Family(tmp_path, "deaf", "one")
    family.parent.wait_for("all ready")
    family.parent.signal(signal.SIGTERM)
    assert family.parent.wait() == 0
    assert not alive(family.pid("deaf"))
    assert "one stopped" in family.said()


def test_children_notice_that_their_parent_is_gone(tmp_path: Path) -> None:
    family = Family(tmp_path, "one", "two", "last")
    family.parent.wait_for("all ready")
    family.parent.kill()
    for name in ("one", "two", "last"):
        until(lambda name=name: f"{name} orphaned" in family.said(), f"{name} to notice")


@pytest.mark.parametrize("role", ["one", "last"])
def test_a_child_is_called_by_its_role(tmp_path: Path, role: str) -> None:
    family = Family(tmp_path, role)
    family.parent.wait_for("all ready")
    assert Path(f"/proc/{family.pid(role)}/comm").read_text().strip() == f"puyun {role}"
    family.parent.stop()
