"""The policies there are, by name, and what they are told of a scenario's lanes."""

from collections.abc import Callable, Mapping

from puyun.arbiter.decider import Decider
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy as RuleBook
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.rules import Rules
from puyun.scheduler.scheduler import Scheduler
from puyun.sim.policies.arbitrated import Arbitrated
from puyun.sim.policies.face import Policy
from puyun.sim.policies.ordered import Queue
from puyun.sim.policies.split import Split
from puyun.sim.scenario import Scenario


def lane_specs(scenario: Scenario) -> dict[int, LaneSpec]:
    """What the catalogue says of the scenario's lanes."""
    return {
        each.id: LaneSpec(
            id=each.id,
            pool=each.pool,
            owner=each.owner,
            seats=each.seats,
            rpm=each.rpm,
            itpm=each.itpm,
            otpm=each.otpm,
            own=each.own,
            lend=scenario.lending and each.own and each.owner is not None,
        )
        for each in scenario.upstreams
    }


def _shipped(scenario: Scenario) -> Policy:
    scheduler = Scheduler(Rules(weights=scenario.weights))
    return Arbitrated(Decider(scheduler, Limits(RuleBook()))) if scenario.limits else scheduler


POLICIES: Mapping[str, Callable[[Scenario], Policy]] = {
    "puyun": _shipped,
    "split": lambda scenario: Split([_shipped(scenario) for _ in range(scenario.workers)]),
    "priority": lambda _: Queue(tiers=True),
    "fifo": lambda _: Queue(tiers=False),
}
"""`puyun`: the shipped scheduler, and the shipped limits before it where the scenario has any. `split`: the same, each worker
with its part of the seats. `priority`: the first tier that waits, first come first served. `fifo`: first come first served.
"""

POOLED = {"priority", "fifo"}
"""To which all seats are one pool."""
