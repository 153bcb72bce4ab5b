"""The price book's rows. They are only ever added: an undo is a newer row."""

from sqlalchemy import Connection, insert, select

from puyun.catalog.model import METERS, Price, Tier
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import PRICE_MAX
from puyun.pricing.pricebook import PriceRow
from puyun.storage import schema
from puyun.storage.engine import bump

_PRICE = schema.price
_MODEL = schema.model


def load_price_rows(connection: Connection) -> list[PriceRow]:
    """Every row ever written, in the order of their ids."""
    query = select(_PRICE, _MODEL.c.name).join(_MODEL, _MODEL.c.id == _PRICE.c.model).order_by(_PRICE.c.id)
    return [
        PriceRow(
            id=row.id,
            model=row.name,
            tier=Tier(row.tier),
            meter=row.meter,
            amount=row.amount,
            effective_from=row.effective_from,
            created_at=row.created_at,
            created_by=row.created_by,
            reason=row.reason,
        )
        for row in connection.execute(query)
    ]


def set_price(connection: Connection, price: Price, *, who: str, reason: str = "", now: Instant) -> PriceRow:
    """Add one row. Raises PuyunError `model_not_found` (404), `invalid_meter` or `invalid_price` (400)."""
    row = add_price(connection, price, who=who, reason=reason, now=now)
    bump(connection, "catalog")
    return row


def add_price(connection: Connection, price: Price, *, who: str, reason: str, now: Instant) -> PriceRow:
    """`set_price` as a part of a larger change, which counts the revision itself.

    A start in the past becomes now: what was sold yesterday was sold at yesterday's price.
    """
    if price.meter not in METERS:
        message = f"There is no meter {price.meter!r}; expected one of {', '.join(METERS)}."
        raise PuyunError("invalid_meter", 400, message, param="meter")
    if price.amount is not None and not 0 <= price.amount <= PRICE_MAX:
        raise PuyunError("invalid_price", 400, "A price is zero or more.", param="amount")
    model = connection.execute(select(_MODEL.c.id).where(_MODEL.c.name == price.model)).scalar()
    if model is None:
        message = f"No model is called {price.model!r}. `puyun catalog export` lists the names."
        raise PuyunError("model_not_found", 404, message, param="model")
    effective_from = Instant(now if price.effective_from is None else max(price.effective_from, now))
    row = {
        "model": model,
        "tier": price.tier,
        "meter": price.meter,
        "amount": price.amount,
        "effective_from": effective_from,
        "created_at": now,
        "created_by": who,
        "reason": reason,
    }
    number = connection.execute(insert(_PRICE).values(row).returning(_PRICE.c.id)).scalar_one()
    return PriceRow(
        id=number,
        model=price.model,
        tier=price.tier,
        meter=price.meter,
        amount=price.amount,
        effective_from=effective_from,
        created_at=now,
        created_by=who,
        reason=reason,
    )
