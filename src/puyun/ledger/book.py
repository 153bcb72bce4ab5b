"""The book: state in, decisions out. Storage loads the state under the database's lock and writes what changed.

One Book lives for one database transaction. The same rules run on every database, in memory and in simulation.
"""

from dataclasses import dataclass, field

from puyun.kit.money import WALLET_MAX
from puyun.ledger.budget import Budget, Guard, Notice, Place, guards_of
from puyun.ledger.chart import BONUS, PAID, Entry, revenue
from puyun.ledger.command import (
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
from puyun.ledger.hold import ENDING, HoldEvent
from puyun.ledger.posting import Effect, Line, Transaction, effect


@dataclass(slots=True)
class Wallet:
    """One organization's wallet as the database row has it; `last` is the number of its last transaction."""

    org: int
    paid: int = 0
    bonus: int = 0
    held: int = 0
    credit_limit: int = 0
    open_invoices: int = 0
    frozen: bool = False
    last: int = 0

    @property
    def available(self) -> int:
        return self.paid + self.bonus + self.credit_limit - self.open_invoices - self.held

    @property
    def balance(self) -> int:
        return self.paid + self.bonus


@dataclass(slots=True)
class _Usage:
    """The usage transaction of one wallet in this commit: amounts by tier, split by where the money came from."""

    number: int
    paid: dict[str, int] = field(default_factory=dict[str, int])
    bonus: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class Book:
    """`holds` are the open holds of the calls that the commands name: (organization, call) -> nano-units.

    After `apply` of every command, `transactions` are the postings to write; wallets, budgets and holds hold the
    new values, `notices` are due. `ended` are the outcomes of calls that ended before (a replay reads its answer from
    there).
    """

    wallets: dict[int, Wallet]
    budgets: dict[Place, list[Budget]] = field(default_factory=dict[Place, list[Budget]])
    holds: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    ended: dict[tuple[int, int], Settled] = field(default_factory=dict[tuple[int, int], Settled])
    posted: dict[tuple[int, str], Posted] = field(default_factory=dict[tuple[int, str], Posted])
    notices: list[Notice] = field(default_factory=list[Notice])
    _usage: dict[int, _Usage] = field(default_factory=dict[int, _Usage])
    _posts: list[Transaction] = field(default_factory=list[Transaction])

    def apply(self, command: Command) -> Outcome:
        """Decide one command. A refusal changes nothing; a repeated command gets the first answer (I13)."""
        wallet = self.wallets.get(command.org)
        if wallet is None:
            return Refused(Reason.NO_WALLET)
        match command:
            case Hold():
                return self._hold(wallet, command)
            case Settle():
                return self._settle(wallet, command)
            case Grow():
                return self._grow(wallet, command)
            case Post():
                return self._post(wallet, command)
            case Reserve():
                return self._set_aside(wallet, command.amount)

    def _hold(self, wallet: Wallet, command: Hold) -> Held | Refused:
        place = (command.org, command.call)
        if place in self.ended:
            return Refused(Reason.FINISHED)
        guards = self._guards(command)
        if place in self.holds:
            return Held(self.holds[place], _promisable(wallet, guards))
        return self._reserve(wallet, guards, command)

    def _grow(self, wallet: Wallet, command: Grow) -> Held | Refused:
        place = (command.org, command.call)
        if place not in self.holds:
            return Refused(Reason.FINISHED if place in self.ended else Reason.NO_HOLD)
        return self._reserve(wallet, self._guards(command), command)

    def _settle(self, wallet: Wallet, command: Settle) -> Settled | Refused:
        place = (command.org, command.call)
        if place in self.ended:
            return self.ended[place]
        held = self.holds.pop(place, None)
        if held is None:
            return Refused(Reason.NO_HOLD)
        guards = self._guards(command)
        wallet.held -= held
        for guard in guards:
            guard.hold(-held)
        charge = command.rated if ENDING[command.status] is HoldEvent.SETTLE else 0
        if charge > held:
            charge = _affordable(wallet, guards, held, charge)
        from_bonus = min(charge, wallet.bonus)
        wallet.bonus -= from_bonus
        wallet.paid -= charge - from_bonus
        for guard in guards:
            self.notices += guard.charge(charge)
        number = self._charge(wallet, command.tier, charge, from_bonus) if charge else 0
        settled = Settled(charge, from_bonus, wallet.paid + wallet.bonus, number)
        self.ended[place] = settled
        return settled

    def _guards(self, command: Hold | Grow | Settle) -> list[Guard]:
        if not self.budgets:
            return []
        return guards_of(self.budgets, command.org, command.key, command.member, command.call)

    def _reserve(self, wallet: Wallet, guards: list[Guard], command: Hold | Grow) -> Held | Refused:
        amount = command.amount
        refused = _short(wallet, guards, amount)
        if refused is not None:
            return refused
        wallet.held += amount
        for guard in guards:
            guard.hold(amount)
        place = (command.org, command.call)
        self.holds[place] = self.holds.get(place, 0) + amount
        return Held(self.holds[place], _promisable(wallet, guards))

    def _post(self, wallet: Wallet, command: Post) -> Posted | Refused:
        place = (command.org, command.ref)
        if place in self.posted:
            return self.posted[place]
        change = effect(*command.lines)
        released = command.released
        refused = self._beyond(wallet, change, released)
        if refused is not None:
            return refused
        wallet.paid += change.paid
        wallet.bonus += change.bonus
        wallet.open_invoices += change.invoiced
        wallet.held -= released
        wallet.last += 1
        self._posts.append(
            Transaction(command.org, wallet.last, command.entry, command.lines, command.ref, command.note, command.by)
        )
        posted = Posted(wallet.last, wallet.balance)
        self.posted[place] = posted
        return posted

    @staticmethod
    def _beyond(wallet: Wallet, change: Effect, released: int) -> Refused | None:
        """Why a posting may not be made: bonus pays no debts of paid money, and held money stays (I4, I21)."""
        own = wallet.paid + wallet.credit_limit
        if released > wallet.held:
            return Refused(Reason.NO_HOLD, released, wallet.held)
        if change.available + released < 0 and wallet.available + change.available + released < 0:
            return Refused(Reason.CREDIT, -change.available, wallet.available)
        if wallet.bonus + change.bonus < 0:
            return Refused(Reason.CREDIT, -change.bonus, wallet.bonus)
        if change.paid < 0 and own + change.paid < 0:
            return Refused(Reason.CREDIT, -change.paid, max(own, 0))
        if wallet.open_invoices + change.invoiced < 0:
            return Refused(Reason.OWED, -change.invoiced, wallet.open_invoices)
        if wallet.balance + change.paid + change.bonus > WALLET_MAX:
            return Refused(Reason.LIMIT, change.paid + change.bonus, WALLET_MAX - wallet.balance)
        return None

    @staticmethod
    def _set_aside(wallet: Wallet, amount: int) -> Held | Refused:
        if wallet.frozen and amount > 0:
            return Refused(Reason.FROZEN, amount)
        if wallet.available < amount:
            return Refused(Reason.CREDIT, amount, wallet.available)
        if wallet.held + amount < 0:
            return Refused(Reason.NO_HOLD, -amount, wallet.held)
        wallet.held += amount
        return Held(max(amount, 0), wallet.available)

    def _charge(self, wallet: Wallet, tier: str, charge: int, from_bonus: int) -> int:
        usage = self._usage.get(wallet.org)
        if usage is None:
            wallet.last += 1
            usage = self._usage[wallet.org] = _Usage(wallet.last)
        if from_bonus:
            usage.bonus[tier] = usage.bonus.get(tier, 0) + from_bonus
        if charge > from_bonus:
            usage.paid[tier] = usage.paid.get(tier, 0) + charge - from_bonus
        return usage.number

    @property
    def transactions(self) -> list[Transaction]:
        """Every posting decided so far: one usage transaction a wallet, and each Post."""
        found = list(self._posts)
        for org, usage in self._usage.items():
            lines = [Line(BONUS, revenue(tier), amount) for tier, amount in usage.bonus.items()]
            lines += [Line(PAID, revenue(tier), amount) for tier, amount in usage.paid.items()]
            found.append(Transaction(org, usage.number, Entry.USAGE, tuple(lines)))
        return found


def _promisable(wallet: Wallet, guards: list[Guard]) -> int:
    """What the call could still be promised beyond its hold."""
    if not guards:
        return wallet.available
    return max(min([wallet.available, *(guard.available for guard in guards if guard.budget.hard)]), 0)


def _short(wallet: Wallet, guards: list[Guard], amount: int) -> Refused | None:
    if wallet.frozen:
        return Refused(Reason.FROZEN, amount, 0)
    if wallet.available < amount:
        return Refused(Reason.CREDIT, amount, wallet.available)
    for guard in guards:
        budget = guard.budget
        if budget.hard and guard.available < amount:
            return Refused(Reason.BUDGET, amount, guard.available, budget.place[1], budget.period)
    return None


def _affordable(wallet: Wallet, guards: list[Guard], held: int, charge: int) -> int:
    """I10: at most the hold plus what is available beside it; the rest is the operator's."""
    hard = [max(held, guard.available) for guard in guards if guard.budget.hard]
    return min([charge, wallet.available, *hard])
