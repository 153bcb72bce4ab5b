"""The document names every scenario, and every scenario is one that can be told apart from the others."""

import re
from pathlib import Path

import pytest

from puyun.kit.clock import SECOND
from puyun.sim.tiers.arrivals import calls
from puyun.sim.tiers.scenarios import SCENARIOS, recorded
from puyun.sim.trace import Arrival

DOCUMENT = (Path(__file__).parents[4] / "docs/concepts/simulation.md").read_text("utf-8")


def test_the_document_names_every_scenario() -> None:
    table = DOCUMENT[DOCUMENT.index("## Scenarios") : DOCUMENT.index("## What is watched")]
    named = set(re.findall(r"`([a-z0-9-]+)`", table)) - {"puyun"}
    for name in SCENARIOS:
        assert name in named or f"-{name.rpartition('-')[2]}" in named, name


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_can_be_run(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.name == name
    assert 0 <= scenario.warm < scenario.until
    assert scenario.about.endswith(".")
    assert len({source.name for source in scenario.sources}) == len(scenario.sources)
    assert [lane.id for lane in scenario.upstreams] == sorted({lane.id for lane in scenario.upstreams})
    for source in scenario.sources:
        assert set(source.lanes) <= {lane.id for lane in scenario.upstreams}
        assert source.load > 0
        if source.shares:
            assert len(source.shares) == len(source.orgs)


def test_enterprises_calls_do_not_depend_on_test() -> None:
    def enterprise(name: str) -> list[tuple[int, int]]:
        scenario = SCENARIOS[name]
        found = calls(scenario.sources[0], 0, seats=scenario.seats, seed=1, until=60 * SECOND)
        return [(call.arrived, call.output) for call in found]

    assert enterprise("test-0") == enterprise("test-100") == enterprise("apart-10")


def test_a_trace_plays_at_every_tier_from_another_place() -> None:
    scenario = recorded([Arrival(at * 200, at + 1, at + 1) for at in range(500)])
    first = [
        next(calls(source, place, seats=64, seed=1, until=60 * SECOND)).input
        for place, source in enumerate(scenario.sources)
    ]
    assert len(set(first)) == 3
