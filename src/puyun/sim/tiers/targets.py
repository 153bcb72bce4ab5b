"""The figures that the shipped scheduler is held to, each with what it came to. Times in microseconds."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from puyun.catalog.model import Tier
from puyun.catalog.promise import WAIT
from puyun.kit.clock import MINUTE, SECOND
from puyun.limits.rule import Metric
from puyun.limits.table import DEFAULTS as LIMITS
from puyun.sim.tiers.call import Call
from puyun.sim.tiers.figures import MILLION, Figures, overlap, quantile, service_gap, wait_of
from puyun.sim.tiers.run import ABORTING, Log


class Target(msgspec.Struct, frozen=True):
    """`kept` None: it cannot be told here, or its scenarios were not run."""

    number: int
    what: str
    wanted: str
    found: str
    kept: bool | None


class Ran(NamedTuple):
    """The shipped scheduler on one scenario."""

    log: Log
    figures: Figures


Runs = Mapping[str, Ran]


def targets(runs: Runs) -> list[Target]:
    """Every figure, in order; `runs` by scenario."""
    found: list[Target] = []
    for number, what, wanted, needs, measure in _MEASURES:
        if measure is None:
            found.append(Target(number, what, wanted, "measured live", None))
        elif not all(name in runs for name in needs):
            found.append(Target(number, what, wanted, f"needs {', '.join(needs)}", None))
        elif not all(runs[name].log.calls for name in needs):
            found.append(Target(number, what, wanted, "nothing was served", kept=False))
        else:
            text, kept = measure(*[runs[name] for name in needs])
            found.append(Target(number, what, wanted, text, kept))
    return [*found, _conserved(runs)]


_Measured = tuple[str, bool]


def _wait(crowded: Ran) -> _Measured:
    tier = crowded.figures.of(Tier.ENTERPRISE)
    return f"{_ms(tier.wait_p99)} (longest {_ms(tier.wait_max)})", tier.wait_p99 <= WAIT[Tier.ENTERPRISE]


def _same(without: Ran, crowded: Ran) -> _Measured:
    later = _later(without.log, crowded.log)
    changed = sum(step != 0 for step in later)
    return f"{changed} of {len(later)} seats at another moment", changed == 0


def _not_later(without: Ran, crowded: Ran) -> _Measured:
    """A call that would have had an idle seat waits, at worst, for one to be taken back."""
    later = sorted(_later(without.log, crowded.log))
    p99 = quantile(later, 990)
    return f"99 % at most {_ms(p99)} later (longest {_ms(later[-1])})", p99 <= ABORTING


def _fair(fair: Ran) -> _Measured:
    jain = fair.figures.of(Tier.TEST).jain_ppm
    return f"{jain / MILLION:.4f}", jain >= 990_000


def _weighted(weights: Ran) -> _Measured:
    """By how much an organization's part differs from what its weight says."""
    shares = [part for _, part in weights.figures.of(Tier.FLEX).shares]
    worst = max(abs(part - MILLION) for part in shares)
    return f"off by at most {worst / 10_000:.2f} %", worst <= 20_000


def _gap(fair: Ran) -> _Measured:
    scenario = fair.log.scenario
    gap, dearest = service_gap(fair.log.calls, scenario.weights, scenario.warm, scenario.until)
    seats = max(_most_at_once(fair.log.calls).values())
    text = f"{gap / dearest:.2f} × the dearest call; bound {2 * seats} ({seats} seats at once)"
    return text, gap <= 2 * seats * dearest


def _used(one_pool: Ran) -> _Measured:
    used = one_pool.figures.use_ppm
    return f"{used / 10_000:.2f} %", used >= 990_000


def _flex_served(starving: Ran) -> _Measured:
    tier = starving.figures.of(Tier.FLEX)
    return (
        f"{tier.done_ppm / 10_000:.2f} % served, longest wait {tier.wait_max / SECOND:.1f} s",
        tier.done_ppm == MILLION,
    )


def _test_served(starving: Ran) -> _Measured:
    seats = starving.figures.of(Tier.TEST).seats_ppm
    return f"{seats / 10_000:.2f} % of seat time", seats >= 50_000


def _flooded(calm: Ran, flood: Ran) -> _Measured:
    """Source 0 is those that do not flood."""
    before, after = (_p99(ran.log, 0) for ran in (calm, flood))
    text = f"{_ms(before)} without, {_ms(after)} with it"
    return text, after * 4 <= max(before, 20_000) * 5


def _let_in(limits: Ran) -> _Measured:
    """Calls of an organization that began too soon after those before them, or beside too many."""
    amounts = {(rule.tier, rule.metric): rule for rule in LIMITS}
    calls = limits.log.calls
    over = 0
    for org in sorted({call.org for call in calls}):
        own = sorted((call for call in calls if call.org == org), key=lambda call: call.granted)
        rate, room = amounts[own[0].tier, Metric.RPM], amounts[own[0].tier, Metric.IN_FLIGHT]
        over += _too_soon([call.granted for call in own], rate.amount or 0, (rate.burst or 0) * SECOND)
        over += sum(busy > (room.amount or 0) for _, busy in _levels(own))
    return f"{over} of {len(calls):,}", over == 0


def _too_soon(times: Sequence[int], per_minute: int, burst: int) -> int:
    """Those that end a stretch in which more began than fit into it and the burst together."""
    step = MINUTE // per_minute
    found, slack = 0, 0
    for place, when in enumerate(times):
        ahead = place * step - when
        slack = min(slack, ahead) if place else ahead
        found += ahead + step - slack > burst
    return found


