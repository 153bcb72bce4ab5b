"""Limits against a log: everything that was let through is written down, and what may pass is counted from it, in fractions."""

from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule as act
from msgspec import structs
from rulebook import MODELS, claim, rules

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.limits.reading import Over, Row
from puyun.limits.rule import AT_A_TIME, REQUESTS, WINDOWS, Metric, Rule, Scope

ORGS = (1, 2)
KEYS = {11: 1, 12: 1, 21: 2}
"""Keys and their organizations."""

RATES = tuple(WINDOWS)


@dataclass
class Entry:
    at: int
    units: int
    admitted: bool
    """Let in by a check; else a correction."""


@dataclass
class Log:
    """One rate, from the entries alone."""

    amount: int
    burst: int
    metric: Metric
    entries: list[Entry] = field(default_factory=list)

    @property
    def window(self) -> int:
        return WINDOWS[self.metric]

    @property
    def capacity(self) -> Fraction:
        capacity = Fraction(self.amount * self.burst * SECOND, self.window)
        return max(capacity, Fraction(1)) if self.metric in REQUESTS and self.amount else capacity

    def level(self, now: int) -> Fraction:
        level, last = Fraction(0), 0
        for entry in self.entries:
            level = max(level - Fraction(self.amount * (entry.at - last), self.window), Fraction(0))
            raised = level + entry.units
            if not entry.admitted and entry.units > 0:
                raised = min(raised, max(level, 2 * self.capacity))
            level, last = max(raised, Fraction(0)), entry.at
        return max(level - Fraction(self.amount * (now - last), self.window), Fraction(0))

    def admits(self, units: int, now: int) -> bool:
        return self.level(now) + units <= self.capacity

    def broken(self) -> tuple[int, int] | None:
        """A stretch of time in which more was let in than a burst, the rate, and what was given back in it."""
        for first, begin in enumerate(self.entries):
            admitted = given_back = 0
            for entry in self.entries[first:]:
                admitted += entry.units if entry.admitted else 0
                given_back += max(-entry.units, 0)
                most = self.capacity + Fraction(self.amount * (entry.at - begin.at), self.window) + given_back
                if admitted > most:
                    return begin.at, entry.at
        return None


def units_of(metric: Metric, input_: int, output: int) -> int:
    if metric in REQUESTS:
        return 1
    return {Metric.ITPM: input_, Metric.OTPM: output}.get(metric, input_ + output)


@st.composite
def books(draw: st.DrawFn) -> list[Rule]:
    """Limits of both organizations and of one key, small enough to be met."""
    found: list[Rule] = []
    for who in ("org 1", "org 2", "key 11"):
        for metric in draw(st.lists(st.sampled_from(Metric), unique=True, max_size=5)):
            amount = draw(st.integers(0, 4) if metric in AT_A_TIME else st.integers(0, 60))
            burst = "" if metric in AT_A_TIME else f" burst {draw(st.sampled_from((1, 7, 60, 90_000)))}"
            found += rules(f"{who} {metric} {amount}{burst}")
    if draw(st.booleans()):
        found += rules(f"org 1 in_flight {draw(st.integers(1, 2))}\norg 1 queued {draw(st.integers(1, 4))}")
    return found


Ticket = tuple[int, Claim]


