"""A lane: one deployment as the scheduler sees it, with its seats and what its provider allows."""

from typing import Generic, TypeVar

import msgspec

from puyun.kit.clock import Instant
from puyun.scheduler.attempt import Signal, Spent
from puyun.scheduler.breaker import Breaker
from puyun.scheduler.bucket import Bucket
from puyun.scheduler.pool import ENTERPRISE, FLEX, LENT, RANKS, TEST, Pool
from puyun.scheduler.rules import Rules

W = TypeVar("W")
"""What waits for a lane: `flow.Line`."""


class CostRatios(msgspec.Struct, frozen=True, gc=False):
    """What a token of each bucket weighs, in thousandths of a fresh input token; from the provider's price list."""

    cached: int = 100
    written: int = 1_250
    output: int = 4_000


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue says of a deployment. `rpm`, `itpm`, `otpm`: per minute, None when unbounded."""

    id: int
    pool: str = "shared"
    """`shared`, `enterprise` or `dedicated:ORG`."""
    owner: int | None = None
    """The organization's id, of a dedicated pool."""
    seats: int
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    own: bool = False
    """An engine of ours: breaking an attempt off is free, so Test's may be preempted there."""
    lend: bool = False
    """Of a dedicated or enterprise pool on an engine of ours: its idle seats may be lent to Test."""
    ratios: CostRatios = CostRatios()

    def cost(self, spent: Spent) -> int:
        """Thousandths of a token-cost unit."""
        ratios = self.ratios
        inputs = spent.fresh * 1_000 + spent.cached * ratios.cached + spent.written * ratios.written
        return inputs + spent.output * ratios.output


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's headers or an engine's metrics say of a lane; what is None was not said."""

    limit: dict[str, int] | None = None
    """Per minute, by bucket: `rpm`, `itpm`, `otpm`."""
    remaining: dict[str, int] | None = None
    capacity: int | None = None
    """Calls an engine works on at once: `max_num_seqs`, `max_running_requests`, `--parallel`."""
    waiting: int | None = None
    """Calls in the engine's own queue, which we keep near zero."""
    kv: int | None = None
    """Per mille of its key-value cache in use."""


