"""A receipt: the usage record of one call rendered, with the price rows it was rated by and what was given back of it.

The record never changes; a refund is rows of its own, so a receipt of before it stays true for when it was made.
"""

import msgspec
from sqlalchemy import Connection, Row, select

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant, format_instant
from puyun.kit.ids import call_started, format_id, request_id
from puyun.kit.money import format_amount, format_pico, format_price
from puyun.ledger.hold import Status
from puyun.metering.record import Flag
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.pricebook import PriceBook, PriceRow
from puyun.pricing.rate import Line, lines
from puyun.storage import schema
from puyun.storage.ledger.codes import STATUS_NAME, TIER_NAME
from puyun.storage.money.refunds import RefundRow, list_refunds

REFUNDED = "refunded"
"""The status that a receipt shows once all of the charge was given back."""


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds: waiting for a seat, until the first byte of the answer, in all."""

    queue_ms: int
    ttft_ms: int
    total_ms: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """DESIGN 4.2. `exact` in pico-units; `charge`, `held`, `from_bonus`, `balance_after` in nano-units.

    `status` is how the call ended, whatever became of its charge later.
    """

    id: str
    org: int
    key: int
    currency: str
    created: Instant
    model: str
    deployment: str
    tier_requested: Tier
    tier_served: Tier
    status: Status
    error: str | None
    flags: Flag
    usage: Usage
    lines: tuple[Line, ...]
    exact: int
    charge: int
    from_bonus: int
    held: int
    attempts: int
    timing: Timing
    balance_after: int
    refunds: tuple[RefundRow, ...]

    @property
    def refunded(self) -> int:
        """What was given back of the charge, in nano-units."""
        return sum(row.amount for row in self.refunds)


def load_receipt(connection: Connection, org: int, call: int) -> Receipt | None:
    """None when the organization has no such call, or the call has not ended."""
    record = schema.usage_record
    joined = (
        record.join(schema.wallet, schema.wallet.c.org == record.c.org)
        .outerjoin(schema.model, schema.model.c.id == record.c.model)
        .outerjoin(schema.deployment, schema.deployment.c.id == record.c.deployment)
    )
    names = (schema.model.c.name.label("model_name"), schema.deployment.c.name.label("deployment_name"))
    query = select(record, schema.wallet.c.currency, *names).select_from(joined)
    row = connection.execute(query.where(record.c.org == org, record.c.call == call)).first()
    return None if row is None else _receipt(connection, row)


_NOT_COMPLETED = "The call was not completed, so it costs nothing and its hold was returned."

_FREE = {
    "crashed": "Our server stopped during the call, so it costs nothing and its hold was returned.",
    "unrecorded": "The charge could not be written down in time, so the call costs nothing and its hold was returned.",
    "upstream_error": "The provider failed before the answer was complete, so it costs nothing and its hold was returned.",
    "upstream_timeout": "The provider fell silent before the answer was complete, so it costs nothing and its hold was "
    "returned.",
    "capacity_unavailable": "No provider had room for the call, so it costs nothing and its hold was returned.",
}
"""By the error that the caller was told, or that stands for none."""


def note(receipt: Receipt) -> str:
    """Why the charge is what it is, and what became of it, in one sentence."""
    charged = charged_note(receipt)
    if not receipt.refunded:
        return charged
    if receipt.refunded == receipt.charge:
        return charged.removesuffix(".") + "; all of it was given back."
    return charged.removesuffix(".") + f"; {format_amount(receipt.refunded)} of it was given back."


def charged_note(receipt: Receipt) -> str:
    """Why the charge is what it was at first: one of few sentences, which a page may have in another language."""
    match receipt.status:
        case Status.FAILED | Status.CRASHED:
            return _FREE.get(receipt.error or "", _NOT_COMPLETED)
        case Status.CANCELLED if not receipt.usage.total:
            return "The client left before the first token, so it costs nothing and its hold was returned."
        case Status.CANCELLED:
            why = "The client left before the end; the tokens up to then are charged"
        case Status.CUT:
            why = "The credit ended during the answer, which was cut there; the tokens up to the cut are charged"
        case Status.COMPLETED if Flag.EMPTY in receipt.flags:
            return "The answer says nothing, so it costs nothing and its hold was returned."
        case Status.COMPLETED:
            why = "Each bucket of tokens is charged at its price"
    if Flag.ESTIMATED in receipt.flags:
        why += ", where the provider reported none as estimated from the text and within the hold"
    if Flag.OVERRUN in receipt.flags:
        return why + ", and what the hold and the wallet did not cover was left to the operator."
    return why + ", and the sum is rounded down once."


def to_json(receipt: Receipt) -> dict[str, object]:
    """The receipt of the API: amounts are decimal strings, times ISO 8601 in UTC."""
    usage = receipt.usage
    return {
        "id": receipt.id,
        "organization": format_id("org", receipt.org),
        "key": format_id("key", receipt.key),
        "created": format_instant(receipt.created),
        "model": receipt.model,
        "deployment": receipt.deployment,
        "tier_requested": receipt.tier_requested,
        "tier_served": receipt.tier_served,
        "status": REFUNDED if receipt.charge and receipt.refunded == receipt.charge else receipt.status,
        "error": receipt.error,
        "note": note(receipt),
        "flags": [flag.name.lower() for flag in Flag if flag in receipt.flags and flag.name],
        "usage": {bucket: getattr(usage, bucket) for bucket in BUCKETS if getattr(usage, bucket)},
        "lines": [
            {
                "meter": line.meter,
                "tokens": line.tokens,
                "price_id": line.price_id,
                "price_per_million": format_price(line.price),
                "amount": format_pico(line.exact),
            }
            for line in receipt.lines
        ],
        "currency": receipt.currency,
        "exact": format_pico(receipt.exact),
        "charge": format_amount(receipt.charge),
        "from_bonus": format_amount(receipt.from_bonus),
        "refunded": format_amount(receipt.refunded),
        "refunds": [
            {
                "transaction": row.number,
                "created": format_instant(row.at),
                "kind": row.entry,
                "amount": format_amount(row.amount),
                "from_bonus": format_amount(row.from_bonus),
            }
            for row in receipt.refunds
        ],
        "held": format_amount(receipt.held),
        "attempts": receipt.attempts,
        "timing": msgspec.structs.asdict(receipt.timing),
        "balance_after": format_amount(receipt.balance_after),
        "signature": None,
    }


def _receipt(connection: Connection, row: Row[*tuple[object, ...]]) -> Receipt:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    usage = Usage(**{bucket: fields[bucket] for bucket in BUCKETS})
    tier = TIER_NAME[fields["tier"]]
    rates = _book(connection, fields["price_ids"], fields["model_name"] or "", tier).recorded(fields["price_ids"])
    status = STATUS_NAME[fields["status"]]
    crashed = status is Status.CRASHED
    return Receipt(
        id=request_id(fields["org"], fields["call"]),
        org=fields["org"],
        key=fields["key"],
        currency=fields["currency"],
        created=call_started(fields["call"]),
        model=fields["model_name"] or "",
        deployment=fields["deployment_name"] or "",
        tier_requested=TIER_NAME[fields["tier_requested"]],
        tier_served=tier,
        status=Status.FAILED if crashed else status,
        error=Status.CRASHED if crashed else fields["error"],
        flags=Flag(fields["flags"]),
        usage=usage,
        lines=tuple(lines(usage, rates)),
        exact=fields["exact"],
        charge=fields["charge"],
        from_bonus=fields["from_bonus"],
        held=fields["held"],
        attempts=fields["attempts"],
        timing=Timing(fields["queue_ms"], fields["ttft_ms"], fields["total_ms"]),
        balance_after=fields["balance_after"],
        refunds=tuple(list_refunds(connection, fields["org"], fields["call"])),
    )


def _book(connection: Connection, price_ids: str, model: str, tier: Tier) -> PriceBook:
    """The rows that a record names, and no others."""
    table = schema.price
    named = [int(price_id) for price_id in price_ids.split()]
    return PriceBook(
        PriceRow(
            id=row.id,
            model=model,
            tier=tier,
            meter=row.meter,
            amount=row.amount,
            effective_from=row.effective_from,
            created_at=row.created_at,
        )
        for row in connection.execute(select(table).where(table.c.id.in_(named)))
    )
