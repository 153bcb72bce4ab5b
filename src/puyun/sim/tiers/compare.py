"""Several scenarios under several policies, from one seed, into one report."""

from collections.abc import Callable, Sequence

import msgspec

from puyun.sim.policies.choice import POLICIES, POOLED
from puyun.sim.scenario import Scenario
from puyun.sim.tiers.figures import Figures, figures
from puyun.sim.tiers.run import run
from puyun.sim.tiers.targets import Ran, Target, targets
from puyun.sim.tiers.watch import Watch

OURS = "puyun"


class Told(msgspec.Struct, frozen=True):
    """A scenario in words, and what became of it under each policy."""

    name: str
    about: str
    seconds: int
    seats: int
    runs: tuple[Figures, ...]


class Report(msgspec.Struct, frozen=True):
    """Same seed, same bytes."""

    seed: int
    policies: tuple[str, ...]
    scenarios: tuple[Told, ...]
    targets: tuple[Target, ...]


def compare(
    scenarios: Sequence[Scenario], policies: Sequence[str], seed: int, step: Callable[[int, int], None]
) -> Report:
    """`policies` are names out of POLICIES; `step` hears how many of all runs are done."""
    told: list[Told] = []
    ours: dict[str, Ran] = {}
    done = 0
    for scenario in scenarios:
        runs: list[Figures] = []
        for name in policies:
            log = run(scenario, POLICIES[name](scenario), seed, Watch(scenario, pooled=name in POOLED))
            runs.append(figures(log, name, seed))
            if name == OURS:
                ours[scenario.name] = Ran(log, runs[-1])
            done += 1
            step(done, len(scenarios) * len(policies))
        told.append(Told(scenario.name, scenario.about, scenario.until // 1_000_000, scenario.seats, runs=tuple(runs)))
    return Report(seed, tuple(policies), tuple(told), tuple(targets(ours)))
