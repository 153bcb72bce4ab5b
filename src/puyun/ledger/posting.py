"""Journal lines. A line that does not balance cannot be written down."""

import msgspec

from puyun.ledger.chart import ALLOWED, BONUS, PAID, Entry, family


class Line(msgspec.Struct, frozen=True):
    """`amount` nano-units move from the credit side's claim to the debit side's: debit one account, credit another."""

    debit: str
    credit: str
    amount: int

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError(f"a journal line moves a positive amount, not {self.amount} (I2)")
        if self.debit == self.credit:
            raise ValueError(f"a journal line needs two accounts, not {self.debit} twice (I2)")


class Transaction(msgspec.Struct, frozen=True):
    """All lines under one number of one wallet."""

    org: int
    number: int
    entry: Entry
    lines: tuple[Line, ...]
    ref: str = ""
    note: str = ""


def effect(line: Line) -> tuple[int, int]:
    """What a line does to (paid, bonus)."""
    paid = (line.amount if line.credit == PAID else 0) - (line.amount if line.debit == PAID else 0)
    bonus = (line.amount if line.credit == BONUS else 0) - (line.amount if line.debit == BONUS else 0)
    return paid, bonus


def allowed(entry: Entry, debit: str, credit: str) -> bool:
    """Whether the chart lets this kind of transaction post this pair."""
    return (family(debit), family(credit)) in ALLOWED[entry]
