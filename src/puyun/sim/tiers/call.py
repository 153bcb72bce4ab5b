"""One call, from its coming to its end, as only the simulation knows it."""

from enum import IntEnum

from puyun.catalog.model import Tier


class Ended(IntEnum):
    OPEN = 0
    SERVED = 1
    REFUSED = 2
    LEFT = 3
    """The client went away."""


class Call:
    """`number` is the same whatever others do: the source's, in its order. Times in microseconds, tokens as counted.

    `lane`: the one where it has a seat, 0 where it has none; `again`: it has lost a seat and stands in line once more;
    `held`: how long it had seats that it lost; `failed`: lanes that refused it.
    """

    __slots__ = (
        "again",
        "arrived",
        "asked",
        "attempt",
        "cost",
        "ended",
        "failed",
        "first",
        "granted",
        "held",
        "input",
        "key",
        "lane",
        "most",
        "number",
        "org",
        "outcome",
        "output",
        "pool",
        "source",
        "stream",
        "ticket",
        "tier",
        "tries",
    )

    def __init__(self, number: int, source: int, tier: Tier, *, org: int, key: int) -> None:
        self.number = number
        self.source = source
        self.tier = tier
        self.org = org
        self.key = key
        self.arrived = self.input = self.output = self.most = 0
        self.stream = False
        self.tries = 0
        self.fresh()

    def fresh(self) -> None:
        """As it is before a policy has heard of it."""
        self.asked = self.arrived
        self.ticket = 0
        self.attempt = 0
        self.lane = 0
        self.pool = ""
        self.granted = self.first = self.ended = 0
        self.again = False
        self.held = 0
        self.failed: tuple[int, ...] = ()
        self.cost = 0
        self.outcome = Ended.OPEN

    def produced(self, now: int) -> int:
        """Output tokens that a stream has come to."""
        return self.output * (now - self.first) // max(self.ended - self.first, 1)


OUTPUT_COST = 4
"""What a token of an answer costs in tokens of a prompt, where no price says it better."""


def cost(inputs: int, outputs: int) -> int:
    """In tokens of a prompt."""
    return inputs + OUTPUT_COST * outputs
