"""The budgets of the product, each as one line that a run passes or misses. A ratio compares within one run alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.run import Outcome
from bench.spread import Spread, difference, ratio, spread

SUBJECT = "puyun"


@dataclass(frozen=True)
class Budget:
    """`against` None: the figure itself; else a column it is divided by, or (with `added`) that is taken from it."""

    what: str
    row: str
    metric: str
    limit: float
    unit: str
    against: str | None = None
    added: bool = False
    at_least: bool = False
    scale: float = 1.0


BUDGETS = (
    Budget("CPU per call", "plain", "cpu_us", 80, "µs"),
    Budget("CPU per call, against nginx", "plain", "cpu_us", 4, "×", against="nginx"),
    Budget("settled calls on one core", "plain", "per_second", 10_000, "/s", at_least=True),
    Budget("CPU per event in bursts", "burst", "cpu_us", 10, "µs"),
    Budget("CPU per paced event, against nginx", "paced", "cpu_us", 2, "×", against="nginx"),
    Budget("added latency, p50", "latency", "p50_us", 1, "ms", against="direct", added=True, scale=1e-3),
    Budget("added latency, p99", "latency", "p99_us", 5, "ms", against="direct", added=True, scale=1e-3),
    Budget("memory with the open streams", "crowd", "rss_bytes", 500, "MB", scale=1e-6),
    Budget("first start to ready", "start", "first_start_s", 1.5, "s"),
    Budget("start to ready", "start", "start_s", 1.5, "s"),
    Budget("memory at rest", "start", "rss_bytes", 120, "MB", scale=1e-6),
)
KEPT = Budget("bytes kept per call", "", "", 500, "B")


@dataclass(frozen=True)
class Verdict:
    budget: Budget
    value: Spread

    @property
    def kept(self) -> bool:
        value = self.value.median
        return value >= self.budget.limit if self.budget.at_least else value <= self.budget.limit


def values(outcome: Outcome, row: str, column: str, metric: str) -> list[float]:
    return [sample[metric] for sample in outcome.samples.get(row, {}).get(column, []) if metric in sample]


def figure(outcome: Outcome, budget: Budget, column: str = SUBJECT) -> Spread | None:
    """None: the run did not measure it."""
    own = values(outcome, budget.row, column, budget.metric)
    other = values(outcome, budget.row, budget.against, budget.metric) if budget.against else []
    if not own or (budget.against and not other):
        return None
    combine: Callable[[Sequence[float], Sequence[float]], Spread] = difference if budget.added else ratio
    found = combine(own, other) if budget.against else spread(own)
    return Spread(*(value * budget.scale for value in found))


def verdicts(outcome: Outcome) -> list[Verdict]:
    found = [Verdict(budget, value) for budget in BUDGETS if (value := figure(outcome, budget))]
    if SUBJECT in outcome.bytes_per_call:
        found.append(Verdict(KEPT, spread([outcome.bytes_per_call[SUBJECT]])))
    return found
