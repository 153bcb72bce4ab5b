"""One transaction's commands: what has to be read for them, and the rows that what the book decided comes to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec

from puyun.kit.clock import Instant, hour_of
from puyun.kit.ids import call_started, format_id
from puyun.kit.money import charge_of
from puyun.ledger.book import Book, Wallet
from puyun.ledger.budget import Budget, Notice, Period, Subject, Window, window_of
from puyun.ledger.command import Grow, Held, Hold, Outcome, Settle, Settled
from puyun.ledger.hold import Status
from puyun.metering.record import Flag, UsageRecord
from puyun.metering.usage import BUCKETS, NO_USAGE, Usage
from puyun.storage.ledger.codes import STATUS_CODE, TIER_CODE, TIER_NAME
from puyun.storage.ledger.inbox import NOTHING, Noted, post_of
from puyun.storage.ledger.store import Ask

Row = Sequence[Any]

Place = tuple[int, int]
"""(organization, call)."""

_buckets: Callable[[Usage], tuple[int, ...]] = attrgetter(*BUCKETS)


@dataclass(slots=True)
class Changes:
    """Rows to write, each in the order of columns of its statement in the .sql files."""

    opened: list[Row] = field(default_factory=list[Row])
    grown: list[Row] = field(default_factory=list[Row])
    closed: list[Row] = field(default_factory=list[Row])
    records: list[Row] = field(default_factory=list[Row])
    rollups: list[Row] = field(default_factory=list[Row])
    lines: list[Row] = field(default_factory=list[Row])
    wallets: list[Row] = field(default_factory=list[Row])
    windows: list[Row] = field(default_factory=list[Row])
    posts: list[Row] = field(default_factory=list[Row])
    events: list[Row] = field(default_factory=list[Row])


class Batch:
    """`orgs`, `subjects` and `places` are what the commands name; `holds`, `settles` say which kinds there are."""

    def __init__(self, asks: Sequence[Ask], noted: Noted = NOTHING) -> None:
        self.asks = asks
        self._noted = noted
        self._commands = [_command(ask) for ask in asks]
        self.orgs = {command.org for command in self._commands}
        self.subjects = {subject for command in self._commands for subject in _subjects(command)}
        self.places = {(command.org, command.call) for command in self._commands}
        self.settles = any(isinstance(ask, UsageRecord) for ask in asks)
        self.holds = any(isinstance(ask, Hold) for ask in asks)

    @property
    def windows(self) -> tuple[int, int, int, int]:
        """The first and the last day, the first and the last month, that the calls count in."""
        calls = [call for _, call in self.places]
        first, last = min(calls), max(calls)
        day, month = Period.DAY, Period.MONTH
        return window_of(day, first), window_of(day, last), window_of(month, first), window_of(month, last)

    def decide(self, book: Book, *, now: Instant, owner: int) -> tuple[list[Outcome], Changes]:
        """Apply every command. `book` is what was read under the lock; what was refused leaves no row."""
        before = _Before(book)
        outcomes = [book.apply(command) for command in self._commands]
        return outcomes, self._changes(book, before, outcomes, now=now, owner=owner)

    def _changes(self, book: Book, before: "_Before", outcomes: list[Outcome], *, now: Instant, owner: int) -> Changes:
        opened: dict[Place, Hold] = {}
        grown: set[Place] = set()
        ended: dict[Place, tuple[UsageRecord, Settled]] = {}
        for ask, outcome in zip(self.asks, outcomes, strict=True):
            place = (ask.org, ask.call)
            if isinstance(ask, UsageRecord):
                if isinstance(outcome, Settled) and place not in before.ended:
                    ended.setdefault(place, (ask, outcome))
            elif isinstance(outcome, Held):
                if isinstance(ask, Grow):
                    grown.add(place)
                elif place not in before.open:
                    opened.setdefault(place, ask)
        still = book.holds
        changes = Changes()
        changes.opened = [_hold_row(opened[p], still[p], owner) for p in opened if p in still]
        changes.grown = [(still[p], *p) for p in grown - opened.keys() if p in still]
        changes.closed = [p for p in ended if p in before.open]
        changes.records = [_record_row(*end) for end in ended.values()]
        changes.rollups = _rollups(ended.values())
        changes.lines = [
            (t.org, t.number, index, t.entry, line.debit, line.credit, line.amount, now, t.ref, t.note)
            for t in book.transactions
            for index, line in enumerate(t.lines)
        ]
        changes.wallets = [(*_balances(w), w.org) for w in book.wallets.values() if before.changed(w)]
        changes.windows = [
            (*place, *sums) for place, sums in _windows(book).items() if before.windows.get(place, (0, 0)) != sums
        ]
        if ended or self._noted:
            changes.posts = [(now, post_of([record for record, _ in ended.values()], self._noted))]
        if book.notices:
            known = {budget.id: budget for budgets in book.budgets.values() for budget in budgets}
            changes.events = [_event(notice, known[notice.budget], now) for notice in book.notices]
        return changes


class _Before:
    """What was open, what had ended, and what the wallets were, before the batch."""

    def __init__(self, book: Book) -> None:
        self.open = set(book.holds)
        self.ended = set(book.ended)
        self.windows = _windows(book)
        self._wallets = {org: _balances(wallet) for org, wallet in book.wallets.items()}

    def changed(self, wallet: Wallet) -> bool:
        return self._wallets[wallet.org] != _balances(wallet)


def _windows(book: Book) -> dict[tuple[int, int], tuple[int, int]]:
    """(budget, window) -> (spent, held)."""
    return {
        (budget.id, number): (window.spent, window.held)
        for budgets in book.budgets.values()
        for budget in budgets
        for number, window in budget.windows.items()
    }


def book_of(wallets: Iterable[Row], budgets: Iterable[Row], holds: Iterable[Row], ended: Iterable[Row]) -> Book:
    """The book of rows as the statements `wallets`, `budgets`, `holds` and `ended` return them."""
    book = Book({row[0]: _wallet(row) for row in wallets})
    for row in budgets:
        _add_budget(book, row)
    book.holds = {(row[0], row[1]): row[2] for row in holds}
    book.ended = {(row[0], row[1]): Settled(row[2], row[3], row[4], row[5]) for row in ended}
    return book


def _wallet(row: Row) -> Wallet:
    org, paid, bonus, held, credit_limit, open_invoices, frozen, last, *_ = row
    return Wallet(org, paid, bonus, held, credit_limit, open_invoices, bool(frozen), last)


def _add_budget(book: Book, row: Row) -> None:
    """One row for each window of a budget that the calls count in, or one without a window."""
    org, subject, number, budget, period, hard, limit, since, window, spent, held = row
    place = (org, Subject(subject), number)
    known = book.budgets.setdefault(place, [])
    found = next((each for each in known if each.id == budget), None)
    if found is None:
        found = Budget(budget, place, Period(period), bool(hard), limit, since)
        known.append(found)
    if window is not None:
        found.windows[window] = Window(spent, held)


def crashed(row: Row) -> UsageRecord:
    """The record of a call whose process died, from its hold as the statement `orphans` returns it."""
    org, call, amount, key, model, tier, member = row
    return _free(Hold(org, call, key, amount, model, TIER_NAME[tier], member), Status.CRASHED, "crashed")


def void(hold: Hold) -> UsageRecord:
    """Ends a hold of which nobody knows whether it came to be; where it did not, nothing is written."""
    return _free(hold, Status.FAILED, "unrecorded")


def _free(hold: Hold, status: Status, error: str) -> UsageRecord:
    return UsageRecord(
        org=hold.org,
        call=hold.call,
        key=hold.key,
        model=hold.model,
        deployment=0,
        tier=hold.tier,
        tier_requested=hold.tier,
        status=status,
        usage=NO_USAGE,
        exact=0,
        held=hold.amount,
        price_ids="",
        error=error,
        member=hold.member,
    )


def _command(ask: Ask) -> Hold | Grow | Settle:
    if isinstance(ask, UsageRecord):
        return Settle(ask.org, ask.call, ask.key, ask.tier, ask.status, charge_of(ask.exact), ask.member)
    return ask


def _subjects(command: Hold | Grow | Settle) -> Iterator[tuple[int, int, int]]:
    """Who may have a budget that the command counts against."""
    org = command.org
    yield org, Subject.ORGANIZATION.value, 0
    yield org, Subject.KEY.value, command.key
    if command.member:
        yield org, Subject.MEMBER.value, command.member


def _event(notice: Notice, budget: Budget, now: Instant) -> Row:
    """Its payload is `notices.kinds.BudgetReached`."""
    subject = f"{notice.budget}:{notice.window}:{notice.percent}"
    _, of, number = budget.place
    data = {
        "percent": notice.percent,
        "spent": notice.spent,
        "limit": notice.limit,
        "window": notice.window,
        "budget": format_id("budget", notice.budget),
        "of": of.name.lower(),
        "id": format_id(_NAMED[of], number) if of in _NAMED else "",
        "period": budget.period.name.lower(),
    }
    return (notice.org, "budget.reached", subject, now, msgspec.json.encode(data).decode())


_NAMED = {Subject.KEY: "key", Subject.MEMBER: "user"}


def _balances(wallet: Wallet) -> tuple[int, int, int, int]:
    return wallet.paid, wallet.bonus, wallet.held, wallet.last


def _hold_row(hold: Hold, amount: int, owner: int) -> Row:
    return (hold.org, hold.call, amount, hold.key, owner, hold.model, TIER_CODE[hold.tier])


def _record_row(record: UsageRecord, settled: Settled) -> Row:
    flags = record.flags
    if settled.charge < charge_of(record.exact):
        flags |= Flag.OVERRUN
    return (
        record.org,
        record.call,
        settled.transaction,
        record.key,
        record.model,
        record.deployment,
        TIER_CODE[record.tier],
        TIER_CODE[record.tier_requested],
        STATUS_CODE[record.status],
        int(flags),
        *_buckets(record.usage),
        record.exact,
        settled.charge,
        settled.from_bonus,
        record.held,
        settled.balance,
        record.price_ids,
        record.attempts,
        record.queue_ms,
        record.ttft_ms,
        record.total_ms,
        record.error,
    )


def _rollups(ended: Iterable[tuple[UsageRecord, Settled]]) -> list[Row]:
    """Summed per cell, so that a batch touches each cell once."""
    cells: dict[tuple[Any, ...], list[int]] = {}
    for record, settled in ended:
        hour = hour_of(call_started(record.call))
        cell = (record.org, hour, record.key, record.model, TIER_CODE[record.tier])
        failed = record.status is Status.FAILED or record.status is Status.CRASHED
        added = (1, int(failed), *_buckets(record.usage), settled.charge)
        sums = cells.get(cell)
        if sums is None:
            cells[cell] = list(added)
        else:
            for index, value in enumerate(added):
                sums[index] += value
    return [(*cell, *sums) for cell, sums in cells.items()]
