import pytest

from bench.run import Outcome
from bench.targets import BUDGETS, KEPT, Budget, figure, verdicts


def outcome_of(*measures):
    outcome = Outcome()
    for row, column, metric, *values in measures:
        for value in values:
            outcome.add(row, column, {metric: value})
    return outcome


CPU = Budget("CPU per call", "plain", "cpu_us", 80, "µs")
AGAINST_NGINX = Budget("against nginx", "plain", "cpu_us", 4, "×", against="nginx")
ADDED = Budget("added", "latency", "p50_us", 1, "ms", against="direct", added=True, scale=1e-3)
RATE = Budget("rate", "plain", "per_second", 10_000, "/s", at_least=True)


@pytest.mark.parametrize(
    ("budget", "measures", "median", "kept"),
    [
        (CPU, [("plain", "puyun", "cpu_us", 79.0, 80.0, 95.0)], 80.0, True),  # the median, not the worst
        (CPU, [("plain", "puyun", "cpu_us", 80.1)], 80.1, False),
        (AGAINST_NGINX, [("plain", "puyun", "cpu_us", 40.0), ("plain", "nginx", "cpu_us", 10.0)], 4.0, True),
        (AGAINST_NGINX, [("plain", "puyun", "cpu_us", 41.0), ("plain", "nginx", "cpu_us", 10.0)], 4.1, False),
        (ADDED, [("latency", "puyun", "p50_us", 1300), ("latency", "direct", "p50_us", 100)], 1.2, False),
        (ADDED, [("latency", "puyun", "p50_us", 900), ("latency", "direct", "p50_us", 100)], 0.8, True),
        (RATE, [("plain", "puyun", "per_second", 9_999)], 9_999, False),
        (RATE, [("plain", "puyun", "per_second", 25_000)], 25_000, True),
    ],
)
def test_a_budget_is_kept_or_missed(monkeypatch, budget, measures, median, kept):
    monkeypatch.setattr("bench.targets.BUDGETS", (budget,))
    [verdict] = verdicts(outcome_of(*measures))
    assert verdict.value.median == pytest.approx(median)
    assert verdict.kept is kept


@pytest.mark.parametrize("budget", [CPU, AGAINST_NGINX])
def test_what_was_not_measured_is_neither(budget):
    assert figure(outcome_of(("plain", "nginx", "cpu_us", 10.0)), budget) is None
    assert figure(outcome_of(("plain", "puyun", "p50_us", 10.0)), budget) is None


def test_a_ratio_needs_both_columns():
    assert figure(outcome_of(("plain", "puyun", "cpu_us", 40.0)), AGAINST_NGINX) is None


def test_bytes_kept_have_a_budget_too():
    [verdict] = verdicts(Outcome(bytes_per_call={"puyun": 612.0}))
    assert verdict.budget == KEPT
    assert not verdict.kept


def test_every_budget_says_something_of_its_own():
    assert len({budget.what for budget in BUDGETS}) == len(BUDGETS)