def _finds(hidden: Ran) -> _Measured:
    """How much of the hidden limit is in use on average, from a minute after the start to its change."""
    steps = hidden.log.scenario.upstreams[0].allows
    limit, change = steps[0][1], steps[1][0]
    used = _in_use(hidden.log.calls, MINUTE, change) // limit
    return f"{used / 10:.1f} % of it in use on average", used >= 900


def _refused(hidden: Ran) -> _Measured:
    lane = hidden.log.lanes[hidden.log.scenario.upstreams[0].id]
    attempts, refused = (sum(when >= MINUTE for when in times) for times in (lane.taken, lane.refusals))
    share = refused * MILLION // max(attempts + refused, 1)
    return f"{share / 10_000:.2f} % of attempts", share <= 10_000


def _recovers(hidden: Ran) -> _Measured:
    steps = hidden.log.scenario.upstreams[0].allows
    change, limit = steps[1]
    wanted = limit * 95 // 100
    when = next((at for at, busy in _levels(hidden.log.calls) if at >= change and busy >= wanted), None)
    if when is None:
        return "never", False
    return f"after {(when - change) / SECOND:.0f} s", when - change <= 2 * MINUTE


def _returns(down: Ran) -> _Measured:
    """From the last lane that allows calls again to 95 % of all seats in use."""
    scenario = down.log.scenario
    back = max(each.allows[-1][0] for each in scenario.upstreams)
    wanted = scenario.seats * 95 // 100
    when = next((at for at, busy in _levels(down.log.calls) if at >= back and busy >= wanted), None)
    if when is None:
        return "never", False
    return f"after {(when - back) / SECOND:.0f} s", when - back <= 30 * SECOND


_MEASURES: Sequence[tuple[int, str, str, tuple[str, ...], Callable[..., _Measured] | None]] = (
    (1, "Enterprise's wait, 99 %, Test at 10 times", "≤ 250 ms", ("test-10",), _wait),
    (1, "Enterprise's wait, 99 %, Test at 100 times", "≤ 250 ms", ("test-100",), _wait),
    (1, "Without lending, Enterprise's seats with Test and without", "the same", ("apart-0", "apart-10"), _same),
    (1, "With lending, the same", f"≤ {ABORTING // 1_000} ms later", ("test-0", "test-10"), _not_later),
    (2, "Service of organizations with calls waiting, Jain's index", "≥ 0.99", ("fair",), _fair),
    (2, "Service by weights 1, 2 and 4", "≤ 2 % off", ("weights",), _weighted),
    (3, "Service of two such organizations grows apart by", "≤ 2 · seats · dearest call", ("fair",), _gap),
    (4, "Seats in use, one pool", "≥ 99 %", ("one-pool",), _used),
    (5, "Flex within its guarantee while others overload", "100 % served", ("starving",), _flex_served),
    (5, "Test meanwhile", "≥ 5 %", ("starving",), _test_served),
    (6, "Wait, 99 %, of those that do not flood", "≤ 1.25 times", ("flood-1", "flood-20"), _flooded),
    (7, "Calls let in beyond a limit, one process", "0", ("limits",), _let_in),
    (7, "The same, eight processes, killed meanwhile", "0 of 1,000,000", (), None),
    (8, "Decisions a second, a core", "≥ 10,000", (), None),
    (9, "A hidden limit is found within a minute", "≥ 90 %", ("hidden-limit",), _finds),
    (9, "Refused upstream after that", "≤ 1 %", ("hidden-limit",), _refused),
    (9, "In use again when it doubles: 95 %", "≤ 120 s", ("hidden-limit",), _recovers),
    (9, "In use again after all lanes were down: 95 %", "≤ 30 s", ("all-429",), _returns),
)


def _conserved(runs: Runs) -> Target:
    found = sum(ran.figures.violations for ran in runs.values())
    events = sum(ran.figures.events for ran in runs.values())
    text = f"{found:,} in {events:,} events"
    return Target(4, "A call waits though a seat is free that it may have", "0", text, found == 0 if runs else None)


def _later(without: Log, crowded: Log) -> list[int]:
    """By how much Enterprise's calls have their seats later in the second."""
    before = {call.number: call.granted for call in without.calls if call.tier is Tier.ENTERPRISE}
    return [
        call.granted - before[call.number]
        for call in crowded.calls
        if call.tier is Tier.ENTERPRISE and call.number in before
    ]


def _p99(log: Log, place: int) -> int:
    warm = log.scenario.warm
    return quantile(sorted(wait_of(call) for call in log.calls if call.source == place and call.arrived >= warm), 990)


def _levels(calls: Sequence[Call]) -> list[tuple[int, int]]:
    """(when, calls at once from then on)."""
    steps = sorted([(call.granted, 1) for call in calls] + [(call.ended, -1) for call in calls])
    busy, found = 0, list[tuple[int, int]]()
    for when, step in steps:
        busy += step
        found.append((when, busy))
    return found


def _in_use(calls: Sequence[Call], begins: int, ends: int) -> int:
    """Calls at once on average, in thousandths."""
    return sum(overlap(call, begins, ends) for call in calls) * 1_000 // (ends - begins)


def _most_at_once(calls: Sequence[Call]) -> dict[int, int]:
    """By organization."""
    orgs = {call.org for call in calls}
    return {org: max(busy for _, busy in _levels([call for call in calls if call.org == org])) for org in sorted(orgs)}


def _ms(time: int) -> str:
    return f"{time / 1_000:.0f} ms"
