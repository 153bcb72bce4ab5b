import itertools
import os

import pytest

from bench import machine
from bench.machine import Cores, Patience, cores, describe

PLACE = Cores(0, 0)


@pytest.fixture
def busy(monkeypatch):
    def script(*shares):
        glances = itertools.chain(shares, itertools.repeat(shares[-1]))
        monkeypatch.setattr(machine, "busiest", lambda _: next(glances))

    return script


def test_calm_costs_no_patience(busy):
    busy(0.02)
    patience = Patience(5.0)
    patience.wait(PLACE)
    assert patience.left == 5.0


def test_waits_until_others_are_done(busy):
    busy(0.9, 0.5, 0.05)
    patience = Patience(5.0)
    patience.wait(PLACE)
    assert patience.left == pytest.approx(5.0 - 2 * machine.GLANCE)


def test_patience_ends_for_the_whole_run(busy):
    busy(1.0)
    patience = Patience(2.0)
    patience.wait(PLACE)
    assert patience.left <= 0
    left = patience.left
    patience.wait(PLACE)
    assert patience.left == left


def test_proxy_and_load_stand_on_cores_of_this_process():
    mine = os.sched_getaffinity(0)
    place = cores()
    assert {place.proxy, place.load} <= mine
    assert place.proxy != place.load or len(mine) == 1


def test_the_machine_says_what_it_is():
    found = describe()
    assert found["cores"] == os.cpu_count()
    assert found["processor"]
    assert str(found["when"]).endswith("Z")
