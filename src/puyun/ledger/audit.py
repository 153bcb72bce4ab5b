"""The audit of one wallet: what its journal, its records and its holds say must be what its row says.

`WalletAudit` is fed rows and remembers only what is still unmatched, so that a wallet of any size fits in memory: the
records of a transaction are fed before or soon after its lines, and a pair that agrees is forgotten.

| check  | rule                                                                                             |
|--------|--------------------------------------------------------------------------------------------------|
| A1     | transactions count from 1 to `last` without a gap; their lines are allowed by the chart          |
| A2     | wallet.paid and wallet.bonus are the signed sums of their lines (I6)                             |
| A3     | wallet.held is the sum of the open holds (I5)                                                    |
| A4     | available, bonus and held are not below zero (I4)                                                |
| A5     | per transaction and tier, the charges of the records are the usage lines; bonus likewise         |
| A7     | a record that charges nothing names no transaction, and one that charges names one               |
| A10    | no call has both a record and an open hold (I8)                                                  |
| A12    | every idempotency key names the posting that carries it, and every posting but usage has one     |
| A15    | a budget's spent and held are the charges and the open holds of its key                          |
| A18    | failed and crashed calls charge nothing (I18)                                                    |
"""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from puyun.kit.ids import request_id
from puyun.ledger.book import Budget, Wallet
from puyun.ledger.chart import BONUS, PAID, Entry, family
from puyun.ledger.hold import ENDING, HoldEvent, Status
from puyun.ledger.posting import allowed


class Finding(msgspec.Struct, frozen=True):
    """One difference. `where` names the row: a wallet, a transaction, a call, a cell."""

    check: str
    where: str
    message: str


class JournalLine(msgspec.Struct, frozen=True):
    """A journal row as it is stored; it may break every rule."""

    number: int
    line: int
    entry: str
    debit: str
    credit: str
    amount: int
    ref: str


class Ended(msgspec.Struct, frozen=True):
    """What a usage record says about money."""

    call: int
    number: int
    key: int
    tier: str
    status: Status
    charge: int
    from_bonus: int


class WalletAudit:
    """Feed lines by number, records by call, holds, keys and budgets, each once; then `close`.

    `findings` may be drained at any time.
    """

    def __init__(self, wallet: Wallet, name: str) -> None:
        self.findings: list[Finding] = []
        self._wallet = wallet
        self._name = name
        self._paid = 0
        self._bonus = 0
        self._number = 0
        self._line = 0
        self._unmatched: dict[tuple[int, str], tuple[int, int]] = {}
        """(transaction, tier) -> (paid, bonus): what records charged less what lines took."""
        self._refs: dict[str, int] = {}
        self._spent: defaultdict[int, int] = defaultdict(int)
        self._held: defaultdict[int, int] = defaultdict(int)

    def line(self, line: JournalLine) -> None:
        where = f"transaction {line.number}"
        self._follow(line, where)
        if line.amount <= 0:
            self._find("A1", where, f"line {line.line} moves {line.amount}")
        if line.entry not in set(Entry):
            self._find("A1", where, f"there is no kind of transaction {line.entry!r}")
        elif not allowed(Entry(line.entry), line.debit, line.credit):
            self._find("A1", where, f"{line.entry} may not debit {line.debit} and credit {line.credit}")
        self._paid += _signed(line, PAID)
        self._bonus += _signed(line, BONUS)
        if line.entry == Entry.USAGE and family(line.credit) == "revenue":
            tier = line.credit.partition(":")[2]
            self._match(line.number, tier, -line.amount if line.debit == PAID else 0, _signed(line, BONUS))
        elif line.ref and line.line == 0:
            if line.ref in self._refs:
                self._find("A12", where, f"its key {line.ref!r} stands on transaction {self._refs[line.ref]} too")
            self._refs[line.ref] = line.number

    def record(self, record: Ended) -> None:
        where = request_id(self._wallet.org, record.call)
        self._spent[record.key] += record.charge
        if record.charge and ENDING[record.status] is not HoldEvent.SETTLE:
            self._find("A18", where, f"a {record.status} call is charged {record.charge}")
        if bool(record.charge) != bool(record.number):
            self._find("A7", where, f"it charges {record.charge} in transaction {record.number}")
        if record.charge:
            self._match(record.number, record.tier, record.charge - record.from_bonus, record.from_bonus)

    def hold(self, call: int, key: int, amount: int, *, recorded: bool) -> None:
        """An open hold; `recorded` when the same call has a usage record."""
        self._held[key] += amount
        if recorded:
            self._find("A10", request_id(self._wallet.org, call), "it has a record and an open hold")

    def posting_key(self, ref: str, number: int) -> None:
        """After all lines."""
        found = self._refs.pop(ref, None)
        if found != number:
            self._find("A12", f"key {ref!r}", f"it names transaction {number}, the journal has it on {found or 'none'}")

    def close(self, budgets: Iterable[Budget]) -> None:
        wallet = self._wallet
        self._same("A1", "last", wallet.last, self._number)
        self._same("A2", "paid", wallet.paid, self._paid)
        self._same("A2", "bonus", wallet.bonus, self._bonus)
        self._same("A3", "held", wallet.held, sum(self._held.values()))
        for field in ("available", "bonus", "held"):
            if getattr(wallet, field) < 0:
                self._find("A4", "wallet", f"{field} is {getattr(wallet, field)}")
        for (number, tier), (paid, bonus) in self._unmatched.items():
            for source, difference in (("paid money", paid), ("bonus", bonus)):
                if difference:
                    message = f"{tier} records differ from its lines by {difference} of {source}"
                    self._find("A5", f"transaction {number}", message)
        for ref, number in self._refs.items():
            self._find("A12", f"transaction {number}", f"its key {ref!r} is not kept, so it could be posted again")
        for budget in budgets:
            self._same("A15", f"spent of key {budget.key}", budget.spent, self._spent[budget.key])
            self._same("A15", f"held of key {budget.key}", budget.held, self._held[budget.key])

    def _follow(self, line: JournalLine, where: str) -> None:
        """Numbers and lines come one after the other."""
        if line.number == self._number:
            expected = self._line + 1
        else:
            expected = 0
            if line.number != self._number + 1:
                self._find("A1", where, f"it follows transaction {self._number}")
        if line.line != expected:
            self._find("A1", where, f"line {line.line} stands where line {expected} should")
        self._number, self._line = line.number, line.line

    def _match(self, number: int, tier: str, paid: int, bonus: int) -> None:
        before = self._unmatched.pop((number, tier), (0, 0))
        after = (before[0] + paid, before[1] + bonus)
        if after != (0, 0):
            self._unmatched[number, tier] = after

    def _same(self, check: str, what: str, stored: int, derived: int) -> None:
        if stored != derived:
            self._find(check, "wallet", f"{what} is {stored}, derived {derived}, difference {stored - derived}")

    def _find(self, check: str, where: str, message: str) -> None:
        self.findings.append(Finding(check, f"{self._name}, {where}", message))


def _signed(line: JournalLine, account: str) -> int:
    return (line.amount if line.credit == account else 0) - (line.amount if line.debit == account else 0)
