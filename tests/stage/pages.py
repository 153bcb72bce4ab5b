"""The pages alone, over a temporary database and a price list that a test can change, in process or on a real socket."""

import asyncio
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import uvicorn
from sqlalchemy import insert

from puyun.catalog.model import Deployment, Dialect, Kind, Model, Provider, Tier
from puyun.catalog.snapshot import Candidate, SoldModel
from puyun.config import Brand, Issuer, Mail, Signup
from puyun.identity.keys import mint
from puyun.identity.model import ApiKey, KeySpec, Membership, Organization, Role, User
from puyun.integrations.oidc.fetching import Fetching
from puyun.integrations.oidc.issuer import IssuerClient
from puyun.kit.clock import HOUR, Clock, Instant
from puyun.kit.ids import first_call_at
from puyun.kit.money import parse_price
from puyun.ledger.hold import Status
from puyun.portal.app import PageDeps, create_pages
from puyun.pricing.papers.parties import Seller
from puyun.pricing.pricebook import PriceBook, PriceRow
from puyun.storage import schema
from puyun.storage.engine import open_engine, sqlite_path, writing
from puyun.storage.identity import create_key, create_organization, create_user, set_membership
from puyun.storage.ledger.codes import STATUS_CODE, TIER_CODE
from puyun.storage.migrate import upgrade
from puyun.storage.reports.signatures import Signer
from puyun.storage.snapshots import Snapshot
from puyun.system.clock import SystemClock
from puyun.system.entropy import key_entropy, organization_id
from puyun.system.passwords import hash_password
from puyun.system.vault import Vault
from stage.arbiter import StageArbiter
from stage.issuer import SECRET as ISSUER_SECRET
from stage.waiting import PATIENCE, until

