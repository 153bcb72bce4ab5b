"""Every cell there is, and for each kind of call the ones it counts in, found once and kept until the rules change."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, ip_address
from typing import TypeAlias

from puyun.catalog.model import Tier
from puyun.kit.clock import MINUTE, Instant
from puyun.limits.cell import Count, Rate, Spot, spot
from puyun.limits.policy import Policy
from puyun.limits.rule import AT_A_TIME, Metric, Rule

COSTS = {Metric.RPM: 0, Metric.RPD: 0, Metric.ITPM: 1, Metric.OTPM: 2, Metric.TPM: 3, Metric.TPD: 3}
"""Which of a call's costs a rate counts: (1, input, output, input + output)."""

TIDIED = 4
"""Old entries looked at for each new one: what is idle goes faster than it comes."""

KEPT = MINUTE
"""How long after its last call a vector stays. By the number of looks at it instead, those in use would push one another
out: finding one anew costs three times what the rest of a decision does.
"""

ENTRIES_MAX = 500_000
"""Of cells and of vectors. Beyond, the longest known is forgotten before it is idle: an attack from countless addresses."""

Caller: TypeAlias = tuple[int, int, int, Tier | None, str | None]
"""Organization, key, model, tier, network address; None where it does not matter."""


class Vector:
    """The cells a kind of call counts in."""

    __slots__ = ("cells", "flights", "open", "queues", "rates", "shape", "used")

    def __init__(self, cells: Iterable[Rate | Count]) -> None:
        held = tuple(cells)
        counts = [cell for cell in held if isinstance(cell, Count)]
        self.rates = tuple((cell, COSTS[cell.rule.metric]) for cell in held if isinstance(cell, Rate))
        self.flights = tuple(count for count in counts if count.rule.metric is Metric.IN_FLIGHT)
        self.queues = tuple(count for count in counts if count.rule.metric is Metric.QUEUED)
        self.cells: tuple[Rate | Count, ...] = (*(rate for rate, _ in self.rates), *self.flights, *self.queues)
        self.open = 0
        """Calls that count in it."""
        self.shape: object = None
        """What `lines` keeps of it."""
        self.used = Instant(0)
        """When a call last counted in it."""


class Cells:
    """Cells by their spots, vectors by their callers. A cell that is idle and held by no vector is forgotten."""

    def __init__(self, policy: Policy, spent: Instant | None) -> None:
        self.policy = policy
        self._spent = spent
        self.since = Instant(0)
        self.addressed = False
        """Whether any rule counts by network address."""
        self._vectors: OrderedDict[Caller, Vector] = OrderedDict()
        self._cells: OrderedDict[Spot, Rate | Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cells) + len(self._vectors)

    def follow(self, policy: Policy, since: Instant) -> None:
        """Find every vector anew, by this policy as it is from `since` on. Every count begins at 0 again."""
        self.policy = policy
        self.since = since
        self.addressed = bool(policy.of_address(since))
        self._vectors.clear()
        for place, cell in list(self._cells.items()):
            cell.shares = 0
            if isinstance(cell, Count):
                del self._cells[place]

    def vector(self, caller: Caller, now: Instant) -> Vector:
        """The cells this caller counts in."""
        vector = self._vectors.get(caller)
        if vector is None:
            self._tidy(now)
            vector = Vector(self._cell(place, rule) for place, rule in self.rules(caller) if rule.amount is not None)
            for cell in vector.cells:
                cell.shares += 1
            self._vectors[caller] = vector
        vector.used = now
        return vector

    def rules(self, caller: Caller) -> Iterator[tuple[Spot, Rule]]:
        """The rules in force for a caller, and where each counts."""
        org, key, model, tier, ip = caller
        if tier is not None:
            for rules in self.policy.effective(key, org, model, tier, self.since).values():
                yield from ((spot(rule, org, model, tier), rule) for rule in rules)
        if ip is not None:
            subject = _network(ip)
            for metric, rule in self.policy.of_address(self.since).items():
                yield Spot("ip", subject, 0, "", metric), rule

    def peek(self, place: Spot, rule: Rule) -> Rate | Count:
        """The cell as it stands, or as it would begin; a new one is not kept."""
        return self._known(place, rule) or _new(rule)

    def rates(self) -> Iterator[tuple[Spot, Rate]]:
        """Every rate that is remembered."""
        yield from ((place, cell) for place, cell in self._cells.items() if isinstance(cell, Rate))

    def keep(self, place: Spot, rate: Rate) -> None:
        """Remember a rate of an earlier process, unless it is known already."""
        self._cells.setdefault(place, rate)

    def _cell(self, place: Spot, rule: Rule) -> Rate | Count:
        cell = self._known(place, rule)
        if cell is None:
            cell = self._cells[place] = _new(rule)
            if self._spent is not None and isinstance(cell, Rate):
                cell.exhaust(self._spent)
        return cell

    def _known(self, place: Spot, rule: Rule) -> Rate | Count | None:
        """The cell, by the rule of today: a rate follows it from when it came into force."""
        cell = self._cells.get(place)
        if isinstance(cell, Rate) and cell.rule != rule:
            cell.follow(rule, self.since)
        return cell

    def _tidy(self, now: Instant) -> None:
        """Look at the oldest few: drop vectors that nobody has used for `KEPT`, and idle cells of no vector."""
        full = len(self._vectors) > ENTRIES_MAX
        for _ in range(min(TIDIED, len(self._vectors))):
            caller, vector = self._vectors.popitem(last=False)
            if vector.open or (now - vector.used < KEPT and not full):
                self._vectors[caller] = vector
                continue
            for cell in vector.cells:
                cell.shares -= 1
        full = len(self._cells) > ENTRIES_MAX
        for _ in range(min(TIDIED, len(self._cells))):
            place, cell = self._cells.popitem(last=False)
            if cell.shares or not (full or cell.idle(now)):
                self._cells[place] = cell


def _new(rule: Rule) -> Rate | Count:
    return Count(rule) if rule.metric in AT_A_TIME else Rate(rule)


def _network(address: str) -> str:
    """An IPv4 address, or the /64 of one of IPv6: whoever has one address of it has them all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
