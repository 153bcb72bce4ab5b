"""The shipped arbiter, limits and scheduler together, with the scheduler's face."""

from collections.abc import Iterable, Mapping
from typing import cast

from puyun.arbiter.decider import Decider
from puyun.arbiter.message import Answer, Configuration, Granted, Preempted, Refused, Standing
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits.table import DEFAULTS
from puyun.scheduler import decision
from puyun.scheduler.attempt import ABANDONED, NOTHING, Signal, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal, Why
from puyun.scheduler.lane import LaneSpec


class Arbitrated:
    """Every organization has its tier's default limits."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._serials: dict[int, int] = {}
        """Which seat of its calls each has."""

    @property
    def next_wake(self) -> Instant | None:
        return self._decider.next_wake

    def configure(self, lanes: Mapping[int, LaneSpec], now: Instant) -> list[Decision]:
        wanted = Configuration(1, tuple(lanes.values()), DEFAULTS, {1: "sim"})
        return self._decisions(self._decider.configure(wanted, now))

    def arrive(self, claim: Claim, now: Instant) -> list[Decision]:
        return self._decisions(self._decider.acquire(claim, now))

    def cancel(self, ticket: int, now: Instant) -> list[Decision]:
        return self._decisions(self._decider.end(ticket, NOTHING, ABANDONED, now))

    def begin(self, ticket: int, now: Instant) -> list[Decision]:
        return self._decisions(self._decider.begin(ticket, self._serials[ticket], now))

    def progress(self, ticket: int, output: int, now: Instant) -> list[Decision]:
        return self._decisions(self._decider.progress(ticket, output, now))

    def elsewhere(self, ticket: int, signal: Signal, now: Instant) -> list[Decision]:
        return self._decisions(self._decider.elsewhere(ticket, self._serials.pop(ticket), signal, now))

    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant) -> list[Decision]:
        del self._serials[ticket]
        return self._decisions(self._decider.end(ticket, spent, signal, now))

    def wake(self, now: Instant) -> list[Decision]:
        return self._decisions(self._decider.wake(now))

    def _decisions(self, answers: Iterable[Answer]) -> list[Decision]:
        """Where a call stands in the meantime is no decision."""
        found: list[Decision] = []
        for answer in answers:
            match answer:
                case Granted():
                    self._serials[answer.ticket] = answer.serial
                    found.append(Grant(answer.ticket, answer.lane, answer.pool, answer.waited, answer.preemptible))
                case Refused():  # by a limit, too: a reason that is no `Why`, and that only the log shows
                    found.append(Refusal(answer.ticket, cast("Why", answer.why), answer.retry_after or SECOND))
                case Preempted():
                    del self._serials[answer.ticket]
                    found.append(decision.Preempted(answer.ticket))
                case Standing():
                    pass
        return found
