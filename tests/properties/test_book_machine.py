"""Any history of commands, against a book-keeper of ten lines. The invariants are those of ledger/README.md."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from puyun.ledger.book import Book, Budget, Wallet
from puyun.ledger.chart import BONUS, GOODWILL, PAID, PROMO, Entry, processor
from puyun.ledger.command import Command, Grow, Held, Hold, Outcome, Post, Posted, Reason, Refused, Settle, Settled
from puyun.ledger.hold import ENDING, HoldEvent, Status
from puyun.ledger.posting import Line, allowed, effect

ORGS = (1, 2)
KEYS = {10: 1, 11: 1, 20: 2}
BUDGETS = {10: 200, 20: 60}
CREDIT = {1: 0, 2: 50}

Place = tuple[int, int]


@dataclass
class Naive:
    """Works everything out again from the open holds, each time."""

    money: dict[int, int] = field(default_factory=lambda: dict.fromkeys(ORGS, 0))
    spent: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    holds: dict[Place, tuple[int, int]] = field(default_factory=dict)
    ended: dict[Place, int] = field(default_factory=dict)

    def free(self, org: int) -> int:
        return self.money[org] + CREDIT[org] - sum(held for place, (_, held) in self.holds.items() if place[0] == org)

    def budget(self, key: int) -> int:
        held = sum(held for by, held in self.holds.values() if by == key)
        return BUDGETS.get(key, 10**18) - self.spent[key] - held

    def charge(self, org: int, call: int, key: int, rated: int) -> int:
        _, held = self.holds.pop((org, call))
        taken = rated if rated <= held else min(rated, self.free(org), max(held, self.budget(key)))
        self.money[org] -= taken
        self.spent[key] += taken
        self.ended[org, call] = taken
        return taken


class BookMachine(RuleBasedStateMachine):
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(
            {org: Wallet(org, credit_limit=CREDIT[org]) for org in ORGS},
            {key: Budget(key, limit) for key, limit in BUDGETS.items()},
        )
        self.naive = Naive()
        self.journal: list = []
        self.records: dict[Place, Settled] = {}
        self.posted: dict[tuple[int, str], Posted] = {}
        self.next_call = 0

    def same_again(self, command: Command, first: Outcome) -> None:
        """I13: repeated at once, nothing changes and the answer is the same."""
        before = repr((self.book.wallets, self.book.budgets, self.book.holds, self.book.transactions))
        assert self.book.apply(command) == first
        assert repr((self.book.wallets, self.book.budgets, self.book.holds, self.book.transactions)) == before

    @rule(target=calls, key=st.sampled_from(sorted(KEYS)))
    def new_call(self, key: int) -> tuple[int, int, int]:
        self.next_call += 1
        return KEYS[key], self.next_call, key

    @rule(call=calls, amount=st.integers(0, 120))
    def hold(self, call: tuple[int, int, int], amount: int) -> None:
        org, number, key = call
        place = (org, number)
        command = Hold(org, number, key, amount, 1, "flex")
        outcome = self.book.apply(command)
        if place in self.naive.ended:
            assert outcome == Refused(Reason.FINISHED)
        elif place in self.naive.holds:
            assert outcome == Held(self.naive.holds[place][1], self.naive.free(org))
        elif self.book.wallets[org].frozen:
            assert outcome == Refused(Reason.FROZEN, amount)
        elif amount > self.naive.free(org):
            assert outcome == Refused(Reason.CREDIT, amount, self.naive.free(org))
        elif amount > self.naive.budget(key):
            assert outcome == Refused(Reason.BUDGET, amount, self.naive.budget(key))
        else:
            self.naive.holds[place] = (key, amount)
            assert outcome == Held(amount, self.naive.free(org))
        self.same_again(command, outcome)

    @rule(call=calls, amount=st.integers(0, 60))
    def grow(self, call: tuple[int, int, int], amount: int) -> None:
        org, number, key = call
        place = (org, number)
        outcome = self.book.apply(Grow(org, number, key, amount))
        if place not in self.naive.holds:
            assert outcome == Refused(Reason.FINISHED if place in self.naive.ended else Reason.NO_HOLD)
        elif self.book.wallets[org].frozen or amount > min(self.naive.free(org), self.naive.budget(key)):
            assert isinstance(outcome, Refused)
        else:
            self.naive.holds[place] = (key, self.naive.holds[place][1] + amount)
            assert outcome == Held(self.naive.holds[place][1], self.naive.free(org))

    @rule(call=calls, tenths=st.integers(2, 30), status=st.sampled_from(Status), tier=st.sampled_from(["flex", "test"]))
    def settle(self, call: tuple[int, int, int], tenths: int, status: Status, tier: str) -> None:
        org, number, key = call
        place = (org, number)
        held = self.naive.holds.get(place, (key, 10))[1]
        rated = held * tenths // 10
        available = self.naive.free(org)
        command = Settle(org, number, key, tier, status, rated)
        outcome = self.book.apply(command)
        if place in self.naive.ended:
            assert outcome == self.records[place]  # I8
        elif place not in self.naive.holds:
            assert outcome == Refused(Reason.NO_HOLD)
        else:
            taken = self.naive.charge(org, number, key, rated if ENDING[status] is HoldEvent.SETTLE else 0)
            assert isinstance(outcome, Settled)
            assert outcome.charge == taken
            assert outcome.balance == self.naive.money[org]
            assert taken <= min(rated, held + available)  # I10
            assert bool(outcome.transaction) == bool(taken)
            self.records[place] = outcome
        self.same_again(command, outcome)

    @rule(org=st.sampled_from(ORGS), amount=st.integers(1, 150), bonus=st.booleans(), ref=st.sampled_from("abcdefgh"))
    def money_in(self, org: int, amount: int, ref: str, *, bonus: bool) -> None:
        line = Line(PROMO, BONUS, amount) if bonus else Line(processor("manual"), PAID, amount)
        command = Post(org, Entry.BONUS if bonus else Entry.TOPUP, (line,), ref)
        outcome = self.book.apply(command)
        if (org, ref) in self.posted:
            assert outcome == self.posted[org, ref]  # I20: credited at most once
        else:
            self.naive.money[org] += amount
            assert isinstance(outcome, Posted)
            assert outcome.balance == self.naive.money[org]
            self.posted[org, ref] = outcome
        self.same_again(command, outcome)

    @rule(org=st.sampled_from(ORGS), amount=st.integers(1, 150))
    def money_out(self, org: int, amount: int) -> None:
        ref = f"out-{len(self.posted)}"
        outcome = self.book.apply(Post(org, Entry.ADJUSTMENT, (Line(PAID, GOODWILL, amount),), ref))
        if amount > self.naive.free(org):
            assert outcome == Refused(Reason.CREDIT, amount, self.naive.free(org))  # I21
        else:
            self.naive.money[org] -= amount
            assert isinstance(outcome, Posted)
            self.posted[org, ref] = outcome

    @rule(org=st.sampled_from(ORGS))
    def freeze_or_thaw(self, org: int) -> None:
        self.book.wallets[org].frozen = not self.book.wallets[org].frozen

    @rule()
    def commit(self) -> None:
        """I11: what a transaction writes is all the next one knows."""
        self.journal += self.book.transactions
        wallets, budgets = dict(self.book.wallets), dict(self.book.budgets)
        self.book = Book(wallets, budgets, dict(self.book.holds), dict(self.book.ended), dict(self.book.posted))

    @invariant()
    def i4_nothing_is_below_zero(self) -> None:
        for wallet in self.book.wallets.values():
            assert min(wallet.available, wallet.bonus, wallet.held) >= 0
        for budget in self.book.budgets.values():
            assert min(budget.available, budget.spent, budget.held) >= 0

    @invariant()
    def i5_held_is_the_sum_of_the_open_holds(self) -> None:
        assert self.book.holds == {place: held for place, (_, held) in self.naive.holds.items()}
        for org, wallet in self.book.wallets.items():
            assert wallet.held == sum(held for place, held in self.book.holds.items() if place[0] == org)
            assert wallet.available == self.naive.free(org)
        for key, budget in self.book.budgets.items():
            assert budget.available == self.naive.budget(key)

    @invariant()
    def i6_wallets_are_the_sum_of_their_lines_and_numbers_have_no_gap(self) -> None:
        written = self.journal + self.book.transactions
        for org, wallet in self.book.wallets.items():
            effects = [effect(line) for t in written if t.org == org for line in t.lines]
            assert (wallet.paid, wallet.bonus) == (sum(paid for paid, _ in effects), sum(bonus for _, bonus in effects))
            assert sorted(t.number for t in written if t.org == org) == list(range(1, wallet.last + 1))
        assert all(allowed(t.entry, line.debit, line.credit) for t in written for line in t.lines)

    @invariant()
    def i8_i9_a_call_is_open_or_ended_and_ends_once(self) -> None:
        assert not set(self.book.holds) & set(self.book.ended)
        assert set(self.book.ended) == set(self.naive.ended)

    @invariant()
    def charges_are_what_the_usage_lines_took(self) -> None:
        written = [t for t in self.journal + self.book.transactions if t.entry is Entry.USAGE]
        for org in ORGS:
            lines = sum(line.amount for t in written if t.org == org for line in t.lines)
            bonus = sum(line.amount for t in written if t.org == org for line in t.lines if line.debit == BONUS)
            mine = [record for place, record in self.records.items() if place[0] == org]
            assert lines == sum(record.charge for record in mine)
            assert bonus == sum(record.from_bonus for record in mine)


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