class Machine(RuleBasedStateMachine):
    """Calls of two organizations come, are corrected and end, in any order."""

    open_calls = Bundle("open_calls")

    @initialize(book=books())
    def begin(self, book: list[Rule]) -> None:
        self.now = 1_000 * SECOND
        self.policy = Policy(book, MODELS, defaults=())
        self.limits = Limits(self.policy)
        self.logs: dict[tuple[Scope, int, Metric], Log] = {}
        self.flying: dict[int, Claim] = {}
        self.waiting: dict[int, Claim] = {}
        self.counted: dict[int, tuple[int, int]] = {}
        self.ticket = 0

    def in_force(self, ask: Claim) -> list[tuple[Rule, int]]:
        """Rules with whom they belong to."""
        found = self.policy.effective(ask.key, ask.org, ask.model, ask.tier, Instant(self.now))
        return [(each, ask.key if each.scope is Scope.KEY else ask.org) for rules in found.values() for each in rules]

    def logs_of(self, ask: Claim) -> list[Log]:
        return [
            self.logs.setdefault(
                (each.scope, subject, each.metric), Log(each.amount or 0, each.burst or 0, each.metric)
            )
            for each, subject in self.in_force(ask)
            if each.metric not in AT_A_TIME
        ]

    def room(self, ask: Claim, metric: Metric, calls: dict[int, Claim]) -> bool | None:
        """Whether one more finds room; None: it is not counted at all."""
        found = [(each.amount, subject, each.scope) for each, subject in self.in_force(ask) if each.metric is metric]
        counts = [
            (
                amount,
                sum(
                    (other.key if scope is Scope.KEY else other.org) == subject and self.counts(other, scope, metric)
                    for other in calls.values()
                ),
            )
            for amount, subject, scope in found
        ]
        return all(count < (amount or 0) for amount, count in counts) if counts else None

    def counts(self, ask: Claim, scope: Scope, metric: Metric) -> bool:
        return any(each.scope is scope and each.metric is metric for each, _ in self.in_force(ask))

    def expected(self, ask: Claim) -> str:
        if not all(log.admits(units_of(log.metric, ask.input, ask.output), self.now) for log in self.logs_of(ask)):
            return "over"
        if self.room(ask, Metric.IN_FLIGHT, self.flying) is not False:
            return "passed"
        never = any(not each.amount for each, _ in self.in_force(ask) if each.metric is Metric.IN_FLIGHT)
        return "over" if never or not self.room(ask, Metric.QUEUED, self.waiting) else "waits"

    @act(target=open_calls, key=st.sampled_from(sorted(KEYS)), tokens=st.tuples(st.integers(0, 70), st.integers(0, 70)))
    def ask(self, key: int, tokens: tuple[int, int]) -> Ticket:
        self.ticket += 1
        ask = claim(self.ticket, KEYS[key], key, 1, Tier.FLEX, *tokens)
        expected, before = self.expected(ask), self.state()
        answer = self.limits.check(ask, Instant(self.now))
        assert expected == ("over" if isinstance(answer, Over) else "waits" if answer.waiting else "passed")
        if isinstance(answer, Over):
            assert self.state() == before, "a refusal counts nothing"
            self.waits_long_enough(ask, answer)
            return 0, ask
        for log in self.logs_of(ask):
            log.entries.append(Entry(self.now, units_of(log.metric, *tokens), admitted=True))
        (self.waiting if answer.waiting else self.flying)[self.ticket] = ask
        self.counted[self.ticket] = tokens
        return self.ticket, ask

    def waits_long_enough(self, ask: Claim, over: Over) -> None:
        """By then every rate lets it pass, and a microsecond before one did not; never: no rate ever would."""
        logs = [(log, units_of(log.metric, ask.input, ask.output)) for log in self.logs_of(ask)]
        if over.metric in AT_A_TIME:
            return
        if over.wait is None:
            assert any(units > log.capacity for log, units in logs)
        else:
            assert all(log.admits(units, self.now + over.wait) for log, units in logs)
            assert not all(log.admits(units, self.now + over.wait - 1) for log, units in logs)

    @act(call=open_calls, tokens=st.tuples(st.integers(0, 200), st.integers(0, 200)))
    def correct(self, call: Ticket, tokens: tuple[int, int]) -> None:
        ticket, ask = call
        self.limits.correct(ticket, *tokens, Instant(self.now))
        if ticket in self.counted:
            before = self.counted[ticket]
            self.counted[ticket] = tokens
            for log in self.logs_of(ask):
                if more := units_of(log.metric, *tokens) - units_of(log.metric, *before):
                    log.entries.append(Entry(self.now, more, admitted=False))

    @act(call=consumes(open_calls), void=st.booleans())
    def end(self, call: Ticket, void: bool) -> None:
        ticket, ask = call
        if void and ticket in self.counted:
            for log in self.logs_of(ask):
                log.entries.append(Entry(self.now, -units_of(log.metric, *self.counted[ticket]), admitted=False))
        started = (self.limits.void if void else self.limits.release)(ticket, Instant(self.now))
        self.counted.pop(ticket, None)
        self.flying.pop(ticket, None)
        self.waiting.pop(ticket, None)
        expected: list[int] = []
        for other, waits in list(self.waiting.items()):
            if waits.org == ask.org and self.room(waits, Metric.IN_FLIGHT, self.flying):
                self.flying[other] = self.waiting.pop(other)
                expected.append(other)
        assert started == expected

    @act(microseconds=st.one_of(st.integers(0, 3 * SECOND), st.integers(0, 200 * SECOND)))
    def pass_time(self, microseconds: int) -> None:
        self.now += microseconds

    def state(self) -> list[tuple[Metric, Scope, int, int, int]]:
        return [
            (row.reading.metric, row.reading.scope, row.reading.used, row.reading.remaining, row.reading.reset)
            for key, org in KEYS.items()
            for row in self.limits.view(key, org, 1, Tier.FLEX, Instant(self.now))
        ]

    @invariant()
    def figures_are_those_of_the_log(self) -> None:
        for key, org in KEYS.items():
            for row in self.limits.view(key, org, 1, Tier.FLEX, Instant(self.now)):
                reading, subject = row.reading, key if row.rule.scope is Scope.KEY else org
                if reading.metric in AT_A_TIME:
                    calls = self.flying if reading.metric is Metric.IN_FLIGHT else self.waiting
                    mine = [
                        ask
                        for ask in calls.values()
                        if (ask.key if reading.scope is Scope.KEY else ask.org) == subject
                        and self.counts(ask, reading.scope, reading.metric)
                    ]
                    assert reading.used == len(mine)
                    assert 0 <= reading.used <= reading.limit
                    continue
                log = self.logs.get((reading.scope, subject, reading.metric))
                level = log.level(self.now) if log else Fraction(0)
                assert reading.used == -(-level // 1)
                if log:
                    assert reading.remaining == max(log.capacity - level, Fraction(0)) // 1
                    assert log.level(self.now + reading.reset) == 0

    @invariant()
    def nobody_waits_for_what_is_free(self) -> None:
        for ask in self.waiting.values():
            assert not self.room(ask, Metric.IN_FLIGHT, self.flying)

    def teardown(self) -> None:
        for log in getattr(self, "logs", {}).values():
            assert log.broken() is None


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40)


