"""A month of one organization: where its balance came from and went, in one document that is always the same bytes.

Nothing that may be renamed is in it: organizations, keys and members appear by their ids. Usage counts in the month in
which a call began, as on the usage page; money moves when it is settled. The calls that lie between the two are
`carried_in` (begun before the month, settled in it) and `carried_out` (begun in it, settled later).

    closing = opening + movements - (usage + carried_in - carried_out)
"""

import csv
from collections.abc import Iterable
from hashlib import sha256
from io import StringIO

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.canonical import encode
from puyun.kit.clock import Instant, format_instant, from_datetime, parse_instant, to_datetime
from puyun.kit.ids import format_id
from puyun.kit.money import PICO_PER_NANO, format_amount, format_pico, format_price

FORM = "puyun-statement-1"
"""Said in the document: another form of it gets another name, and old hashes keep theirs."""


COLUMNS: tuple[str, ...] = (
    "section",
    "entry",
    "tier",
    "model",
    "meter",
    "key",
    "member",
    "price_per_million",
    "quantity",
    "amount",
)


class Month(msgspec.Struct, frozen=True):
    """A calendar month, UTC."""

    name: str
    start: Instant
    end: Instant


class Amounts(msgspec.Struct, frozen=True):
    """Nano-units of paid money and of bonus."""

    paid: int = 0
    bonus: int = 0

    @property
    def total(self) -> int:
        return self.paid + self.bonus

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(self.paid + other.paid, self.bonus + other.bonus)

    def described(self) -> dict[str, str]:
        amounts = {"paid": self.paid, "bonus": self.bonus, "total": self.total}
        return {name: format_amount(amount) for name, amount in amounts.items()}


class Movement(msgspec.Struct, frozen=True):
    """All transactions of one kind but usage; what they did to the wallet."""

    entry: str
    transactions: int
    amounts: Amounts


class Used(msgspec.Struct, frozen=True, order=True):
    """Tokens of one meter at one price. `price` and `exact` in pico-units."""

    tier: Tier
    model: str
    meter: str
    price_id: int
    price: int
    tokens: int
    exact: int


class Sold(msgspec.Struct, frozen=True, order=True):
    """Calls of one offer. `exact` in pico-units is what its lines add up to, `charge` in nano-units what was taken."""

    tier: Tier
    model: str
    calls: int = 0
    failures: int = 0
    exact: int = 0
    charge: int = 0

    def plus(self, other: "Sold") -> "Sold":
        """More calls of the same offer."""
        return Sold(
            self.tier,
            self.model,
            self.calls + other.calls,
            self.failures + other.failures,
            self.exact + other.exact,
            self.charge + other.charge,
        )


class Share(msgspec.Struct, frozen=True):
    """Calls of one key. `member` is a user's number."""

    key: int
    member: int | None
    calls: int
    tokens: int
    charge: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    org: int
    currency: str
    month: Month
    opening: Amounts
    movements: tuple[Movement, ...]
    settled: Amounts
    """What usage took in the month, by the journal."""
    carried_in: int
    carried_out: int
    lines: tuple[Used, ...]
    offers: tuple[Sold, ...]
    keys: tuple[Share, ...]

    @property
    def charge(self) -> int:
        return sum(offer.charge for offer in self.offers)

    @property
    def closing(self) -> Amounts:
        moved = sum((movement.amounts for movement in self.movements), self.opening)
        return Amounts(moved.paid - self.settled.paid, moved.bonus - self.settled.bonus)

    @property
    def adds_up(self) -> bool:
        """Whether what was settled is the usage of the calls, and their lines are what they came to."""
        exact = sum(line.exact for line in self.lines)
        return (
            self.settled.total == self.charge + self.carried_in - self.carried_out
            and exact == sum(offer.exact for offer in self.offers)
            and self.charge == sum(share.charge for share in self.keys)
            and sum(offer.calls for offer in self.offers) == sum(share.calls for share in self.keys)
        )


def parse_month(text: str) -> Month:
    """`2026-11`. Raises ValueError."""
    try:
        start = parse_instant(f"{text}-01")
        first = to_datetime(start)
        later = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:40]!r} is no month; expected one such as 2026-11") from error
    if f"{first:%Y-%m}" != text:
        raise ValueError(f"{text[:40]!r} is no month; expected one such as 2026-11")
    return Month(text, start, from_datetime(later))


