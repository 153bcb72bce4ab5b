from puyun.sim.policies.choice import lane_specs
from puyun.sim.tiers.scenarios import SCENARIOS


def test_what_the_scheduler_is_told_of_lanes() -> None:
    specs = lane_specs(SCENARIOS["test-10"])
    assert [(spec.pool, spec.owner, spec.seats, spec.lend) for spec in specs.values()] == [
        ("dedicated:1", 1, 26, True),
        ("shared", None, 38, False),
    ]
    assert not any(spec.lend for spec in lane_specs(SCENARIOS["apart-10"]).values())
