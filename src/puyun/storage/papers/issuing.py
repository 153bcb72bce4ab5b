"""Issuing invoices, each once, under numbers without a gap: the counter and the invoice commit together."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, literal, select, update

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.ledger.chart import PAID, Entry, family
from puyun.pricing.papers.invoice import Sale, Series, Tax, digest, name_of, parse_name, write
from puyun.pricing.papers.parties import Seller
from puyun.storage import schema
from puyun.storage.money import tables as money
from puyun.storage.papers.details import load_details
from puyun.storage.papers.tables import paper
from puyun.storage.wallets import load_wallet

PAGE = 50
"""Invoices on a page."""

COUNTER = "paper"
"""The counter of the series of payments; the other series has the ledger's own numbers."""

_PAPER, _JOURNAL, _COUNTER = paper, schema.journal, money.counter


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `paper`. `content`: the canonical document."""

    id: int
    series: Series
    number: int
    org: int
    subject: str
    content: bytes
    sha256: str
    issued_at: Instant

    @property
    def name(self) -> str:
        return name_of(self.series, self.number)


class Basis(msgspec.Struct, frozen=True):
    """What an invoice is asked for: a payment by its transaction, or a claim by the number of the ledger's invoice."""

    series: Series
    number: int

    @property
    def subject(self) -> str:
        return f"{'topup' if self.series is Series.PAYMENT else 'invoice'}:{self.number}"


def issue(connection: Connection, org: int, basis: Basis, seller: Seller, *, by: str, now: Instant) -> Paper:
    """The invoice of a payment or of a claim; asked for again, the same.

    Raises PuyunError `invoices_not_offered` or `billing_details_missing` (409), `nothing_to_invoice` (404).
    """
    connection.execute(select(schema.wallet.c.org).where(schema.wallet.c.org == org).with_for_update())
    kept = connection.execute(select(_PAPER).where(_PAPER.c.org == org, _PAPER.c.subject == basis.subject)).first()
    if kept is not None:
        return _paper(kept)
    if not seller.issues:
        raise PuyunError("invoices_not_offered", 409, "The operator of this service issues no invoices here.")
    sale = sale_of(connection, org, basis)
    if sale is None:
        raise PuyunError("nothing_to_invoice", 404, "There is no such payment of this organization.")
    details = load_details(connection, org)
    if details is None:
        text = "An invoice needs a name and an address. Fill in the billing details first."
        raise PuyunError("billing_details_missing", 409, text)
    number = _next(connection) if basis.series is Series.PAYMENT else basis.number
    content = write(basis.series, number, sale, (seller, details.buyer), now)
    row = {
        "series": basis.series,
        "number": number,
        "org": org,
        "subject": basis.subject,
        "content": content.decode(),
        "sha256": digest(content),
        "issued_at": now,
        "issued_by": by,
    }
    return _paper(connection.execute(insert(_PAPER).values(row).returning(_PAPER)).one())


def find_paper(connection: Connection, org: int, name: str) -> Paper:
    """By its number as people write it. Raises PuyunError `invoice_not_found` (404), also for somebody else's."""
    try:
        series, number = parse_name(name)
    except ValueError:
        series, number = Series.PAYMENT, 0
    mine = (_PAPER.c.org == org) & (_PAPER.c.series == series) & (_PAPER.c.number == number)
    row = connection.execute(select(_PAPER).where(mine)).first()
    if row is None:
        raise PuyunError("invoice_not_found", 404, "The organization has no such invoice.")
    return _paper(row)


def page_of_papers(connection: Connection, org: int, before: int | None = None) -> tuple[list[Paper], int | None]:
    """The newest first, at most PAGE older than `before`; and before what the next page begins, None at the end."""
    query = select(_PAPER).where(_PAPER.c.org == org).order_by(_PAPER.c.id.desc()).limit(PAGE + 1)
    found = query if before is None else query.where(_PAPER.c.id < before)
    papers = [_paper(row) for row in connection.execute(found)]
    return papers[:PAGE], papers[PAGE - 1].id if len(papers) > PAGE else None


def issued_of(connection: Connection, org: int, bases: list[Basis]) -> dict[str, str]:
    """The numbers of the invoices that there are, by what they are of."""
    subjects = [basis.subject for basis in bases]
    query = select(_PAPER.c.subject, _PAPER.c.series, _PAPER.c.number)
    rows = connection.execute(query.where(_PAPER.c.org == org, _PAPER.c.subject.in_(subjects)))
    return {row.subject: name_of(Series(row.series), row.number) for row in rows}


def bases_of(connection: Connection, org: int, transactions: list[int]) -> dict[int, Basis]:
    """Of what of these transactions there can be an invoice: paid top-ups, and the ledger's invoices by their keys."""
    key, claim = schema.posting_key, money.invoice
    topped = (_JOURNAL.c.org == org) & (_JOURNAL.c.entry == Entry.TOPUP)
    paid = select(_JOURNAL.c.number).where(topped, _JOURNAL.c.number.in_(transactions)).distinct()
    found = {number: Basis(Series.PAYMENT, number) for number in connection.execute(paid).scalars()}
    mine = (key.c.org == claim.c.org) & (key.c.ref == literal("issue:").concat(claim.c.ref))
    claims = select(key.c.number, claim.c.number.label("claim")).select_from(key.join(claim, mine))
    for row in connection.execute(claims.where(key.c.org == org, key.c.number.in_(transactions))):
        found[row.number] = Basis(Series.CREDIT, row.claim)
    return found


def sale_of(connection: Connection, org: int, basis: Basis) -> Sale | None:
    """What the ledger says of it; None where there is nothing."""
    if basis.series is Series.PAYMENT:
        return _payment(connection, org, basis.number)
    return _claim(connection, org, basis.number)


def _payment(connection: Connection, org: int, number: int) -> Sale | None:
    query = select(_JOURNAL).where(_JOURNAL.c.org == org, _JOURNAL.c.number == number).order_by(_JOURNAL.c.line)
    lines = [row for row in connection.execute(query) if row.entry == Entry.TOPUP]
    amount = sum(line.amount for line in lines if line.credit == PAID)
    if not amount:
        return None
    taxes = tuple(Tax(line.credit.partition(":")[2], line.amount) for line in lines if family(line.credit) == "tax")
    currency = load_wallet(connection, org).currency
    first = lines[0]
    return Sale(org=org, currency=currency, at=first.at, reference=first.ref, amount=amount, taxes=taxes)


def _claim(connection: Connection, org: int, number: int) -> Sale | None:
    claim = money.invoice
    row = connection.execute(select(claim).where(claim.c.org == org, claim.c.number == number)).first()
    if row is None:
        return None
    currency = load_wallet(connection, org).currency
    due = row.issued_at if row.due_at is None else row.due_at
    return Sale(org=org, currency=currency, at=row.issued_at, reference=row.ref, amount=row.amount, due_at=due)


def _next(connection: Connection) -> int:
    """Locks the counter's row, so that numbers are given in the order of commits and come back with a rollback."""
    mine = _COUNTER.c.name == COUNTER
    counted = update(_COUNTER).where(mine).values(value=_COUNTER.c.value + 1).returning(_COUNTER.c.value)
    return connection.execute(counted).scalar_one()


def _paper(row: Row[Any]) -> Paper:
    return Paper(
        id=row.id,
        series=Series(row.series),
        number=row.number,
        org=row.org,
        subject=row.subject,
        content=row.content.encode(),
        sha256=row.sha256,
        issued_at=row.issued_at,
    )