def months_before(now: Instant, count: int) -> list[Month]:
    """The last whole months, oldest first."""
    found: list[Month] = []
    first = to_datetime(now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(count):
        first = first.replace(year=first.year - (first.month == 1), month=(first.month - 2) % 12 + 1)
        found.append(parse_month(f"{first:%Y-%m}"))
    return found[::-1]


def document(statement: Statement) -> dict[str, object]:
    """Amounts are decimal strings, exact; lists are sorted by what they are of."""
    usage = {
        "calls": sum(offer.calls for offer in statement.offers),
        "failures": sum(offer.failures for offer in statement.offers),
        "charge": format_amount(statement.charge),
        "carried_in": format_amount(statement.carried_in),
        "carried_out": format_amount(statement.carried_out),
        "settled": statement.settled.described(),
    }
    return {
        "form": FORM,
        "organization": format_id("org", statement.org),
        "currency": statement.currency,
        "month": statement.month.name,
        "from": format_instant(statement.month.start),
        "to": format_instant(statement.month.end),
        "opening": statement.opening.described(),
        "movements": [
            {"entry": each.entry, "transactions": each.transactions} | each.amounts.described()
            for each in sorted(statement.movements, key=lambda each: each.entry)
        ],
        "usage": usage,
        "closing": statement.closing.described(),
        "offers": [_sold(offer) for offer in sorted(statement.offers)],
        "lines": [_used(line) for line in sorted(statement.lines)],
        "keys": [_share(share) for share in sorted(statement.keys, key=lambda share: share.key)],
        "members": _members(statement.keys),
    }


def render(statement: Statement) -> bytes:
    """The canonical document (RFC 8785) and a line feed: what is hashed, and what `--json` prints."""
    return encode(document(statement)) + b"\n"


def digest(statement: Statement) -> str:
    return sha256(render(statement)).hexdigest()


def to_csv(statement: Statement) -> str:
    """One row a figure, with what it is of; a spreadsheet can pick a section."""
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerow({"section": "opening", "amount": format_amount(statement.opening.total)})
    for each in sorted(statement.movements, key=lambda each: each.entry):
        amount = format_amount(each.amounts.total)
        writer.writerow({"section": "movement", "entry": each.entry, "quantity": each.transactions, "amount": amount})
    for name in ("carried_in", "carried_out"):
        writer.writerow({"section": name, "amount": format_amount(getattr(statement, name))})
    for offer in sorted(statement.offers):
        sold = {"tier": offer.tier, "model": offer.model, "quantity": offer.calls}
        writer.writerow({"section": "offer", **sold, "amount": format_amount(offer.charge)})
    for line in sorted(statement.lines):
        used = {"tier": line.tier, "model": line.model, "meter": line.meter, "quantity": line.tokens}
        price = {"price_per_million": format_price(line.price), "amount": format_pico(line.exact)}
        writer.writerow({"section": "line", **used, **price})
    for share in sorted(statement.keys, key=lambda share: share.key):
        row = _share(share)
        names = {"key": row["key"], "member": row["member"] or ""}
        writer.writerow({"section": "key", **names, "quantity": share.calls, "amount": row["charge"]})
    writer.writerow({"section": "closing", "amount": format_amount(statement.closing.total)})
    return text.getvalue()


def _sold(offer: Sold) -> dict[str, object]:
    """`in_your_favour`: what rounding down and overruns left to the operator."""
    return {
        "tier": offer.tier.value,
        "model": offer.model,
        "calls": offer.calls,
        "failures": offer.failures,
        "exact": format_pico(offer.exact),
        "charge": format_amount(offer.charge),
        "in_your_favour": format_pico(offer.exact - offer.charge * PICO_PER_NANO),
    }


def _used(line: Used) -> dict[str, object]:
    return {
        "tier": line.tier.value,
        "model": line.model,
        "meter": line.meter,
        "price_id": line.price_id,
        "price_per_million": format_price(line.price),
        "tokens": line.tokens,
        "amount": format_pico(line.exact),
    }


def _share(share: Share) -> dict[str, object]:
    member = None if share.member is None else format_id("user", share.member)
    counts: dict[str, object] = {"calls": share.calls, "tokens": share.tokens, "charge": format_amount(share.charge)}
    return {"key": format_id("key", share.key), "member": member} | counts


def _members(shares: Iterable[Share]) -> list[dict[str, object]]:
    """The same by member; the keys of nobody come first."""
    sums: dict[int, tuple[int, int, int]] = {}
    for share in shares:
        calls, tokens, charge = sums.get(share.member or 0, (0, 0, 0))
        sums[share.member or 0] = calls + share.calls, tokens + share.tokens, charge + share.charge
    return [
        {
            "member": format_id("user", member) if member else None,
            "calls": calls,
            "tokens": tokens,
            "charge": format_amount(charge),
        }
        for member, (calls, tokens, charge) in sorted(sums.items())
    ]