class Changing(RuleBasedStateMachine):
    """The rule book changes while calls are open; what is counted must still be what there is."""

    open_calls = Bundle("open_calls")

    def __init__(self) -> None:
        super().__init__()
        self.now, self.ticket = 1_000 * SECOND, 0
        self.limits = Limits(Policy((), MODELS, defaults=()))
        self.flying: dict[int, Claim] = {}
        self.waiting: dict[int, Claim] = {}

    def move(self, started: list[int]) -> None:
        """Each named once, and only such as waited; of one key in order."""
        for ticket in started:
            self.flying[ticket] = self.waiting.pop(ticket)
        for key in KEYS:
            mine = [ticket for ticket in started if self.flying[ticket].key == key]
            assert mine == sorted(mine)

    @act(book=books(), dated=st.booleans())
    def change(self, book: list[Rule], dated: bool) -> None:
        if dated:
            ends = Instant(self.now + 5 * SECOND)
            book += [structs.replace(each, amount=2, ends=ends, id=1) for each in book]
        used = self.used()
        self.move(self.limits.configure(Policy(book, MODELS, defaults=()), Instant(self.now)))
        for place, amount in self.used().items():
            if place[2] not in AT_A_TIME and place in used:
                assert amount == used[place], "what was used stays used"

    @act(target=open_calls, key=st.sampled_from(sorted(KEYS)), tokens=st.integers(0, 30))
    def ask(self, key: int, tokens: int) -> int:
        self.ticket += 1
        ask = claim(self.ticket, KEYS[key], key, 1, Tier.FLEX, tokens, tokens)
        answer = self.limits.check(ask, Instant(self.now))
        if isinstance(answer, Over):
            return 0
        (self.waiting if answer.waiting else self.flying)[self.ticket] = ask
        return self.ticket

    @act(ticket=consumes(open_calls), void=st.booleans())
    def end(self, ticket: int, void: bool) -> None:
        started = (self.limits.void if void else self.limits.release)(ticket, Instant(self.now))
        self.flying.pop(ticket, None)
        self.waiting.pop(ticket, None)
        self.move(started)

    @act(seconds=st.integers(0, 9))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.move(self.limits.wake(Instant(self.now)))

    def rows(self) -> list[tuple[tuple[Scope, int, Metric], Row]]:
        return [
            ((row.rule.scope, key if row.rule.scope is Scope.KEY else org, row.reading.metric), row)
            for key, org in KEYS.items()
            for row in self.limits.view(key, org, 1, Tier.FLEX, Instant(self.now))
        ]

    def used(self) -> dict[tuple[Scope, int, Metric], int]:
        return {place: row.reading.used for place, row in self.rows()}

    @invariant()
    def counts_are_the_calls_that_there_are(self) -> None:
        places = {key: {place for place, _ in self.rows_of(key)} for key in KEYS}
        for place, row in self.rows():
            if row.reading.metric in AT_A_TIME:
                calls = self.flying if row.reading.metric is Metric.IN_FLIGHT else self.waiting
                assert row.reading.used == sum(place in places[ask.key] for ask in calls.values())

    def rows_of(self, key: int) -> list[tuple[tuple[Scope, int, Metric], Row]]:
        return [each for each in self.rows() if each[0][1] in {key, KEYS[key]} and self.in_force(key, each[0])]

    def in_force(self, key: int, place: tuple[Scope, int, Metric]) -> bool:
        found = self.limits.policy.effective(key, KEYS[key], 1, Tier.FLEX, Instant(self.now)).get(place[2], ())
        return any(each.scope is place[0] for each in found)

    @invariant()
    def nobody_waits_for_what_is_free(self) -> None:
        rows = dict(self.rows())
        for ask in self.waiting.values():
            flights = [
                row
                for place, row in rows.items()
                if place[2] is Metric.IN_FLIGHT and place[1] in {ask.key, ask.org} and self.in_force(ask.key, place)
            ]
            assert any(row.reading.remaining == 0 for row in flights)


TestChanging = Changing.TestCase
TestChanging.settings = settings(max_examples=40, stateful_step_count=40)
