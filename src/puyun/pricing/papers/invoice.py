"""An invoice as it was issued: one document that is always the same bytes, and all that its PDF is made of.

Two series. `P`: a payment for credit was received, which is what is taxed where money is paid in before it is used; the
usage of the month stands in its statement. `I`: an invoice of an organization with a credit limit, under the number that
the ledger gave it. Nothing changes an invoice; what is wrong with one is put right by a paper of its own.
"""

import re
from enum import StrEnum
from hashlib import sha256

import msgspec

from puyun.kit.canonical import encode
from puyun.kit.clock import Instant, format_instant
from puyun.kit.ids import format_id
from puyun.kit.money import format_amount
from puyun.pricing.papers.parties import Buyer, Seller

FORM = "puyun-invoice-1"

_NAME = re.compile(r"([PI])-(\d{6,18})")


class Series(StrEnum):
    PAYMENT = "P"
    CREDIT = "I"


class Tax(msgspec.Struct, frozen=True):
    """Collected beside what was paid for: nano-units, and of which authority."""

    area: str
    amount: int


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What an invoice is of. `reference`: the payment's, or that of the operator's claim. `due_at`: None for what is paid."""

    org: int
    currency: str
    at: Instant
    reference: str
    amount: int
    taxes: tuple[Tax, ...] = ()
    due_at: Instant | None = None

    @property
    def total(self) -> int:
        return self.amount + sum(tax.amount for tax in self.taxes)

    def is_said_by(self, invoice: "Invoice") -> bool:
        """Whether an invoice is of this organization and of these amounts."""
        said = invoice.organization, invoice.amount, invoice.total
        return said == (format_id("org", self.org), format_amount(self.amount), format_amount(self.total))


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """As the stored document has it: texts as they are shown, amounts exact decimals, times ISO 8601."""

    form: str
    number: str
    series: Series
    issued: str
    organization: str
    currency: str
    seller: dict[str, str | list[str]]
    buyer: dict[str, str | list[str]]
    at: str
    reference: str
    amount: str
    taxes: list[dict[str, str]]
    total: str
    due: str | None


def name_of(series: Series, number: int) -> str:
    """`P-000012`."""
    return f"{series}-{number:06d}"


def parse_name(text: str) -> tuple[Series, int]:
    """Raises ValueError for anything `name_of` did not write."""
    found = _NAME.fullmatch(text) if text.isascii() else None
    if found is None or name_of(Series(found[1]), int(found[2])) != text:
        raise ValueError(f"{text[:40]!r} is no number of an invoice such as P-000012")
    return Series(found[1]), int(found[2])


def write(series: Series, number: int, sale: Sale, parties: tuple[Seller, Buyer], issued_at: Instant) -> bytes:
    """The canonical document (RFC 8785): what is kept and hashed."""
    seller, buyer = parties
    invoice = Invoice(
        form=FORM,
        number=name_of(series, number),
        series=series,
        issued=format_instant(issued_at),
        organization=format_id("org", sale.org),
        currency=sale.currency,
        seller={
            "name": seller.name.strip(),
            "address": list(seller.address_lines),
            "tax_id": seller.tax_id.strip(),
            "tax": list(seller.tax_lines),
        },
        buyer={
            "name": buyer.name,
            "address": list(buyer.address_lines),
            "tax_id": buyer.tax_id,
            "email": buyer.email,
        },
        at=format_instant(sale.at),
        reference=sale.reference,
        amount=format_amount(sale.amount),
        taxes=[{"area": tax.area, "amount": format_amount(tax.amount)} for tax in sale.taxes],
        total=format_amount(sale.total),
        due=None if sale.due_at is None else format_instant(sale.due_at),
    )
    return encode(msgspec.to_builtins(invoice))


def read(content: bytes) -> Invoice:
    """Raises msgspec.ValidationError or DecodeError for what `write` did not write."""
    return msgspec.json.decode(content, type=Invoice)


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()
