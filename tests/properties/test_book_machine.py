"""Any history of commands, against a book-keeper of ten lines. The invariants are those of ledger/README.md."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from puyun.kit.clock import DAY, Instant
from puyun.kit.ids import EPOCH_MS, first_call_at
from puyun.ledger.acts import dispute, giveback, grant, invoicing, topup
from puyun.ledger.acts.dispute import Dispute
from puyun.ledger.acts.giveback import Charged, Payout
from puyun.ledger.acts.grant import Lot, MoneyKind, Move, expired_lot, remaining
from puyun.ledger.acts.invoicing import Invoice
from puyun.ledger.acts.topup import Payment
from puyun.ledger.book import Book, Wallet
from puyun.ledger.budget import Budget, Period, Subject, window_of
from puyun.ledger.chart import BONUS, DISPUTES, INVOICES, Entry
from puyun.ledger.command import (
    Act,
    Command,
    Grow,
    Held,
    Hold,
    Outcome,
    Post,
    Posted,
    Reason,
    Refused,
    Reserve,
    Settle,
    Settled,
)
from puyun.ledger.hold import ENDING, HoldEvent, Status
from puyun.ledger.posting import allowed, effect

ORGS = (1, 2)
KEYS = {10: 1, 11: 1, 20: 2}
MEMBERS = {10: 5, 11: 5, 20: 0}
FIRST_DAY = EPOCH_MS * 1000 + 27 * DAY
"""Three days of January are left."""
BUDGETS = (
    ((1, Subject.KEY, 10), Period.TOTAL, True, 300),
    ((1, Subject.KEY, 10), Period.DAY, True, 150),
    ((1, Subject.MEMBER, 5), Period.MONTH, True, 250),
    ((1, Subject.MEMBER, 5), Period.DAY, False, 20),
    ((1, Subject.ORGANIZATION, 0), Period.DAY, True, 220),
    ((2, Subject.KEY, 20), Period.TOTAL, True, 60),
)
CREDIT = {1: 0, 2: 50}
NOW = Instant(1000)

Place = tuple[int, int]

orgs = st.sampled_from(ORGS)
amounts = st.integers(1, 150)


@dataclass
class Naive:
    """Works everything out again from unbounded ints, each time. `debt`: what invoices ask for; `aside`: payouts."""

    money: defaultdict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    debt: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    aside: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    spent: dict[Place, tuple[int, int]] = field(default_factory=dict)
    holds: dict[Place, tuple[int, int]] = field(default_factory=dict)
    ended: dict[Place, int] = field(default_factory=dict)

    def balance(self, org: int) -> int:
        return self.money[org, "paid"] + self.money[org, "bonus"]

    def held(self, org: int) -> int:
        return self.aside[org] + sum(held for place, (_, held) in self.holds.items() if place[0] == org)

    def free(self, org: int) -> int:
        return self.balance(org) + CREDIT[org] - self.debt[org] - self.held(org)

    def counted(self, place: tuple[int, Subject, int], period: Period, call: int) -> tuple[int, int]:
        """Spent and held of a budget in the window of a call."""
        sums = []
        for amounts in (self.spent, self.holds):
            mine = (
                amount
                for (org, number), (key, amount) in amounts.items()
                if place
                in {(org, Subject.KEY, key), (org, Subject.MEMBER, MEMBERS[key]), (org, Subject.ORGANIZATION, 0)}
                and window_of(period, number) == window_of(period, call)
            )
            sums.append(sum(mine))
        return sums[0], sums[1]

    def room(self, org: int, key: int, call: int) -> int:
        """What the hard budgets leave for a call."""
        places = {(org, Subject.KEY, key), (org, Subject.MEMBER, MEMBERS[key]), (org, Subject.ORGANIZATION, 0)}
        left = [
            limit - sum(self.counted(place, period, call))
            for place, period, hard, limit in BUDGETS
            if hard and place in places
        ]
        return min(left, default=10**18)

    def charge(self, org: int, call: int, key: int, rated: int) -> int:
        _, held = self.holds.pop((org, call))
        taken = rated if rated <= held else min(rated, self.free(org), max(held, self.room(org, key, call)))
        bonus = min(taken, self.money[org, "bonus"])
        self.money[org, "bonus"] -= bonus
        self.money[org, "paid"] -= taken - bonus
        self.spent[org, call] = (key, taken)
        self.ended[org, call] = taken
        return taken


class BookMachine(RuleBasedStateMachine):
    calls = Bundle("calls")
    payouts = Bundle("payouts")
    disputes = Bundle("disputes")
    invoices = Bundle("invoices")

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(
            {org: Wallet(org, credit_limit=CREDIT[org]) for org in ORGS},
        )
        for number, (place, period, hard, limit) in enumerate(BUDGETS):
            self.book.budgets.setdefault(place, []).append(Budget(number, place, period, hard, limit))
        self.naive = Naive()
        self.journal: list = []
        self.notices: list = []
        self.records: dict[Place, Settled] = {}
        self.returned: dict[Place, tuple[int, int]] = {}
        self.posted: dict[tuple[int, str], Posted] = {}
        self.ends: dict[Place, Instant] = {}
        self.debts: defaultdict[int, int] = defaultdict(int)
        self.serial = 0
        self.day = 0

    def act(self) -> Act:
        self.serial += 1
        return Act(f"act-{self.serial}", by="ann", why="because")

    def state(self) -> str:
        return repr((self.book.wallets, self.book.budgets, self.book.holds, self.book.transactions))

    def same_again(self, command: Command, first: Outcome) -> None:
        """I13: repeated at once, nothing changes and the answer is the same."""
        before = self.state()
        assert self.book.apply(command) == first
        assert self.state() == before

    def moves(self, command: Post, **change: int) -> Posted:
        """The Book posts it, once, and the naive book-keeper moves what `change` says."""
        outcome = self.book.apply(command)
        assert isinstance(outcome, Posted)
        for account, amount in change.items():
            self.naive.money[command.org, account] += amount
        assert outcome.balance == self.naive.balance(command.org)
        self.posted[command.org, command.ref] = outcome
        self.same_again(command, outcome)
        return outcome

    # --- calls -------------------------------------------------------------------------------------------------------
    @rule(target=calls, key=st.sampled_from(sorted(KEYS)))
    def new_call(self, key: int) -> tuple[int, int, int]:
        self.serial += 1
        return KEYS[key], first_call_at(Instant(FIRST_DAY + self.day * DAY)) + self.serial, key

    @rule()
    def next_day(self) -> None:
        self.day += 1

    def promised(self, call: tuple[int, int, int]) -> int:
        org, number, key = call
        return max(min(self.naive.free(org), self.naive.room(org, key, number)), 0)

    @rule(call=calls, amount=st.integers(0, 120))
    def hold(self, call: tuple[int, int, int], amount: int) -> None:
        org, number, key = call
        place = (org, number)
        command = Hold(org, number, key, amount, 1, "flex", MEMBERS[key])
        outcome = self.book.apply(command)
        if place in self.naive.ended:
            assert outcome == Refused(Reason.FINISHED)
        elif place in self.naive.holds:
            assert outcome == Held(self.naive.holds[place][1], self.promised(call))
        elif self.book.wallets[org].frozen:
            assert outcome == Refused(Reason.FROZEN, amount)
        elif amount > self.naive.free(org):
            assert outcome == Refused(Reason.CREDIT, amount, self.naive.free(org))
        elif amount > self.naive.room(org, key, number):
            assert isinstance(outcome, Refused)
            assert (outcome.reason, outcome.needed) == (Reason.BUDGET, amount)
            assert self.naive.room(org, key, number) <= outcome.available < amount
        else:
            self.naive.holds[place] = (key, amount)
            assert outcome == Held(amount, self.promised(call))
        self.same_again(command, outcome)

    @rule(call=calls, amount=st.integers(0, 60))
    def grow(self, call: tuple[int, int, int], amount: int) -> None:
        org, number, key = call
        place = (org, number)
        outcome = self.book.apply(Grow(org, number, key, amount, MEMBERS[key]))
        if place not in self.naive.holds:
            assert outcome == Refused(Reason.FINISHED if place in self.naive.ended else Reason.NO_HOLD)
        elif self.book.wallets[org].frozen or amount > min(self.naive.free(org), self.naive.room(org, key, number)):
            assert isinstance(outcome, Refused)
        else:
            self.naive.holds[place] = (key, self.naive.holds[place][1] + amount)
            assert outcome == Held(self.naive.holds[place][1], self.promised(call))

    @rule(call=calls, tenths=st.integers(2, 30), status=st.sampled_from(Status), tier=st.sampled_from(["flex", "test"]))
    def settle(self, call: tuple[int, int, int], tenths: int, status: Status, tier: str) -> None:
        org, number, key = call
        place = (org, number)
        held = self.naive.holds.get(place, (key, 10))[1]
        rated = held * tenths // 10
        available = self.naive.free(org)
        command = Settle(org, number, key, tier, status, rated, MEMBERS[key])
        outcome = self.book.apply(command)
        if place in self.naive.ended:
            assert outcome == self.records[place]  # I8
        elif place not in self.naive.holds:
            assert outcome == Refused(Reason.NO_HOLD)
        else:
            taken = self.naive.charge(org, number, key, rated if ENDING[status] is HoldEvent.SETTLE else 0)
            assert isinstance(outcome, Settled)
            assert outcome.charge == taken
            assert outcome.balance == self.naive.balance(org)
            assert taken <= min(rated, held + available)  # I10
            assert bool(outcome.transaction) == bool(taken)
            self.records[place] = outcome
        self.same_again(command, outcome)

    @rule(call=calls, amount=st.integers(1, 90), correct=st.booleans())
    def give_back(self, call: tuple[int, int, int], amount: int, *, correct: bool) -> None:
        place = call[:2]
        settled = self.records.get(place, Settled(0, 0, 0, 0))
        returned, bonus = self.returned.get(place, (0, 0))
        charged = Charged(
            org=place[0],
            tier="flex",
            charge=settled.charge,
            from_bonus=settled.from_bonus,
            returned=returned,
            returned_bonus=bonus,
        )
        post = (
            giveback.correction(charged, amount, self.act())
            if correct
            else giveback.refund(charged, amount, self.act())
        )
        over = settled.charge - returned - amount if correct else amount
        if isinstance(post, Refused):
            assert over <= 0 or over > settled.charge - returned
            return
        change = effect(*post.lines)
        assert change.paid + change.bonus == over
        self.moves(post, paid=change.paid, bonus=change.bonus)
        self.returned[place] = (returned + over, bonus + change.bonus)
        assert self.returned[place][0] <= settled.charge
        assert self.returned[place][1] <= settled.from_bonus

    # --- money in ----------------------------------------------------------------------------------------------------
    @rule(org=orgs, amount=amounts, bonus=st.booleans(), ref=st.sampled_from("abcdefgh"))
    def money_in(self, org: int, amount: int, ref: str, *, bonus: bool) -> None:
        """I20: credited at most once."""
        act = Act(ref)
        post = grant.bonus(org, amount, act) if bonus else topup.top_up(org, Payment(amount=amount), act)
        assert isinstance(post, Post)
        if (org, ref) in self.posted:
            assert self.book.apply(post) == self.posted[org, ref]
        else:
            self.moves(post, **{"bonus" if bonus else "paid": amount})

    @rule(org=orgs, amount=amounts, tax=st.integers(1, 30), percent=st.integers(1, 100))
    def tax_and_fee_are_not_the_wallet_s(self, org: int, amount: int, tax: int, percent: int) -> None:
        fee = max(amount * percent // 100, 1)
        payment, act = Payment(amount=amount, tax=tax, area="DE", fee=fee), self.act()
        for post, change in ((topup.top_up(org, payment, act), amount), (topup.payment_fee(org, payment, act), 0)):
            assert isinstance(post, Post)
            self.moves(post, paid=change)

    @rule(org=orgs, amount=amounts, days=st.integers(1, 9))
    def lot_that_expires(self, org: int, amount: int, days: int) -> None:
        post = grant.bonus(org, amount, self.act())
        assert isinstance(post, Post)
        number = self.moves(post, bonus=amount).transaction
        self.ends[org, number] = Instant(NOW - days)

    @rule(org=orgs, amount=amounts, kind=st.sampled_from(MoneyKind))
    def sla_credit(self, org: int, amount: int, kind: MoneyKind) -> None:
        post = grant.sla_credit(org, amount, kind, "availability", self.act())
        assert isinstance(post, Post)
        self.moves(post, **{kind: amount})

    # --- money out ---------------------------------------------------------------------------------------------------
    @rule(org=orgs, amount=amounts, kind=st.sampled_from(MoneyKind))
    def money_out(self, org: int, amount: int, kind: MoneyKind) -> None:
        """I21: never what is held, never one kind for the other."""
        post = grant.adjustment(org, -amount, kind, self.act())
        assert isinstance(post, Post)
        mine = self.naive.money[org, kind] + (CREDIT[org] if kind is MoneyKind.PAID else 0)
        if amount > min(self.naive.free(org), mine):
            before = self.state()
            assert isinstance(self.book.apply(post), Refused)
            assert self.state() == before
        else:
            self.moves(post, **{kind: -amount})

    @rule(org=orgs)
    def expire_what_is_due(self, org: int) -> None:
        for lot in self.lots(org):
            free = self.naive.free(org)
            post = grant.expiry(org, lot, min(free, self.naive.money[org, "bonus"]), NOW)
            if isinstance(post, Refused):
                continue
            taken = -effect(*post.lines).bonus
            assert taken == min(lot.rest, free)
            if (org, post.ref) in self.posted:
                assert self.book.apply(post) == self.posted[org, post.ref]
            else:
                self.moves(post, bonus=-taken)

    @rule(target=payouts, org=orgs, amount=amounts)
    def ask_payout(self, org: int, amount: int) -> object:
        payout = Payout(org=org, amount=amount, processor="manual")
        command = giveback.payout(payout, self.naive.money[org, "paid"], 10**18, self.act())
        if isinstance(command, Refused):
            assert amount > self.naive.money[org, "paid"]
            return multiple()
        outcome = self.book.apply(command)
        if isinstance(outcome, Refused):
            assert self.book.wallets[org].frozen or amount > self.naive.free(org)
            return multiple()
        self.naive.aside[org] += amount
        return payout

    @rule(payout=consumes(payouts), paid=st.booleans())
    def end_payout(self, payout: Payout, *, paid: bool) -> None:
        org = payout.org
        if paid and payout.amount <= self.naive.money[org, "paid"] + CREDIT[org]:
            self.naive.aside[org] -= payout.amount
            self.moves(giveback.paid_out(payout, self.act()), paid=-payout.amount)
        else:
            assert not paid or isinstance(self.book.apply(giveback.paid_out(payout, self.act())), Refused)
            assert isinstance(self.book.apply(giveback.payout_cancelled(payout)), Held)
            self.naive.aside[org] -= payout.amount

    @rule(target=disputes, org=orgs, amount=amounts, fee=st.integers(0, 9))
    def open_dispute(self, org: int, amount: int, fee: int) -> tuple[Dispute, Act]:
        paid, act = self.naive.money[org, "paid"], self.act()
        covered = max(min(amount, paid, self.naive.free(org)), 0)
        opened = dispute.opened(
            Dispute(org=org, amount=amount, processor="manual", fee=fee), paid, self.naive.free(org), act
        )
        assert not isinstance(opened, Refused)
        self.moves(opened[0], paid=-covered)
        self.debts[org] += amount - covered
        self.book.wallets[org].frozen = True
        return opened[1], act

    @rule(opened=consumes(disputes), won=st.booleans())
    def end_dispute(self, opened: tuple[Dispute, Act], *, won: bool) -> None:
        found, act = opened
        self.debts[found.org] -= found.debt
        if won:
            self.moves(dispute.won(found, act), paid=found.amount - found.debt)
        else:
            post = dispute.lost(found, act)
            assert isinstance(post, Post) == bool(found.debt)
            if isinstance(post, Post):
                self.moves(post)
        self.book.wallets[found.org].frozen = False

    # --- invoices ----------------------------------------------------------------------------------------------------
    @rule(target=invoices, org=orgs, percent=st.integers(1, 110))
    def issue_invoice(self, org: int, percent: int) -> object:
        owed = -self.naive.money[org, "paid"]
        amount = owed * percent // 100
        post = invoicing.issued(org, amount, owed, self.act())
        if isinstance(post, Refused):
            assert amount <= 0 or amount > owed
            return multiple()
        before = self.naive.free(org)
        self.naive.debt[org] += amount
        self.moves(post, paid=amount)
        assert self.naive.free(org) == self.book.wallets[org].available == before
        return Invoice(number=self.serial, org=org, amount=amount)

    @rule(invoice=consumes(invoices), paid=st.booleans())
    def end_invoice(self, invoice: Invoice, *, paid: bool) -> None:
        post = (
            invoicing.paid(invoice, "main", self.act()) if paid else invoicing.written_off(invoice, "bob", self.act())
        )
        assert isinstance(post, Post)
        self.naive.debt[invoice.org] -= invoice.amount
        self.moves(post)

    @rule(org=orgs, amount=amounts)
    def nothing_is_released_that_is_not_held(self, org: int, amount: int) -> None:
        held = self.naive.held(org)
        before = self.state()
        assert self.book.apply(Reserve(org, -held - amount)) == Refused(Reason.NO_HOLD, held + amount, held)
        assert self.state() == before

    @rule()
    def commit(self) -> None:
        """I11: what a transaction writes is all the next one knows."""
        self.journal += self.book.transactions
        self.notices += self.book.notices
        wallets, budgets = dict(self.book.wallets), dict(self.book.budgets)
        self.book = Book(wallets, budgets, dict(self.book.holds), dict(self.book.ended), dict(self.book.posted))

    def budgets(self) -> list[Budget]:
        return [budget for budgets in self.book.budgets.values() for budget in budgets]

    @invariant()
    def notices_are_told_once_each_when_due(self) -> None:
        told = [(notice.budget, notice.window, notice.percent) for notice in self.notices + self.book.notices]
        due = [
            (budget.id, number, percent)
            for budget in self.budgets()
            for number, window in budget.windows.items()
            for percent in (50, 80, 100)
            if window.spent * 100 >= budget.limit * percent
        ]
        assert sorted(told) == sorted(due)

    # --- what is always so -------------------------------------------------------------------------------------------
    def written(self, org: int) -> list:
        return sorted((t for t in self.journal + self.book.transactions if t.org == org), key=lambda t: t.number)

    def lots(self, org: int) -> list[Lot]:
        changes = [(t, effect(*t.lines).bonus) for t in self.written(org)]
        return remaining(
            Move(t.number, bonus, self.ends.get((org, t.number)), expired_lot(t.entry, t.ref))
            for t, bonus in changes
            if bonus
        )

    @invariant()
    def i4_nothing_is_below_zero(self) -> None:
        for wallet in self.book.wallets.values():
            assert min(wallet.available, wallet.bonus, wallet.held, wallet.open_invoices) >= 0
        for budget in self.budgets():
            for window in budget.windows.values():
                assert min(window.spent, window.held) >= 0
                assert not budget.hard or window.spent + window.held <= budget.limit

    @invariant()
    def i5_held_is_the_sum_of_the_open_holds_and_payouts(self) -> None:
        assert self.book.holds == {place: held for place, (_, held) in self.naive.holds.items()}
        for org, wallet in self.book.wallets.items():
            assert wallet.held == self.naive.held(org)
            assert wallet.available == self.naive.free(org)
            assert wallet.open_invoices == self.naive.debt[org]
        for budget in self.budgets():
            for _, number in self.naive.spent.keys() | self.naive.holds.keys():
                window = budget.window(window_of(budget.period, number))
                assert (window.spent, window.held) == self.naive.counted(budget.place, budget.period, number)

    @invariant()
    def i6_wallets_are_the_sum_of_their_lines_and_numbers_have_no_gap(self) -> None:
        for org, wallet in self.book.wallets.items():
            written = self.written(org)
            change = effect(*(line for t in written for line in t.lines))
            assert (wallet.paid, wallet.bonus, wallet.open_invoices) == change
            assert (wallet.paid, wallet.bonus) == (self.naive.money[org, "paid"], self.naive.money[org, "bonus"])
            assert [t.number for t in written] == list(range(1, wallet.last + 1))
            assert all(allowed(t.entry, line.debit, line.credit) for t in written for line in t.lines)

    @invariant()
    def i8_i9_a_call_is_open_or_ended_and_ends_once(self) -> None:
        assert not set(self.book.holds) & set(self.book.ended)
        assert set(self.book.ended) == set(self.naive.ended)

    @invariant()
    def receivables_are_open_invoices_and_debts_of_disputes(self) -> None:
        for org in ORGS:
            lines = [line for t in self.written(org) for line in t.lines]
            for account, expected in ((INVOICES, self.naive.debt[org]), (DISPUTES, self.debts[org])):
                balance = sum(
                    (line.debit == account) * line.amount - (line.credit == account) * line.amount for line in lines
                )
                assert balance == expected

    @invariant()
    def lots_add_up_to_the_bonus(self) -> None:
        for org in ORGS:
            assert sum(lot.rest for lot in self.lots(org)) == self.book.wallets[org].bonus

    @invariant()
    def charges_are_what_the_usage_lines_took(self) -> None:
        for org in ORGS:
            lines = [line for t in self.written(org) if t.entry is Entry.USAGE for line in t.lines]
            mine = [record for place, record in self.records.items() if place[0] == org]
            assert sum(line.amount for line in lines) == sum(record.charge for record in mine)
            assert sum(line.amount for line in lines if line.debit == BONUS) == sum(r.from_bonus for r in mine)


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=60, stateful_step_count=60)
