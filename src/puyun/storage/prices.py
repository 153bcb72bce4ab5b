"""The rows of the price book and of the operator's own costs. They are only ever added; an announced price may be
revoked, by a row of its own.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from puyun.catalog.model import METERS, Cost, Price, Tier
from puyun.kit.clock import SECOND, Instant, format_instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import PRICE_MAX
from puyun.pricing.costbook import CostRow
from puyun.pricing.pricebook import PriceRow, Revocation
from puyun.storage import schema
from puyun.storage.engine import bump
from puyun.storage.notify.events import announce_price, price_announced

UNDO_MARGIN = 30 * SECOND
"""An announcement is revoked before this much of its notice is left, so that no running server begins to charge it."""

_PRICE = schema.price
_MODEL = schema.model
_REVOKED = schema.price_revocation
_COST = schema.cost
_DEPLOYMENT = schema.deployment


def load_price_rows(connection: Connection) -> list[PriceRow]:
    """Every row ever written, revoked ones too, in the order of their ids."""
    revoked = {row.price: row for row in connection.execute(select(_REVOKED))}
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
            revoked=None
            if (off := revoked.get(row.id)) is None
            else Revocation(off.created_at, off.created_by, off.reason),
        )
        for row in connection.execute(query)
    ]


def set_price(connection: Connection, price: Price, *, who: str, reason: str = "", now: Instant) -> PriceRow:
    """Add one row. Raises PuyunError `model_not_found` (404), `invalid_meter` or `invalid_price` (400)."""
    row = add_price(connection, price, who=who, reason=reason, now=now)
    announce_prices(connection, [row], now)
    bump(connection, "catalog")
    return row


def revoke_price(connection: Connection, number: int, *, who: str, reason: str = "", now: Instant) -> PriceRow:
    """Call off an announced price. Raises PuyunError `price_not_found` (404), `price_in_force` or `already_revoked` (409)."""
    row = next((row for row in load_price_rows(connection) if row.id == number), None)
    if row is None:
        raise PuyunError("price_not_found", 404, f"No price has the id {number}. `puyun price history MODEL` has them.")
    if row.revoked is not None:
        text = f"Price {number} was revoked {format_instant(row.revoked.at)}. Nothing is left to be done."
        raise PuyunError("already_revoked", 409, text)
    if now > row.effective_from - UNDO_MARGIN:
        began = format_instant(row.effective_from)
        text = f"Price {number} is in force from {began}. Set another one; what was charged stays as it is."
        raise PuyunError("price_in_force", 409, text)
    revocation = {"price": number, "created_at": now, "created_by": who, "reason": reason}
    connection.execute(insert(_REVOKED).values(revocation))
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


def announce_prices(connection: Connection, rows: Sequence[PriceRow], now: Instant) -> None:
    """Tell those who use the models; meters that change together are told of as one."""
    numbers = {row.name: row.id for row in connection.execute(select(_MODEL.c.name, _MODEL.c.id))}
    for model, tier, start in dict.fromkeys((row.model, row.tier, row.effective_from) for row in rows):
        announce_price(connection, price_announced(model, tier, start), numbers[model], now)


def load_cost_rows(connection: Connection) -> list[CostRow]:
    """Every row ever written, in the order of their ids."""
    joined = select(_COST, _DEPLOYMENT.c.name).join(_DEPLOYMENT, _DEPLOYMENT.c.id == _COST.c.deployment)
    return [
        CostRow(
            id=row.id,
            deployment=row.name,
            meter=row.meter,
            amount=row.amount,
            effective_from=row.effective_from,
            created_at=row.created_at,
            created_by=row.created_by,
            reason=row.reason,
        )
        for row in connection.execute(joined.order_by(_COST.c.id))
    ]


def add_cost(connection: Connection, cost: Cost, *, who: str, reason: str, now: Instant) -> None:
    """Add one row; a start in the past becomes now. Raises PuyunError `unknown_name` (404)."""
    query = select(_DEPLOYMENT.c.id).where(_DEPLOYMENT.c.name == cost.deployment)
    deployment = connection.execute(query).scalar()
    if deployment is None:
        message = f"No deployment is called {cost.deployment!r}. `puyun catalog export` lists the names."
        raise PuyunError("unknown_name", 404, message)
    row = {
        "deployment": deployment,
        "meter": cost.meter,
        "amount": cost.amount,
        "effective_from": now if cost.effective_from is None else max(cost.effective_from, now),
        "created_at": now,
        "created_by": who,
        "reason": reason,
    }
    connection.execute(insert(_COST).values(row))
