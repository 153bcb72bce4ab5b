"""A shop that sells: one organization, its key, two models and their prices; calls go through the real ledger store."""

from sqlalchemy import Connection, Engine, insert

from puyun.catalog.model import TIERS, Price, Tier
from puyun.identity.keys import ENTROPY_BYTES, mint
from puyun.identity.model import ApiKey, KeySpec, Organization
from puyun.kit.clock import HOUR, Instant, ManualClock
from puyun.kit.ids import CallSequence, call_started
from puyun.kit.money import NANO, hold_of, parse_price
from puyun.ledger.command import Hold, Outcome
from puyun.ledger.hold import Status
from puyun.metering.record import NO_FLAGS, Flag, UsageRecord
from puyun.metering.usage import Usage
from puyun.pricing.pricebook import PriceBook
from puyun.pricing.rate import rate
from puyun.storage import schema
from puyun.storage.engine import Database, writing
from puyun.storage.identity import create_key, create_organization
from puyun.storage.ledger.opening import open_store
from puyun.storage.prices import load_price_rows, set_price
from puyun.storage.wallets import MoneyKind, top_up

NOON = Instant(1_795_608_000_000_000)
"""2026-11-25T12:00:00Z."""


class Shop:
    """One organization with a key, two models, prices for Flex, 5.00 paid and 0.001 of bonus; calls by the real store."""

    def __init__(self, engine: Engine, database: Database) -> None:
        self.engine = engine
        self.clock = ManualClock(NOON)
        self.calls = CallSequence(0)
        self.store = open_store(database, self.clock, 1)
        with writing(engine) as connection:
            connection.execute(insert(schema.owner).values(id=1, slot=0, started_at=NOON))
            self.models = {name: _model(connection, name) for name in ("m", "n")}
            for model, meter, amount in (("m", "input", "2.50"), ("m", "output", "10.00"), ("n", "input", "0.10")):
                price = Price(model=model, tier=Tier.FLEX, meter=meter, amount=parse_price(amount))
                set_price(connection, price, who="test", now=NOON)
            self.org = self.organization(connection, "acme", 7)
            self.key = self.api_key(connection, self.org, budget=4 * NANO)
            top_up(connection, 7, 5 * NANO, kind=MoneyKind.PAID, ref="first", now=NOON)
            top_up(connection, 7, NANO // 1000, kind=MoneyKind.BONUS, ref="second", now=NOON)
        self.book = PriceBook(self._rows())

    def organization(self, connection: Connection, name: str, org: int) -> Organization:
        return create_organization(connection, name, org=org, tiers=TIERS, currency="USD", now=NOON)

    def api_key(self, connection: Connection, org: Organization, budget: int | None = None, seed: int = 1) -> ApiKey:
        spec = KeySpec(tier=Tier.FLEX, name="ci", budget=budget)
        return create_key(connection, org, spec, mint(seed.to_bytes(ENTROPY_BYTES)), NOON)

    def hold(self, amount: int = NANO // 100, model: str = "m", key: ApiKey | None = None) -> tuple[int, Outcome]:
        key = key or self.key
        call = self.calls.next(self.clock.now())
        return call, self.store.commit([Hold(key.org, call, key.id, amount, self.models[model], Tier.FLEX)])[0]

    def sell(
        self,
        usage: Usage,
        status: Status = Status.COMPLETED,
        *,
        model: str = "m",
        held: int | None = None,
        flags: Flag = NO_FLAGS,
    ) -> int:
        """One call from hold to settle; returns its id."""
        rates = self.book.rates(model, Tier.FLEX, self.clock.now())
        assert rates is not None
        held = hold_of(rate(usage, rates).exact) if held is None else held
        call, _ = self.hold(held, model)
        self.settle(call, usage, status, model=model, held=held, flags=flags)
        return call

    def settle(
        self,
        call: int,
        usage: Usage,
        status: Status = Status.COMPLETED,
        *,
        model: str = "m",
        held: int = NANO // 100,
        flags: Flag = NO_FLAGS,
    ) -> None:
        """The end of a call that was held, at the prices of its beginning."""
        rates = self.book.rates(model, Tier.FLEX, call_started(call))
        assert rates is not None
        record = UsageRecord(
            org=self.key.org,
            call=call,
            key=self.key.id,
            model=self.models[model],
            deployment=self.models[model],
            tier=Tier.FLEX,
            tier_requested=Tier.FLEX,
            status=status,
            usage=usage,
            exact=rate(usage, rates).exact,
            held=held,
            price_ids=rates.price_ids,
            flags=flags,
            queue_ms=1,
            ttft_ms=20,
            total_ms=300,
            error="upstream_error" if status is Status.FAILED else None,
        )
        self.store.commit([record])

    def crash(self) -> int:
        """The process is found to be gone; how many holds were returned. Another takes its place."""
        with writing(self.engine) as connection:
            connection.execute(schema.owner.delete())
        returned = self.store.expire_orphans()
        self.store.owner += 1
        with writing(self.engine) as connection:
            connection.execute(insert(schema.owner).values(id=self.store.owner, slot=0, started_at=NOON))
        return returned

    def later(self, hours: int) -> None:
        self.clock.advance(hours * HOUR)

    def _rows(self) -> list:
        with self.engine.connect() as connection:
            return load_price_rows(connection)


def _model(connection: Connection, name: str) -> int:
    row = {"name": name, "kind": "chat", "context_length": 1000}
    number = connection.execute(insert(schema.model).values(row).returning(schema.model.c.id)).scalar_one()
    provider = {"id": number, "name": f"p-{name}", "dialect": "echo"}
    connection.execute(insert(schema.provider).values(provider))
    deployment = {
        "id": number,
        "name": f"{name}@p",
        "provider": number,
        "upstream_model": name,
        "pool": "shared",
        "seats": 1,
    }
    connection.execute(insert(schema.deployment).values(deployment))
    return number
