"""The one that decides. Each method takes the moment and returns what was decided by it, in order."""

from collections.abc import Mapping

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.scheduler.claim import Claim, Signal, Spent
from puyun.scheduler.decision import Decision
from puyun.scheduler.lane import Facts, LaneSpec
from puyun.scheduler.rules import DEFAULTS, Rules
from puyun.scheduler.view import PoolView, QueueView


class Scheduler:
    def __init__(self, rules: Rules = DEFAULTS) -> None:
        self.rules = rules

    def configure(self, lanes: Mapping[int, LaneSpec], now: Instant, rules: Rules | None = None) -> list[Decision]:
        """A whole new set of lanes. Calls in flight keep their seats; claims left without a lane are refused."""
        raise NotImplementedError

    def arrive(self, claim: Claim, now: Instant) -> list[Decision]:
        """Grants, queues (no decision about this ticket) or refuses."""
        raise NotImplementedError

    def cancel(self, ticket: int, now: Instant) -> list[Decision]:
        """The client left while the call waited. A ticket that is not known is ignored."""
        raise NotImplementedError

    def begin(self, ticket: int, now: Instant) -> list[Decision]:
        """The first byte goes to the client: from here on the call is not preempted."""
        raise NotImplementedError

    def progress(self, ticket: int, output: int, now: Instant) -> list[Decision]:
        """Output tokens so far: a long answer pays while it runs."""
        raise NotImplementedError

    def elsewhere(self, ticket: int, signal: Signal, now: Instant) -> list[Decision]:
        """The attempt failed before its first byte: the seat is given back, another lane is found or the call refused."""
        raise NotImplementedError

    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant) -> list[Decision]:
        """The call is over: the seat is given back and the organization's counter corrected."""
        raise NotImplementedError

    def observe(self, lane: int, facts: Facts, now: Instant) -> list[Decision]:
        """What headers or engine metrics say."""
        raise NotImplementedError

    def reclaim(self, claim: Claim, lane: int, now: Instant) -> list[Decision]:
        """A lease that a scheduler before this one granted: takes its seat, even beyond the count."""
        raise NotImplementedError

    def wake(self, now: Instant) -> list[Decision]:
        """What has come due: deadlines, pauses that end, buckets that have filled."""
        raise NotImplementedError

    @property
    def next_wake(self) -> Instant | None:
        """When `wake` has something to do; None: not before something else happens."""
        raise NotImplementedError

    def standing(self, ticket: int) -> tuple[int, int] | None:
        """Of a waiting call: how many are served before it, as far as can be told, and its predicted wait in µs."""
        raise NotImplementedError

    def view(self, model: int, tier: Tier, org: int) -> QueueView:
        """As of the last event."""
        raise NotImplementedError

    def pools(self) -> list[PoolView]:
        """As of the last event."""
        raise NotImplementedError