class Lane(Generic[W]):
    __slots__ = (
        "active",
        "before",
        "borne",
        "breaker",
        "capacity",
        "id",
        "in_flight",
        "itpm",
        "last_cut",
        "lent",
        "lines",
        "metered",
        "most",
        "otpm",
        "pool",
        "retired",
        "room",
        "rpm",
        "rules",
        "seats",
        "spec",
        "told",
        "trial",
        "tries",
        "ttft",
        "until",
        "used",
        "victims",
        "wake_at",
        "was_waiting",
    )

    def __init__(self, spec: LaneSpec, rules: Rules, now: Instant) -> None:
        self.id = spec.id
        self.rules = rules
        self.in_flight = 0
        self.used = [0, 0, 0]
        self.lent = 0
        self.lines: tuple[dict[W, None], ...] = ({}, {}, {}, {})
        """Lines in which calls wait for it, by where they stand."""
        self.active = 0
        """How many lines that are."""
        self.victims: dict[int, int] = {}
        """Tickets that can be preempted here, in the order of their grants, and the moment of each."""
        self.until = now
        """Nothing is sent before."""
        self.breaker = Breaker(rules)
        self.tries = 0
        """Pauses since the last success."""
        self.last_cut: Instant | None = None
        self.borne = True
        """A call went well since the last cut: only then another 429 says something new about its size."""
        self.before = 0
        """Thousandths of seats it had before the last cut."""
        self.trial = 0
        """Thousandths of seats it has for the time being, after an outage; 0: all of its room."""
        self.ttft = 0
        """Smoothed time to the first byte, µs."""
        self.told: Instant | None = None
        """When its engine last told how it is."""
        self.was_waiting = False
        self.capacity: int | None = None
        """Calls its engine works on at once, once it said so."""
        self.wake_at: Instant | None = None
        self.seats = 0
        """It has them now: what its provider was seen to bear, 1 while its breaker is tripped."""
        self.room = 0
        """The same in thousandths, breaker aside."""
        self.most = 0
        """What it may grow to."""
        self.rpm: Bucket | None = None
        self.itpm: Bucket | None = None
        self.otpm: Bucket | None = None
        self.metered = False
        self.retired = False
        self.spec = spec
        self.pool: Pool[Lane[W]] = Pool(spec.pool, spec.owner, rules, now)
        self.adopt(spec, rules, now)

    def adopt(self, spec: LaneSpec, rules: Rules, now: Instant) -> None:
        """What the catalogue says now, in a pool of its own for the time being."""
        grown = spec.seats > self.spec.seats or self.room >= self.most * 1000
        self.rules, self.spec, self.retired = rules, spec, False
        self.most = spec.seats if self.capacity is None else min(spec.seats, self.capacity)
        self.room = self.most * 1000 if grown else min(self.room, self.most * 1000)
        self.told, self.was_waiting = None, False
        self.rpm = _bucket(self.rpm, spec.rpm, rules.burst_requests, now)
        self.itpm = _bucket(self.itpm, spec.itpm, rules.burst_tokens, now)
        self.otpm = _bucket(self.otpm, spec.otpm, rules.burst_tokens, now)
        self.metered = bool(self.rpm or self.itpm or self.otpm)
        self.lines, self.active, self.wake_at = ({}, {}, {}, {}), 0, None
        self.pool = Pool(spec.pool, spec.owner, rules, now)
        self.pool.lanes.append(self)
        self.pool.in_flight, self.pool.used, self.pool.lent = self.in_flight, list(self.used), self.lent
        self.seats = 0
        self._resize(now)

    def count(self, rank: int, more: int, now: Instant, *, lent: bool) -> None:
        """A seat is taken (1) or given back (-1)."""
        self.in_flight += more
        self.used[rank] += more
        self.pool.count(rank, more, now)
        if lent:
            self.lent += more
            self.pool.lent += more

    def line_up(self, line: W, place: int, now: Instant) -> None:
        self.lines[place][line] = None
        self.active += 1
        self.pool.wait(1, now)

    def step_out(self, line: W, place: int, now: Instant) -> None:
        del self.lines[place][line]
        self.active -= 1
        self.pool.wait(-1, now)

    def is_open(self, now: Instant) -> bool:
        return self.in_flight < self.seats and now >= self.until

    def order(self, now: Instant) -> list[int]:
        """Whose lines are asked, first to last. A lane that is tried again gets the call that has least to lose."""
        waiting = [place for place in (ENTERPRISE, FLEX, TEST, LENT) if self.lines[place]]
        if len(waiting) > 1 or LENT in waiting:
            waiting = self.pool.order(waiting, now)
        return waiting[::-1] if self.breaker.tripped else waiting

    # --- tokens ----------------------------------------------------------------------------------------------------
    def wait(self, rank: int, asked: int, answer: int, now: Instant) -> int:
        """Microseconds until its buckets hold a call of that many tokens for that tier."""
        if not self.metered:
            return 0
        protect = self.rules.of(RANKS[rank]).protect if self.used[ENTERPRISE] else 0
        waits = [
            bucket.wait(need, protect, now)
            for bucket, need in ((self.rpm, 1), (self.itpm, asked), (self.otpm, answer))
            if bucket
        ]
        return max(waits)

    def take(self, asked: int, answer: int, now: Instant) -> None:
        for bucket, need in ((self.rpm, 1), (self.itpm, asked), (self.otpm, answer)):
            if bucket:
                bucket.take(need, now)

    def give(self, asked: int, answer: int) -> None:
        if self.itpm:
            self.itpm.give(asked)
        if self.otpm:
            self.otpm.give(answer)

    # --- what it bears -----------------------------------------------------------------------------------------------
    def succeeded(self, since: Instant, now: Instant, *, begun: bool) -> None:
        """A call went well that has had its seat since then, and still has it; `begun`: `answered` has told of it."""
        self.tries = 0
        self.breaker.succeeded()
        if not begun:
            self._bears(since)
        stale = self.told is not None and now - self.told > self.rules.metrics_stale
        if not self.trial and self.room < self.most * 1000 and self._is_busy() and not stale:
            self.room = min(self.room + 1_000_000 // self.room, self.most * 1000)
        self._resize(now)

    def _bears(self, since: Instant) -> None:
        """A call sent at that moment was taken; one sent before the last cut says nothing of what was left by it.

        After an outage each adds a seat, which doubles them each round, up to what was borne before; from there on they
        grow by one a round (slow start and congestion avoidance, RFC 5681).
        """
        if not self._since_cut(since):
            return
        self.borne = True
        if self.trial and self._is_busy():
            self.trial += 1000
            if self.trial >= self.room:
                self.trial = 0

    def _since_cut(self, since: Instant) -> bool:
        return self.last_cut is None or since > self.last_cut

    def _is_busy(self) -> bool:
        """Most of it is in use: of whole seats, three of 3.9 are all."""
        return self.in_flight * 1_000 >= self.rules.grow_at * (self._size // 1_000)

    def overloaded(self, signal: Signal, since: Instant, now: Instant) -> None:
        """429, 503 or 529 to a call sent at that moment: fewer seats, once per time to first byte, and a pause of what
        ran out.
        """
        if self._since_cut(since):
            self._cut(now)
        pause = self._pause() if signal.retry_after is None else signal.retry_after
        bucket = self.bucket(signal.bucket)
        if bucket:
            bucket.close(Instant(now + pause))
        elif now >= self.until or signal.retry_after is not None:
            self.tries += 1
            self.until = max(self.until, Instant(now + pause))
        self._resize(now)

    def _cut(self, now: Instant) -> None:
        """Until a call goes well at the new size, another refusal says that it is down: what it still works on is all it
        bears now. If that is less than half of its size, its size was not why it refused, and counts again afterwards.
        """
        if self.borne:
            if self.last_cut is None or now - self.last_cut > max(self.rules.cut_gap, self.ttft):
                self.before, self.borne, self.last_cut = self.room, False, now
                self.room = max(self._size * self.rules.cut // 1000, min(self.most, 1) * 1000)
                self.trial = 0
            return
        others = self.in_flight - 1
        self.trial = min(max(others, 1) * 1000, self._size)
        if others * 2000 < self.room:
            self.room = max(self.room, min(self.before, self.most * 1000))

    def failed(self, now: Instant) -> None:
        if self.breaker.failed() and now >= self.until:
            self.until = Instant(now + self._pause())
            self.tries += 1
            self._resize(now)

    def answered(self, after: int, now: Instant) -> None:
        """The first byte of a call has come after so many µs."""
        self.ttft += (after - self.ttft) >> 3 if self.ttft else after
        self._bears(Instant(now - after))
        if self.breaker.tripped:
            self.breaker.succeeded()
            self.tries = 0
        self._resize(now)

    def observe(self, facts: Facts, now: Instant) -> None:
        for name, amount in (facts.limit or {}).items():
            bucket = self.bucket(name)
            if bucket:
                bucket.allow(amount, now)
        self.sync(facts.remaining, now)
        if facts.capacity is not None:
            self.capacity = max(facts.capacity, 1)
            self.most = min(self.spec.seats, self.capacity)
            self.room = min(self.room, self.most * 1000)
        if facts.waiting is not None or facts.kv is not None:
            self.told = now
            leaving = max(self.in_flight - self.seats, 0)  # an earlier cut is still taking effect
            waiting = max((facts.waiting or 0) - leaving, 0)
            if waiting and self.was_waiting:
                self.room = max(self.room - waiting * 1000, 1000)
            elif (facts.kv or 0) > self.rules.kv_full and not leaving:
                self.room = max(self.room * 9 // 10, 1000)
            self.was_waiting = waiting > 0
        self._resize(now)

    def sync(self, remaining: dict[str, int] | None, now: Instant) -> None:
        for name, left in (remaining or {}).items():
            bucket = self.bucket(name)
            if bucket:
                bucket.at_most(left, now)

    def was_cut(self, now: Instant) -> bool:
        """A moment ago: not the time for second attempts of those that can wait."""
        return self.last_cut is not None and now - self.last_cut < self.rules.calm

    def bucket(self, name: str | None) -> Bucket | None:
        return {"rpm": self.rpm, "itpm": self.itpm, "otpm": self.otpm}.get(name or "")

    def _pause(self) -> int:
        """Doubled with each try, and up to a quarter longer so that lanes do not come back together."""
        pause = min(self.rules.backoff << min(self.tries, 20), self.rules.backoff_max)
        return pause + pause * ((self.spec.id * 2_654_435_761 + self.tries * 40_503) % 256) // 1024

    @property
    def _size(self) -> int:
        """Thousandths of seats, breaker aside."""
        return min(self.trial, self.room) if self.trial else self.room

    def _resize(self, now: Instant) -> None:
        seats = min(1, self.most) if self.breaker.tripped else self._size // 1000
        if seats != self.seats:
            self.pool.resize(seats - self.seats, now)
            self.seats = seats


def lends(spec: LaneSpec) -> bool:
    """Only where a seat can be had back for nothing, and never shared ones: those are Test's anyway."""
    return spec.lend and spec.own and spec.pool != "shared"


def _bucket(old: Bucket | None, amount: int | None, burst: int, now: Instant) -> Bucket | None:
    if not amount:
        return None
    if old is None:
        return Bucket(amount, burst, now)
    old.allow(amount, now)
    return old
