"""The shipped scheduler in small runs of every scenario, and reports that are the same bytes in every process."""

import subprocess
import sys

import msgspec
import pytest
from msgspec.structs import replace

from puyun.catalog.model import Tier
from puyun.kit.clock import MINUTE, SECOND
from puyun.sim.policies.choice import POLICIES
from puyun.sim.scenario import Scenario
from puyun.sim.tiers.compare import compare
from puyun.sim.tiers.figures import figures
from puyun.sim.tiers.run import run
from puyun.sim.tiers.scenarios import SCENARIOS
from puyun.sim.tiers.watch import Watch

PROGRAM = """
import hashlib
from msgspec.structs import replace
from puyun.sim.report.page import page
from puyun.sim.tiers.compare import compare
from puyun.sim.tiers.scenarios import SCENARIOS
scenarios = [replace(SCENARIOS[name], until=30_000_000, warm=5_000_000) for name in ("burst", "limits")]
report = compare(scenarios, ("puyun", "split", "fifo"), 7, lambda _done, _of: None)
print(hashlib.sha256(page(report, style="").encode()).hexdigest())
"""


def small(name: str, until: int = 25 * SECOND) -> Scenario:
    scenario = SCENARIOS[name]
    return replace(scenario, until=min(scenario.until, until), warm=0)


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"test-100"}))
def test_the_shipped_scheduler_holds_what_is_watched(name: str) -> None:
    scenario = small(name)
    log = run(scenario, POLICIES["puyun"](scenario), 3, Watch(scenario, pooled=False))
    assert log.violations == 0, log.examples
    assert len(log.calls) + sum(log.refused.values()) == sum(log.came.values()) > 0


def test_enterprise_does_not_notice_test() -> None:
    """Metamorphic: without lending its seats are granted at the very same moments, with all of Test or with none."""
    grants = []
    for name in ("apart-0", "apart-10"):
        scenario = small(name, MINUTE)
        log = run(scenario, POLICIES["puyun"](scenario), 3)
        grants.append({call.number: call.granted for call in log.calls if call.tier is Tier.ENTERPRISE})
    assert grants[0] == grants[1]
    assert len(grants[0]) > 150


def test_what_seats_that_are_split_among_workers_cost() -> None:
    scenario = small("test-10", MINUTE)
    whole, split = (
        figures(run(scenario, POLICIES[name](scenario), 3, Watch(scenario, pooled=False)), name, 3)
        for name in ("puyun", "split")
    )
    assert split.violations > 1_000
    assert split.of(Tier.ENTERPRISE).wait_p99 > whole.of(Tier.ENTERPRISE).wait_p99


def test_the_same_seed_gives_the_same_bytes_in_two_processes() -> None:
    first, again = (
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == again
    assert len(first) == 65


def test_a_report_is_of_all_and_counts_what_is_done() -> None:
    steps: list[tuple[int, int]] = []
    report = compare(
        [small("flood-1"), small("weights")], ("puyun", "fifo"), 1, lambda done, of: steps.append((done, of))
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [(told.name, [run.policy for run in told.runs]) for told in report.scenarios] == [
        ("flood-1", ["puyun", "fifo"]),
        ("weights", ["puyun", "fifo"]),
    ]
    judged = {target.number: target.kept for target in report.targets if target.kept is not None}
    assert set(judged) == {2, 4}
    assert msgspec.json.encode(report) == msgspec.json.encode(
        compare([small("flood-1"), small("weights")], ("puyun", "fifo"), 1, lambda _done, _of: None)
    )


def test_without_the_shipped_scheduler_nothing_is_judged() -> None:
    report = compare([small("weights")], ("fifo",), 1, lambda _done, _of: None)
    assert {target.kept for target in report.targets} == {None}
