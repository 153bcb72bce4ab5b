"""The targets of tight holds, on the synthetic trace; the recorded ones are replayed by hand with `--trace`."""

import pytest

from puyun.sim.holds import Report, _quantile, replay
from puyun.sim.trace import dressed, synthetic

CALLS = 6_000


pytestmark = pytest.mark.xdist_group("sim-holds")
"""What they share takes seconds: it is made in one process."""


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    asked = dressed(synthetic(1, CALLS), 1)
    return {report.policy: report for report in (replay(asked, tight=tight) for tight in (True, False))}


def test_first_holds_are_tight(reports: dict[str, Report]) -> None:
    steps = reports["steps"]
    assert steps.ratio_p50_milli <= 3_000
    assert steps.ratio_p95_milli <= 10_000
    assert steps.growth_p50 == 0


def test_wallets_that_are_not_low_are_not_refused_wrongly_and_little_is_absorbed(reports: dict[str, Report]) -> None:
    steps = reports["steps"]
    assert steps.false_402_ppm < 1_000
    assert steps.absorbed_ppm < 100


def test_holding_for_everything_from_the_start_does_worse_by_far(reports: dict[str, Report]) -> None:
    steps, full = reports["steps"], reports["full"]
    assert full.ratio_p95_milli > 5 * steps.ratio_p95_milli
    assert full.false_402_ppm > 1_000
    assert full.refused > 2 * steps.refused


def test_every_call_is_accounted_for(reports: dict[str, Report]) -> None:
    for report in reports.values():
        assert report.calls == CALLS == report.completed + report.cut + report.refused


def test_the_same_seed_gives_the_same_figures(reports: dict[str, Report]) -> None:
    assert replay(dressed(synthetic(1, CALLS), 1), tight=True) == reports["steps"]


def test_a_replay_of_nothing() -> None:
    assert replay([], tight=True) == Report("steps", *[0] * 10)


def test_quantiles_are_values_that_occurred() -> None:
    assert [_quantile(range(1, 101), part) for part in (10, 500, 950, 1_000)] == [1, 50, 95, 100]
    assert _quantile([7], 500) == 7
