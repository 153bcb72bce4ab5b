"""What a decision costs in this process: `python -m bench.decisions`.

One call is arrive, begin and end, and the grant between them. Time in the run is virtual; what is measured is CPU.
"""

import heapq
import time
from dataclasses import dataclass

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import Instant
from puyun.scheduler.attempt import OK, Spent
from puyun.scheduler.decision import Grant, Preempted
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.scheduler import Scheduler

SEATS = 64
SEAT_TIME = 4_600_000
SPENT = Spent(fresh=100, output=40)


@dataclass(frozen=True)
class Load:
    name: str
    lanes: tuple[LaneSpec, ...]
    tiers: tuple[Tier, ...]
    offered: float
    """Calls that come, as a multiple of those that seats can bear."""
    organizations: int


def shared(**more: int) -> tuple[LaneSpec, ...]:
    return (LaneSpec(id=1, seats=SEATS, own=True, **more),)


LENDING = (*shared(), LaneSpec(id=2, pool="enterprise", seats=SEATS // 2, own=True, lend=True))
MIXED = (Tier.TEST,) * 12 + (Tier.FLEX,) * 2 + (Tier.ENTERPRISE,)
FOUR = tuple(LaneSpec(id=id_, seats=SEATS // 4, own=True) for id_ in range(1, 5))
LOADS = (
    Load("half the seats in use", shared(), (Tier.FLEX,), 0.5, 20),
    Load("the same, four lanes with token buckets", FOUR, (Tier.FLEX,), 0.5, 20),
    Load("10 x overload, three tiers", shared(), MIXED, 10, 20),
    Load("10 x overload, 1,000 organizations", shared(), MIXED, 10, 1000),
    Load("10 x overload, lent seats, preemption", LENDING, MIXED, 10, 20),
    Load("10 x overload, token buckets", shared(rpm=100_000, itpm=900_000, otpm=900_000), MIXED, 10, 20),
)


def claims(load: Load, count: int) -> list[tuple[Instant, Claim]]:
    """Each with the moment at which it comes."""
    seats = sum(lane.seats for lane in load.lanes)
    gap = SEAT_TIME / (seats * load.offered)
    lanes = tuple(lane.id for lane in load.lanes)
    made: list[tuple[Instant, Claim]] = []
    for n in range(count):
        org = n * 7919 % load.organizations
        arrived = Instant(int(n * gap))
        tier = load.tiers[n % len(load.tiers)]
        size = 50 + n * 31 % 200
        made.append((arrived, Claim(n, org, org, tier, 1, lanes, size, size // 2, True, 30_000_000)))
    return made


@dataclass
class Run:
    seconds: float = 0.0
    decisions: int = 0
    granted: int = 0
    preempted: int = 0


def measure(load: Load, count: int) -> Run:
    """CPU of the scheduler's methods and of the little loop that calls them."""
    scheduler = Scheduler()
    scheduler.configure({lane.id: lane for lane in load.lanes}, Instant(0))
    asked = claims(load, count)
    ends: list[tuple[int, int, int]] = []
    seat: dict[int, int] = {}
    run = Run()

    def hear(now: int, decisions: list) -> None:
        run.decisions += len(decisions)
        for decision in decisions:
            if type(decision) is Grant:
                run.granted += 1
                seat[decision.ticket] = run.granted
                heapq.heappush(ends, (now + SEAT_TIME, run.granted, decision.ticket))
            elif type(decision) is Preempted:
                run.preempted += 1
                del seat[decision.ticket]

    began = time.process_time()
    for now, claim in asked:
        while ends and ends[0][0] <= now:
            at, grant, ticket = heapq.heappop(ends)
            if seat.get(ticket) == grant:
                del seat[ticket]
                scheduler.begin(ticket, Instant(at))
                hear(at, scheduler.end(ticket, SPENT, OK, Instant(at)))
        due = scheduler.next_wake
        if due is not None and due <= now:
            hear(now, scheduler.wake(now))
        hear(now, scheduler.arrive(claim, now))
    run.seconds = time.process_time() - began
    return run


def main(count: int = 40_000) -> None:
    print(f"{'load':44} {'µs a call':>10} {'decisions/s':>12} {'granted':>9} {'preempted':>10}")
    for load in LOADS:
        run = min((measure(load, count) for _ in range(3)), key=lambda run: run.seconds)
        each = run.seconds / count * 1e6
        print(f"{load.name:44} {each:10.1f} {count / run.seconds:12,.0f} {run.granted:9,} {run.preempted:10,}")


if __name__ == "__main__":
    main()
