"""What a log comes to. Times in microseconds, shares in millionths, so that the same seed gives the same bytes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

import msgspec

from puyun.catalog.model import TIERS, Tier
from puyun.sim.tiers.call import Call
from puyun.sim.tiers.run import LEFT, Log

MILLION = 1_000_000
BINS = 96
"""Points of a plot over time."""

SMOOTH = 12
"""Points before and with it that Jain's index is of: organizations are served by turns, not all at once."""

PARTS = (*range(0, 1_000, 20), 985, 990, 995, 999, 1_000)
"""Of a thousand: where a distribution is drawn."""


class TierFigures(msgspec.Struct, frozen=True):
    """Of calls that came after the warm-up. Waits are those of calls that got a seat, from asking to the seat that served."""

    tier: Tier
    came: int
    served: int
    refused: int
    left: int
    done_ppm: int
    wait_p50: int
    wait_p95: int
    wait_p99: int
    wait_max: int
    seats_ppm: int
    """Of all seat time, what its calls had."""
    jain_ppm: int
    """How alike its organizations were served, in cost by weight."""
    gap_milli: int
    """By how much the service of two of them ever grew apart, in thousandths of the dearest call; 0 of one alone."""
    reasons: Mapping[str, int]
    shares: tuple[tuple[int, int], ...]
    """(organization, what it was served in cost by weight, in millionths of the mean)."""


class Series(msgspec.Struct, frozen=True):
    """A tier over time, BINS points, and the distribution of its waits, at PARTS."""

    tier: Tier
    wait_p99: Sequence[int | None]
    """Of calls seated in that time; None where there was none."""
    seats_ppm: Sequence[int]
    jain_ppm: Sequence[int | None]
    least: Sequence[int]
    most: Sequence[int]
    """What the organization that was served least, and most, had been served by then, in cost by weight."""
    waits: Sequence[int]
    """Empty where no call was served."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario under one policy."""

    scenario: str
    policy: str
    seed: int
    events: int
    decisions: int
    tiers: tuple[TierFigures, ...]
    series: tuple[Series, ...]
    use_ppm: int
    """Of all seat time, what was spent on calls that were served."""
    wasted_ppm: int
    """The same, on calls whose seat was taken back."""
    preempted: int
    upstream_refused_ppm: int
    """Of attempts that lanes answered 429."""
    violations: int
    """Moments at which a call waited for a seat that was free and that it might have had."""
    examples: tuple[str, ...]

    def of(self, tier: Tier) -> TierFigures:
        return next(each for each in self.tiers if each.tier is tier)


