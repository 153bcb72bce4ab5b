"""Every rate that a record can name: A8 is a join with them, and only records that do not fit are looked at one by one."""

from functools import lru_cache

from sqlalchemy import Column, Connection, MetaData, Table, Text, insert, select

from puyun.kit.clock import MINUTE, Instant, format_instant
from puyun.kit.ids import CALL_MAX, first_call_at
from puyun.metering.usage import BUCKETS
from puyun.pricing.pricebook import PriceBook, Rates
from puyun.storage import schema
from puyun.storage.ledger.codes import TIER_CODE, TIER_NAME
from puyun.storage.prices import load_price_rows

PINNED = MINUTE
"""How long after a price has changed a process may still admit calls by the old one."""

rates_table = Table(
    "audit_rates",
    MetaData(),
    Column("price_ids", Text, primary_key=True),
    Column("model", schema.Id, primary_key=True),
    Column("tier", schema.Small, primary_key=True),
    Column("since", schema.Id, nullable=False),
    Column("until", schema.Id, nullable=False),
    *(Column(bucket, schema.Money, nullable=False) for bucket in BUCKETS),
    prefixes=["TEMPORARY"],
)
"""Lives as long as the transaction that reads. `since` and `until` are calls that could be admitted by these prices."""


class Rating:
    """The price book as the audit needs it."""

    def __init__(self, connection: Connection) -> None:
        self._book = PriceBook(load_price_rows(connection))
        self._models = {row.id: row.name for row in connection.execute(select(schema.model.c.id, schema.model.c.name))}
        self.recorded = lru_cache(maxsize=4096)(self._recorded)
        rates_table.drop(connection, checkfirst=True)
        rates_table.create(connection)
        rows = self._rows()
        if rows:
            connection.execute(insert(rates_table), rows)

    def late(self, price_ids: str, started: Instant) -> str | None:
        """Why prices that exist were not those in force when a call began."""
        for price_id in price_ids.split():
            row = self._book.by_id[int(price_id)]
            if row.revoked is not None:
                return f"price {row.id} was revoked before it began"
            if row.effective_from // 1000 > started // 1000:
                return f"price {row.id} began later, at {format_instant(row.effective_from)}"
        return self._replaced(price_ids, started)

    def _replaced(self, price_ids: str, started: Instant) -> str | None:
        named = [self._book.by_id[int(price_id)] for price_id in price_ids.split()]
        if not named:
            return None
        at = Instant(started - PINNED)
        offer = (named[0].model, named[0].tier)
        moments = [
            at,
            *(row.effective_from for row in self._book.history(offer[0]) if at < row.effective_from <= started),
        ]
        in_force = [self._book.rates(*offer, moment) for moment in [*moments, Instant(started + 1000)]]
        if any(rates is not None and rates.price_ids == price_ids for rates in in_force):
            return None
        return f"prices {price_ids} were not those in force when it began"

    def _rows(self) -> list[dict[str, object]]:
        ids = {name: number for number, name in self._models.items()}
        found: dict[tuple[str, int, int], dict[str, object]] = {}
        for name, tier in self._book.offers():
            mine = [row for row in self._book.history(name) if row.tier == tier and row.revoked is None]
            for moment in sorted({row.effective_from for row in mine}):
                rates = self._book.rates(name, tier, moment)
                if rates is None:
                    continue
                until = CALL_MAX if rates.until is None else first_call_at(Instant(rates.until + PINNED))
                place = (rates.price_ids, ids[name], TIER_CODE[tier])
                since = found[place]["since"] if place in found else first_call_at(moment)
                head: dict[str, object] = {
                    "price_ids": place[0],
                    "model": place[1],
                    "tier": place[2],
                    "since": since,
                    "until": until,
                }
                found[place] = head | dict(zip(BUCKETS, rates.prices, strict=True))
        free = dict.fromkeys(BUCKETS, 0)
        for number in self._models:
            for tier in TIER_NAME:
                empty: dict[str, object] = {
                    "price_ids": "",
                    "model": number,
                    "tier": tier,
                    "since": 0,
                    "until": CALL_MAX,
                }
                found["", number, tier] = empty | free
        return list(found.values())

    def _recorded(self, price_ids: str, model: int, tier: int) -> Rates | str:
        """The rates behind a record, or why there are none."""
        try:
            rates = self._book.recorded(price_ids)
        except (KeyError, ValueError):
            return f"it names prices {price_ids!r}, not all of which exist"
        offer = (self._models.get(model), TIER_NAME.get(tier))
        for price in rates.own.values():
            row = self._book.by_id[price.price_id]
            if (row.model, row.tier) != offer:
                return f"price {row.id} is of {row.model} at {row.tier}, the call of {offer[0]} at {offer[1]}"
        return rates