PASSWORD = "correct horse battery"

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""How Chromium is started: no window, no sandbox (tests may run as root), no talk of its own with the network."""

CHAT = Model(name="gpt-4o", kind=Kind.CHAT, context_length=128_000, vendor="openai")
DEMO = Model(name="puyun/demo", kind=Kind.CHAT, context_length=4096, vendor="puyun", label="demonstration model")
EMBEDDING = Model(name="embed-3", kind=Kind.EMBEDDING, context_length=8192, vendor="openai")
HOSTILE = Model(name='<script>alert("x")</script>', kind=Kind.RERANK, context_length=1000, vendor="o&o")

CLOSED = Signup()
"""Sign-up as it is unless an operator opens it."""

SHARED = Candidate(
    1,
    Deployment(name="any@echo", provider="echo", upstream_model="any"),
    Provider(name="echo", dialect=Dialect.ECHO),
)
"""What serves every model."""


@cache
def _hashed() -> str:
    return hash_password(PASSWORD)


class Prices:
    """The snapshot of the data plane, as far as pages look at it."""

    def __init__(self, *models: Model) -> None:
        self.models = list(models)
        self.rows: list[PriceRow] = []
        self.revision = 0
        self.book = PriceBook(())
        self.served_by: tuple[Candidate, ...] = (SHARED,)
        self.owners: dict[str, int] = {}

    def set(self, model: Model, tier: Tier, meter: str, price: str | None, *, start: int = 0) -> None:
        """One more row; the next look at the snapshot sees it."""
        row = PriceRow(
            id=len(self.rows) + 1,
            model=model.name,
            tier=tier,
            meter=meter,
            amount=None if price is None else parse_price(price),
            effective_from=Instant(start),
            created_at=Instant(0),
        )
        self.rows.append(row)
        self.book = PriceBook(self.rows)
        self.revision += 1

    def snapshot(self) -> Snapshot:
        """With everything sold, by numbers in the order of the models."""
        sold = {model.name: SoldModel(number, model, self.served_by) for number, model in enumerate(self.models, 1)}
        return Snapshot(self.revision, sold, self.book, self.owners)


def shop() -> Prices:
    """Four models; the chat model at three tiers with a cache price, the others at one or two."""
    prices = Prices(CHAT, DEMO, EMBEDDING, HOSTILE)
    for tier, price in zip(Tier, ("2.25", "2.50", "2.875"), strict=True):
        prices.set(CHAT, tier, "input", price)
        prices.set(CHAT, tier, "output", "10.00")
        prices.set(CHAT, tier, "cached_input", "1.25")
        prices.set(DEMO, tier, "input", "0.02")
        prices.set(DEMO, tier, "output", "0.04")
    prices.set(EMBEDDING, Tier.FLEX, "input", "0.13")
    prices.set(HOSTILE, Tier.TEST, "input", "1")
    return prices


class Site:
    """The pages with people and usage in their database. `migrated`: an empty database to begin with, to save time."""

    def __init__(
        self,
        folder: Path,
        migrated: Path | None = None,
        *,
        clock: Clock | None = None,
        prices: Prices | None = None,
        brand: Brand | None = None,
        signup: Signup = CLOSED,
        mail: Mail | None = None,
        issuers: Sequence[Issuer] = (),
        allow_private: bool = True,
        seller: Seller | None = None,
    ) -> None:
        if migrated is not None:
            shutil.copy(migrated, sqlite_path(folder))
        self.clock = clock or SystemClock()
        self.prices = prices or shop()
        self.engine = open_engine(sqlite_path(folder))
        upgrade(self.engine)
        self.stopping = False
        self.seller = seller or Seller()
        self.arbiter = StageArbiter(self.clock)
        self.signer = Signer(self.engine, folder, self.clock)
        self.vault = Vault(folder)
        self.app = create_pages(
            PageDeps(
                engine=self.engine,
                clock=self.clock,
                brand=brand or Brand(),
                prices=lambda: self.prices,
                catalogue=self.catalogue,
                arbiter=self.arbiter,
                signer=self.signer,
                vault=self.vault,
                signup=signup,
                mail=mail or Mail(),
                issuers=tuple(
                    IssuerClient(issuer, Fetching(allow_private=allow_private), self.clock, lambda: ISSUER_SECRET)
                    for issuer in issuers
                ),
                seller=self.seller,
                stopping=lambda: self.stopping,
            )
        )

    def close(self) -> None:
        self.engine.dispose()

    def catalogue(self) -> Snapshot:
        return self.prices.snapshot()

    def organization(self, name: str) -> Organization:
        with writing(self.engine) as connection:
            now = self.clock.now()
            return create_organization(
                connection, name, org=organization_id(), tiers=list(Tier), currency="USD", now=now
            )

    def person(self, email: str, *organizations: Organization, role: Role = Role.OWNER, operator: bool = False) -> User:
        """Somebody whose password is PASSWORD."""
        with writing(self.engine) as connection:
            user = create_user(connection, email, _hashed(), now=self.clock.now(), operator=operator)
            for organization in organizations:
                set_membership(connection, Membership(org=organization.id, user=user.id, role=role))
        return user

    def models(self) -> dict[str, int]:
        """The catalogue's rows of the models on sale."""
        with writing(self.engine) as connection:
            return {
                model.name: connection.execute(
                    insert(schema.model)
                    .values(name=model.name, kind=model.kind, context_length=model.context_length)
                    .returning(schema.model.c.id)
                ).scalar_one()
                for model in self.prices.models
            }

    def key(self, organization: Organization, name: str = "") -> ApiKey:
        with writing(self.engine) as connection:
            spec = KeySpec(tier=Tier.FLEX, name=name)
            return create_key(connection, organization, spec, mint(key_entropy()), self.clock.now())

    def used(self, key: ApiKey, model: int, tier: Tier, *, at: int, charge: int, **counts: int) -> None:
        """A row of the hourly rollups, as settled calls leave it. `charge` in nano-units."""
        row = {"org": key.org, "hour": at // HOUR, "key": key.id, "model": model, "tier": TIER_CODE[tier]}
        with writing(self.engine) as connection:
            connection.execute(insert(schema.rollup_hour).values(**row, charge=charge, **counts))

    def ended(self, key: ApiKey, model: int, call: int, status: Status = Status.COMPLETED, **columns: int) -> None:
        """The usage record and the rollup of a key's only call. `call`: its number among all."""
        now = self.clock.now()
        zero = ("input", "cached_input", "cache_write", "audio", "output", "reasoning", "audio_output", "exact")
        zero += ("charge", "from_bonus", "held", "balance_after", "flags", "queue_ms", "ttft_ms", "total_ms")
        row = dict.fromkeys(zero, 0) | columns
        row |= {"org": key.org, "call": first_call_at(now) + call, "number": call, "key": key.id, "model": model}
        row |= {"deployment": 1, "tier": TIER_CODE[key.tier], "tier_requested": TIER_CODE[key.tier], "attempts": 1}
        error = None if status is Status.COMPLETED else "upstream_error"
        with writing(self.engine) as connection:
            ends = {"status": STATUS_CODE[status], "price_ids": "", "error": error}
            connection.execute(insert(schema.usage_record).values(**row, **ends))
        self.used(key, model, key.tier, at=now, charge=columns.get("charge", 0), calls=1)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address, while it serves in a thread of its own."""
        config = uvicorn.Config(self.app, port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
        thread.start()
        try:
            until(lambda: server.started, "the pages to be served")
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            self.stopping = True
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the server did not stop"