def figures(log: Log, policy: str, seed: int) -> Figures:
    """Everything that is read off a log."""
    scenario = log.scenario
    span = max(scenario.until - scenario.warm, 1)
    room = span * scenario.seats
    spent = dict.fromkeys(TIERS, 0)
    for call in log.calls:
        spent[call.tier] += overlap(call, scenario.warm, scenario.until)
    attempts = sum(len(lane.taken) + len(lane.refusals) for lane in log.lanes.values())
    present = [tier for tier in reversed(TIERS) if any(source.tier is tier for source in scenario.sources)]
    return Figures(
        scenario=scenario.name,
        policy=policy,
        seed=seed,
        events=log.events,
        decisions=log.decisions,
        tiers=tuple(_tier(log, tier, spent[tier] * MILLION // room) for tier in present),
        series=tuple(_series(log, tier) for tier in present),
        use_ppm=sum(spent.values()) * MILLION // room,
        wasted_ppm=log.wasted * MILLION // room,
        preempted=log.preempted,
        upstream_refused_ppm=sum(len(lane.refusals) for lane in log.lanes.values()) * MILLION // max(attempts, 1),
        violations=log.violations,
        examples=tuple(log.examples),
    )


def wait_of(call: Call) -> int:
    return call.granted - call.asked


def overlap(call: Call, begins: int, ends: int) -> int:
    """Microseconds that the call kept its seat between the two."""
    return max(min(call.ended, ends) - max(call.granted, begins), 0)


def quantile(ordered: Sequence[int], part: int) -> int:
    """The smallest of these, in order, that `part` of a thousand do not exceed; 0 of none."""
    return ordered[max(-(-len(ordered) * part // 1_000), 1) - 1] if ordered else 0


def jain_ppm(shares: Iterable[int]) -> int:
    """A million: all alike; a million divided by their number: one has all."""
    found = list(shares)
    squares = len(found) * sum(share * share for share in found)
    return sum(found) ** 2 * MILLION // squares if squares else MILLION


def served_by_org(calls: Iterable[Call], begins: int, ends: int) -> dict[int, int]:
    """Cost, by organization; a call that is partly within counts in part."""
    found: Counter[int] = Counter()
    for call in calls:
        within = overlap(call, begins, ends)
        if within:
            found[call.org] += call.cost * within // (call.ended - call.granted)
    return found


def service_gap(calls: Iterable[Call], weights: Mapping[int, int], begins: int, ends: int) -> tuple[int, int]:
    """By how much the service of two organizations ever grew apart over any stretch of time, and the dearest call.

    Both in cost; service is that of calls that ended, by weight. For organizations with calls waiting all the time.
    """
    ended = sorted((call for call in calls if begins <= call.ended < ends), key=lambda call: (call.ended, call.number))
    orgs = sorted({call.org for call in ended})
    served = dict.fromkeys(orgs, 0)
    low: defaultdict[tuple[int, int], int] = defaultdict(int)
    high: defaultdict[tuple[int, int], int] = defaultdict(int)
    for call in ended:
        org = call.org
        served[org] += call.cost // weights.get(org, 1)
        for other in orgs:
            pair = (org, other) if org < other else (other, org)
            apart = served[pair[0]] - served[pair[1]]
            low[pair] = min(low[pair], apart)
            high[pair] = max(high[pair], apart)
    return max((high[pair] - low[pair] for pair in high), default=0), max((call.cost for call in ended), default=0)


def _tier(log: Log, tier: Tier, seats_ppm: int) -> TierFigures:
    places = {place for place, source in enumerate(log.scenario.sources) if source.tier is tier}
    scenario = log.scenario
    after = [call for call in log.calls if call.tier is tier and call.arrived >= scenario.warm]
    waits = sorted(wait_of(call) for call in after)
    came = sum(count for (place, _), count in log.came.items() if place in places)
    reasons: Counter[str] = Counter()
    for (place, _, why), count in log.refused.items():
        if place in places:
            reasons[why] += count
    shares = _shares(log, tier, scenario.warm, scenario.until)
    whole = max(sum(shares.values()), 1)
    gap, dearest = service_gap(
        [call for call in log.calls if call.tier is tier], scenario.weights, scenario.warm, scenario.until
    )
    return TierFigures(
        tier=tier,
        came=came,
        served=len(after),
        refused=reasons.total() - reasons[LEFT],
        left=reasons[LEFT],
        done_ppm=len(after) * MILLION // max(came, 1),
        wait_p50=quantile(waits, 500),
        wait_p95=quantile(waits, 950),
        wait_p99=quantile(waits, 990),
        wait_max=quantile(waits, 1_000),
        seats_ppm=seats_ppm,
        jain_ppm=jain_ppm(shares.values()),
        gap_milli=gap * 1_000 // max(dearest, 1) if len(shares) > 1 else 0,
        reasons=dict(sorted(reasons.items())),
        shares=tuple((org, share * len(shares) * MILLION // whole) for org, share in shares.items()),
    )


def _shares(log: Log, tier: Tier, begins: int, ends: int) -> dict[int, int]:
    """Cost served by weight, of every organization of the tier, those that got nothing included."""
    served = served_by_org((call for call in log.calls if call.tier is tier), begins, ends)
    orgs = {org for source in log.scenario.sources if source.tier is tier for org in source.orgs}
    return {org: served.get(org, 0) // log.scenario.weights.get(org, 1) for org in sorted(orgs)}


def _series(log: Log, tier: Tier) -> Series:
    scenario = log.scenario
    width = max(scenario.until // BINS, 1)
    waits: list[list[int]] = [[] for _ in range(BINS)]
    seats = [0] * BINS
    served: list[Counter[int]] = [Counter() for _ in range(BINS)]
    orgs = sorted({org for source in scenario.sources if source.tier is tier for org in source.orgs})
    for call in log.calls:
        if call.tier is not tier:
            continue
        if call.granted < scenario.until:
            waits[min(call.granted // width, BINS - 1)].append(wait_of(call))
        length = call.ended - call.granted
        for place in range(call.granted // width, min(call.ended // width + 1, BINS)):
            within = overlap(call, place * width, (place + 1) * width)
            seats[place] += within
            served[place][call.org] += call.cost * within // length
    ordered = [sorted(each) for each in waits]
    room = width * scenario.seats
    weights = scenario.weights
    after = sorted(wait_of(call) for call in log.calls if call.tier is tier and call.arrived >= scenario.warm)
    sums = {org: list(accumulate(each[org] // weights.get(org, 1) for each in served)) for org in orgs}
    return Series(
        tier=tier,
        wait_p99=[quantile(each, 990) if each else None for each in ordered],
        seats_ppm=[each * MILLION // room for each in seats],
        jain_ppm=[_lately(served[max(place + 1 - SMOOTH, 0) : place + 1], orgs, weights) for place in range(BINS)],
        least=[min(sums[org][place] for org in orgs) for place in range(BINS)],
        most=[max(sums[org][place] for org in orgs) for place in range(BINS)],
        waits=[quantile(after, part) for part in PARTS] if after else [],
    )


def _lately(served: Sequence[Counter[int]], orgs: Sequence[int], weights: Mapping[int, int]) -> int | None:
    """Jain's index of what was served in a few points; None where nothing was."""
    whole: Counter[int] = Counter()
    for each in served:
        whole.update(each)
    return jain_ppm(whole[org] // weights.get(org, 1) for org in orgs) if whole else None
