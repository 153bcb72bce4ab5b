"""Calls made up from a seed: as many as their load says, in order, and the same whatever else is simulated."""

from random import Random  # noqa: TID251 - seeded

import pytest
from msgspec.structs import replace

from puyun.catalog.model import Tier
from puyun.kit.clock import MINUTE, SECOND
from puyun.sim.scenario import Bursts, Lengths, OnOff, Poisson, Process, Recorded, Source, Wave
from puyun.sim.tiers.arrivals import calls, drawn, mean_seat_time, seat_time
from puyun.sim.tiers.call import Call
from puyun.sim.trace import Arrival

SEATS = 100
SOURCE = Source(name="s", tier=Tier.FLEX, orgs=(1, 2, 3), load=0.5)
TRACE = Recorded(tuple(Arrival(at * 130 + at % 7, 100 + at % 9, 40 + at % 50) for at in range(300)))

PROCESSES = [Poisson(), Bursts(), OnOff(5 * SECOND, 10 * SECOND), Wave(2 * MINUTE), TRACE]


def made(source: Source, seed: int = 1, until: int = 20 * MINUTE) -> list[Call]:
    return list(calls(source, 0, seats=SEATS, seed=seed, until=until))


def facts(call: Call) -> tuple[object, ...]:
    return call.number, call.arrived, call.org, call.input, call.output, call.most, call.stream


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: type(process).__name__)
def test_a_load_is_what_comes(process: Process) -> None:
    found = made(replace(SOURCE, process=process), until=60 * MINUTE)
    assert [call.arrived for call in found] == sorted(call.arrived for call in found)
    assert all(0 <= call.arrived < 60 * MINUTE for call in found)
    busy = sum(seat_time(call.output) for call in found) / (60 * MINUTE)
    assert busy == pytest.approx(SOURCE.load * SEATS, rel=0.12)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: type(process).__name__)
def test_the_same_seed_makes_the_same_calls(process: Process) -> None:
    source = replace(SOURCE, process=process)
    first, again, other = ([facts(call) for call in made(source, seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_another_source_has_calls_of_its_own() -> None:
    assert [facts(call) for call in made(SOURCE)] != [facts(call) for call in made(replace(SOURCE, name="t"))]


def test_a_source_calls_within_its_time() -> None:
    found = made(replace(SOURCE, begins=MINUTE, ends=2 * MINUTE))
    assert found
    assert all(MINUTE <= call.arrived < 2 * MINUTE for call in found)


def test_on_and_off() -> None:
    found = made(replace(SOURCE, process=OnOff(5 * SECOND, 10 * SECOND)))
    assert all(call.arrived % (15 * SECOND) < 5 * SECOND for call in found)


def test_bursts_are_further_from_the_mean_than_chance() -> None:
    def unevenness(process: Process) -> float:
        counts = [0] * 240
        for call in made(replace(SOURCE, process=process)):
            counts[call.arrived // (5 * SECOND)] += 1
        mean = sum(counts) / len(counts)
        return sum((count - mean) ** 2 for count in counts) / len(counts) / mean

    assert unevenness(Poisson()) < 1.5
    assert unevenness(Bursts()) > 3


def test_a_wave_is_high_at_noon_and_low_at_midnight() -> None:
    found = made(replace(SOURCE, process=Wave(4 * MINUTE)), until=40 * MINUTE)
    noon = sum(MINUTE <= call.arrived % (4 * MINUTE) < 3 * MINUTE for call in found)
    assert noon > 2.5 * (len(found) - noon)


def test_shares_say_how_often_an_organization_calls() -> None:
    found = made(replace(SOURCE, shares=(1, 3, 6)))
    counts = [sum(call.org == org for call in found) / len(found) for org in (1, 2, 3)]
    assert counts == pytest.approx([0.1, 0.3, 0.6], abs=0.03)


def test_what_is_overstated_is_only_said() -> None:
    honest, lying = made(SOURCE), made(replace(SOURCE, overstated=1.0))
    assert [call.output for call in honest] == [call.output for call in lying]
    assert {call.most for call in lying} == {16_384}
    assert all(call.output <= call.most for call in honest)


def test_a_trace_comes_round_again_with_its_own_lengths() -> None:
    found = made(replace(SOURCE, process=TRACE, load=2.0), until=6 * MINUTE)
    assert len(found) > 3 * len(TRACE.arrivals)
    known = {(each.input, each.output) for each in TRACE.arrivals}
    assert {(call.input, call.output) for call in found} <= known


def test_a_heavy_tail_is_heavy() -> None:
    dice = Random(1)
    outputs = [drawn(Lengths(tail=30), dice)[1] for _ in range(4_000)]
    assert 60 < sum(output > 4_000 for output in outputs) < 180
    assert mean_seat_time(replace(SOURCE, lengths=Lengths(tail=30))) > 1.5 * mean_seat_time(SOURCE)
    assert mean_seat_time(SOURCE) == pytest.approx(4_600_000, rel=0.05)
