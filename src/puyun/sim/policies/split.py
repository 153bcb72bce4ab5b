"""Seats divided among workers that know nothing of each other."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from puyun.claim import Claim
from puyun.kit.clock import Instant
from puyun.scheduler.attempt import Signal, Spent
from puyun.scheduler.decision import Decision
from puyun.scheduler.lane import LaneSpec
from puyun.sim.policies.face import Policy


class Split:
    """As many policies as there are workers: each has its part of the seats and sees its part of the calls."""

    def __init__(self, workers: Sequence[Policy]) -> None:
        self._workers = workers

    @property
    def next_wake(self) -> Instant | None:
        return min((wake for each in self._workers if (wake := each.next_wake) is not None), default=None)

    def configure(self, lanes: Mapping[int, LaneSpec], now: Instant) -> list[Decision]:
        count = len(self._workers)
        for number, worker in enumerate(self._workers):
            part = {lane: _part(spec, number, count) for lane, spec in lanes.items()}
            worker.configure({lane: spec for lane, spec in part.items() if spec.seats > 0}, now)
        return []

    def arrive(self, claim: Claim, now: Instant) -> list[Decision]:
        return self._of(claim.ticket).arrive(claim, now)

    def cancel(self, ticket: int, now: Instant) -> list[Decision]:
        return self._of(ticket).cancel(ticket, now)

    def begin(self, ticket: int, now: Instant) -> list[Decision]:
        return self._of(ticket).begin(ticket, now)

    def progress(self, ticket: int, output: int, now: Instant) -> list[Decision]:
        return self._of(ticket).progress(ticket, output, now)

    def elsewhere(self, ticket: int, signal: Signal, now: Instant) -> list[Decision]:
        return self._of(ticket).elsewhere(ticket, signal, now)

    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant) -> list[Decision]:
        return self._of(ticket).end(ticket, spent, signal, now)

    def wake(self, now: Instant) -> list[Decision]:
        due = [each for each in self._workers if each.next_wake is not None and each.next_wake <= now]
        return [decision for each in due for decision in each.wake(now)]

    def _of(self, ticket: int) -> Policy:
        return self._workers[ticket % len(self._workers)]


def _part(spec: LaneSpec, number: int, count: int) -> LaneSpec:
    """The `number`th worker's: seats and rates come to the whole."""

    def part(amount: int) -> int:
        return (amount + count - 1 - number) // count

    rates = {name: part(rate) for name in ("rpm", "itpm", "otpm") if (rate := getattr(spec, name)) is not None}
    return replace(spec, seats=part(spec.seats), **rates)
