"""Whoever sells and whoever buys, as papers name them. Pure."""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from puyun.identity.rules import clean_email
from puyun.kit.errors import PuyunError

ADDRESS_LINES = 8
ADDRESS_MAX = 600
NAME_MAX = 200
TAX_ID_MAX = 60

_BREAKS = re.compile(r"[\r\n;]+")


class Seller(msgspec.Struct, frozen=True, kw_only=True):
    """Who issues invoices: settings of the operator. Without a name and an address none are issued."""

    name: Annotated[
        str,
        Meta(
            max_length=NAME_MAX, description="who sells, as invoices name it; empty: none are issued, only statements"
        ),
    ] = ""
    address: Annotated[
        str, Meta(max_length=ADDRESS_MAX, description="its address; lines end with a line break or `;`")
    ] = ""
    tax_id: Annotated[
        str, Meta(max_length=TAX_ID_MAX, description="its tax number, such as `VAT DE123456789`; empty for none")
    ] = ""
    tax: Annotated[
        str,
        Meta(
            max_length=ADDRESS_MAX,
            description="what invoices say about tax, such as `The amount includes 19% VAT`; lines as in the address",
        ),
    ] = ""
    monthly: Annotated[
        bool,
        Meta(
            description="invoice organizations with a credit limit each month for what they owed at its end; off: "
            "`puyun invoice issue` does it by hand"
        ),
    ] = False
    due_days: Annotated[int, Meta(ge=0, le=365, description="days in which such an invoice is to be paid")] = 30

    @property
    def issues(self) -> bool:
        return bool(self.name.strip() and self.address_lines)

    @property
    def address_lines(self) -> tuple[str, ...]:
        return lines_of(self.address)

    @property
    def tax_lines(self) -> tuple[str, ...]:
        return lines_of(self.tax)


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """An organization's billing details. `address` has a line break between its lines; `email` may be empty."""

    name: str
    address: str
    tax_id: str = ""
    email: str = ""

    @property
    def address_lines(self) -> tuple[str, ...]:
        return tuple(self.address.split("\n"))


def lines_of(text: str) -> tuple[str, ...]:
    """Without empty ones."""
    return tuple(line.strip() for line in _BREAKS.split(text) if line.strip())


def parse_buyer(typed: Mapping[str, str]) -> Buyer | dict[str, PuyunError]:
    """Of what was typed, or what is wrong, by field."""
    faults: dict[str, PuyunError] = {}
    name, tax_id, email = (typed.get(field, "").strip() for field in ("name", "tax_id", "email"))
    address = [line.strip() for line in typed.get("address", "").replace("\r", "\n").split("\n") if line.strip()]
    if not 0 < len(name) <= NAME_MAX or not name.isprintable():
        faults["name"] = _fault("name", f"A name has 1 to {NAME_MAX} printable characters.")
    if not 0 < len(address) <= ADDRESS_LINES or sum(map(len, address)) > ADDRESS_MAX or not _printable(address):
        text = f"An address has 1 to {ADDRESS_LINES} lines of printable characters, {ADDRESS_MAX} in all."
        faults["address"] = _fault("address", text)
    if len(tax_id) > TAX_ID_MAX or not _printable([tax_id]):
        faults["tax_id"] = _fault("tax_id", f"A tax number has at most {TAX_ID_MAX} printable characters.")
    try:
        email = clean_email(email) if email else ""
    except PuyunError as error:
        faults["email"] = error
    return faults or Buyer(name=name, address="\n".join(address), tax_id=tax_id, email=email)


def _printable(texts: list[str]) -> bool:
    return all(text.isprintable() for text in texts)


def _fault(field: str, text: str) -> PuyunError:
    return PuyunError("invalid_details", 400, text, param=field)
