"""Journal lines. A line that does not balance cannot be written down."""

from typing import NamedTuple

import msgspec

from puyun.ledger.chart import ALLOWED, BONUS, INVOICES, PAID, Entry, family


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
    by: str = ""


class Effect(NamedTuple):
    """What lines do to a wallet's row."""

    paid: int
    bonus: int
    invoiced: int

    @property
    def available(self) -> int:
        return self.paid + self.bonus - self.invoiced


def effect(*lines: Line) -> Effect:
    """A credit raises paid and bonus; a debit raises what is invoiced and not paid yet."""
    return Effect(
        sum(_credited(line, PAID) for line in lines),
        sum(_credited(line, BONUS) for line in lines),
        -sum(_credited(line, INVOICES) for line in lines),
    )


def _credited(line: Line, account: str) -> int:
    return (line.amount if line.credit == account else 0) - (line.amount if line.debit == account else 0)


def allowed(entry: Entry, debit: str, credit: str) -> bool:
    """Whether the chart lets this kind of transaction post this pair."""
    return (family(debit), family(credit)) in ALLOWED[entry]
