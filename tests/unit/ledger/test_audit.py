from hypothesis import given, strategies as st

from puyun.ledger.audit import Ended, Finding, JournalLine, WalletAudit
from puyun.ledger.book import Budget, Wallet
from puyun.ledger.chart import BONUS, PAID, Entry
from puyun.ledger.hold import Status

Fed = JournalLine | Ended


def line(
    number: int, credit: str, amount: int, *, debit: str = PAID, entry: str = Entry.USAGE, at: int = 0
) -> JournalLine:
    return JournalLine(number, at, entry, debit, credit, amount, "" if entry == Entry.USAGE else f"ref{number}")


def record(call: int, number: int, charge: int, *, from_bonus: int = 0, status: Status = Status.COMPLETED) -> Ended:
    return Ended(call, number, 1, "flex", status, charge, from_bonus)


TOPUP = line(1, PAID, 100, debit="processor:manual", entry=Entry.TOPUP)
GIFT = line(2, BONUS, 10, debit="promo", entry=Entry.BONUS)


def audited(wallet: Wallet, fed: list[Fed], budgets: tuple[Budget, ...] = ()) -> list[Finding]:
    books = WalletAudit(wallet, "acme")
    for row in fed:
        if isinstance(row, JournalLine):
            books.line(row)
        else:
            books.record(row)
    for ref, number in (("ref1", 1), ("ref2", 2)):
        books.posting_key(ref, number)
    books.close(budgets)
    return books.findings


def test_records_of_one_transaction_share_its_lines() -> None:
    fed = [TOPUP, GIFT, record(5, 3, 12, from_bonus=10), record(6, 3, 3), line(3, "revenue:flex", 10, debit=BONUS)]
    fed.append(line(3, "revenue:flex", 5, at=1))
    assert audited(Wallet(7, paid=95, last=3), fed, (Budget(1, 50, spent=15),)) == []


@given(st.permutations([record(call, 3, 1) for call in range(5)]), st.integers(0, 5))
def test_it_does_not_matter_when_a_line_comes_between_its_records(records: list[Ended], place: int) -> None:
    fed: list[Fed] = [TOPUP, GIFT, *records[:place], line(3, "revenue:flex", 5), *records[place:]]
    assert audited(Wallet(7, paid=95, bonus=10, last=3), fed) == []


def test_what_agrees_is_forgotten() -> None:
    books = WalletAudit(Wallet(7), "acme")
    for number in range(1, 1000):
        books.record(record(number, number, 1))
        books.line(line(number, "revenue:flex", 1))
    assert not books._unmatched
    assert not books.findings


def test_a_finding_says_where_and_by_how_much() -> None:
    fed = [TOPUP, GIFT, record(5, 3, 4), line(3, "revenue:flex", 5)]
    (finding,) = audited(Wallet(7, paid=95, bonus=10, last=3), fed)
    assert finding == Finding("A5", "acme, transaction 3", "flex records differ from its lines by -1 of paid money")


def test_what_never_was_below_zero_is_not_now() -> None:
    found = audited(Wallet(7, paid=100, bonus=10, held=-1, credit_limit=5, open_invoices=200, last=2), [TOPUP, GIFT])
    assert [finding.check for finding in found] == ["A3", "A4", "A4"]


def test_failed_calls_charge_nothing() -> None:
    fed = [TOPUP, GIFT, record(5, 3, 4, status=Status.CRASHED), line(3, "revenue:flex", 4)]
    assert [finding.check for finding in audited(Wallet(7, paid=96, bonus=10, last=3), fed)] == ["A18"]
    assert audited(Wallet(7, paid=100, bonus=10, last=2), [TOPUP, GIFT, record(5, 0, 0, status=Status.FAILED)]) == []
