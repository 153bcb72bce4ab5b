"""The limits themselves: one decision for all of a call's limits, corrected when its tokens are known."""

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.limits.ask import Ask, Over, Passed, Row
from puyun.limits.policy import Policy


class Limits:
    """Counts against a policy. One decider at a time; not thread-safe."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def configure(self, policy: Policy, now: Instant) -> list[int]:
        """Follow another rule book; what was used stays used. Returns tickets that waited and are now in flight."""
        raise NotImplementedError

    def check(self, ask: Ask, now: Instant) -> Passed | Over:
        """All limits or none: counts the call against each, or against nothing."""
        raise NotImplementedError

    def correct(self, ticket: int, input: int, output: int, now: Instant) -> None:  # noqa: A002 - the word for it
        """Put the tokens counted for a call right, up or down; as often as more is known. Unknown tickets: nothing."""
        raise NotImplementedError

    def release(self, ticket: int, now: Instant) -> list[int]:
        """The call is over. Returns the tickets that waited for its place and are now in flight, first come first."""
        raise NotImplementedError

    def void(self, ticket: int, now: Instant) -> list[int]:
        """As `release`, and the call counts for nothing: it was never begun, through no fault of its own."""
        raise NotImplementedError

    def view(self, key: int, org: int, model: int, tier: Tier, now: Instant) -> tuple[Row, ...]:
        """How each limit in force stands; changes nothing."""
        raise NotImplementedError

    def snapshot(self, now: Instant) -> bytes:
        """What is used of every limit, for `restore`; calls in flight are not a part of it."""
        raise NotImplementedError

    def restore(self, saved: bytes, now: Instant) -> None:
        """Take up what was used when `saved` was made, less what has been forgotten since. Raises ValueError."""
        raise NotImplementedError
