"""What a worker may let in by itself: its part of every limit. Pure.

Nobody knows then what others have used, so it begins with nothing: each rate counts as used up at the moment the arbiter
went, and only what has come back since is shared out. So all workers together let no more through than the arbiter would.
What does not pass is not refused: it waits for the arbiter.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from zlib import crc32

import msgspec
from typing_extensions import override

from puyun.arbiter.message import Configuration
from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits.cell import Spot, spot
from puyun.limits.limits import Limits
from puyun.limits.passed import Passed
from puyun.limits.policy import Policy
from puyun.limits.reading import Over
from puyun.limits.rule import AT_A_TIME, REQUESTS, WINDOWS, Metric, Rule


class Allowance:
    """Of one of so many workers. `start` begins a time without arbiter.

    Rates are shared out. How many are in flight is not: each says what it has (`flights`), and all together count.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._policy = _Part((), {}, workers)
        self._limits = Limits(self._policy)
        self._running: dict[int, tuple[int, ...]] = {}
        self.flights: Counter[int] = Counter()
        """Calls of this worker by the limit that they count in, whose number is below zero."""

    def follow(self, configuration: Configuration, now: Instant) -> None:
        """These limits are in force from now on, and nothing of them is left at first."""
        self._policy = _Part(configuration.rules, configuration.models, self._workers)
        self._limits = Limits(self._policy, spent=now)

    def start(self, running: Iterable[Claim], now: Instant) -> None:
        """`running`: calls with a seat."""
        self._limits = Limits(self._policy, spent=now)
        self._running.clear()
        self.flights.clear()
        for claim in running:
            self._fly(claim, [place for place, _ in self._policy.flights(claim, now)])

    def lets_in(self, claim: Claim, used: Mapping[int, int], now: Instant) -> bool:
        """Counts it if so. `used`: the flights of all workers."""
        limits = self._policy.flights(claim, now)
        if any(used.get(place, 0) >= amount for place, amount in limits):
            return False
        if not isinstance(self._limits.check(msgspec.structs.replace(claim, max_wait=0), now), Passed):
            return False
        self._fly(claim, [place for place, _ in limits])
        return True

    def knock(self, ip: str, now: Instant) -> Over | None:
        """A request whose sender is not known; None: counted."""
        return self._limits.knock(ip, now)

    def flown(self, ticket: int) -> tuple[int, ...]:
        """The flights that a call counts in."""
        return self._running.get(ticket, ())

    def over(self, ticket: int, asked: int, answer: int, now: Instant) -> None:
        """The call has ended; tokens really used."""
        self._limits.correct(ticket, asked, answer, now)
        self._limits.release(ticket, now)
        self.flights.subtract(self._running.pop(ticket, ()))

    def _fly(self, claim: Claim, places: list[int]) -> None:
        self._running[claim.ticket] = tuple(places)
        self.flights.update(places)


class _Part(Policy):
    """A rule book, and of each rate in force one of so many equal parts."""

    def __init__(self, rules: Iterable[Rule], models: Mapping[int, str], workers: int) -> None:
        super().__init__(rules, models)
        self._workers = workers

    def flights(self, claim: Claim, now: Instant) -> list[tuple[int, int]]:
        """Number and amount of each limit of calls in flight, undivided."""
        rules = super().effective(claim.key, claim.org, claim.model, claim.tier, now).get(Metric.IN_FLIGHT, ())
        return [
            (_number(spot(rule, claim.org, claim.model, claim.tier)), rule.amount)
            for rule in rules
            if rule.amount is not None
        ]

    @override
    def effective(self, key: int, org: int, model: int, tier: Tier, now: Instant) -> dict[Metric, tuple[Rule, ...]]:
        whole = super().effective(key, org, model, tier, now)
        return {
            metric: tuple(self._part(rule) for rule in rules)
            for metric, rules in whole.items()
            if metric not in AT_A_TIME  # `flights` has one; and who waits here waits for the arbiter
        }

    @override
    def of_address(self, now: Instant) -> dict[Metric, Rule]:
        return {metric: self._part(rule) for metric, rule in super().of_address(now).items()}

    def _part(self, rule: Rule) -> Rule:
        """Rounded down. Of a rate whose part does not hold one request nobody has any: together they would have one each."""
        if rule.amount is None:
            return rule
        assert rule.burst is not None
        part = rule.amount // self._workers
        if rule.metric in REQUESTS and part * rule.burst * SECOND < WINDOWS[rule.metric]:
            part = 0
        return msgspec.structs.replace(rule, amount=part)


def _number(place: Spot) -> int:
    """The same in every worker, and below zero: lanes are above."""
    return -1 - (crc32(repr(place[:3]).encode()) << 31 | crc32(repr(place[3:]).encode()) >> 1)
