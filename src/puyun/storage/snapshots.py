"""Reading the catalogue, the prices and the keys into what the data plane works from, and noticing when they change."""

from collections import defaultdict
from collections.abc import Mapping
from ipaddress import ip_network

import msgspec
from sqlalchemy import Connection, RowMapping, Select, select

from puyun.catalog.model import Deployment, Dialect, Engine, Kind, Model, Provider, Tier
from puyun.catalog.snapshot import Candidate, Key, SoldModel
from puyun.identity.model import OrganizationStatus
from puyun.kit.clock import Instant
from puyun.kit.ids import format_id
from puyun.pricing.pricebook import PriceBook, Rates
from puyun.storage import schema
from puyun.storage.prices import load_price_rows

_names = msgspec.json.Decoder(tuple[str, ...])
_tiers = msgspec.json.Decoder(frozenset[Tier])


class Snapshot:
    """Immutable but for its memory of rates already worked out. Shared by the data plane and the price pages."""

    def __init__(
        self, revision: int, sold: Mapping[str, SoldModel], book: PriceBook, owners: dict[str, int] | None = None
    ) -> None:
        self.revision = revision
        self.sold = sold
        self.owners = owners or {}
        """Dedicated pools, by their names: the organization each is for."""
        self.models = [entry.model for entry in sold.values()]
        self.book = book
        self._rates: dict[tuple[str, Tier], Rates] = {}

    def rates(self, model: str, tier: Tier, now: Instant) -> Rates | None:
        """The rates in force, or None when this model is not sold at this tier at this moment (I17)."""
        rates = self._rates.get((model, tier))
        if rates is None or (rates.until is not None and now >= rates.until):
            rates = self.book.rates(model, tier, now)
            if rates is not None:
                self._rates[model, tier] = rates
        return rates


EMPTY = Snapshot(-1, {}, PriceBook(()))


def revisions(connection: Connection) -> dict[str, int]:
    """How often `catalog` and `identity` have changed."""
    table = schema.revision
    return {row.name: row.value for row in connection.execute(select(table.c.name, table.c.value))}


def load_snapshot(connection: Connection, revision: int) -> Snapshot:
    """Everything that is sold, in name order."""
    providers = {row["id"]: _provider(row) for row in _rows(connection, select(schema.provider))}
    candidates = {
        row["id"]: Candidate(row["id"], _deployment(row, providers[row["provider"]].name), providers[row["provider"]])
        for row in _rows(connection, select(schema.deployment))
    }
    places: defaultdict[int, list[Candidate]] = defaultdict(list)
    link = schema.model_deployment
    for row in _rows(connection, select(link).order_by(link.c.model, link.c.position)):
        places[row["model"]].append(candidates[row["deployment"]])
    sold = {
        row["name"]: SoldModel(row["id"], _model(row, places[row["id"]]), tuple(places[row["id"]]))
        for row in _rows(connection, select(schema.model).order_by(schema.model.c.name))
    }
    return Snapshot(revision, sold, PriceBook(load_price_rows(connection)), _owners(connection))


def _owners(connection: Connection) -> dict[str, int]:
    """A dedicated pool names its organization by name or by id."""
    org = schema.organization
    rows = connection.execute(select(org.c.id, org.c.name)).all()
    named = {f"dedicated:{row.name}": row.id for row in rows}
    return named | {f"dedicated:{format_id('org', row.id)}": row.id for row in rows}


def load_keys(connection: Connection, since: int) -> dict[bytes, Key]:
    """Keys by fingerprint that changed, or whose organization did, after the identity revision `since`."""
    key, org = schema.api_key, schema.organization
    query = (
        select(key, org.c.tiers.label("org_tiers"), org.c.status.label("org_status"))
        .join(org, org.c.id == key.c.org)
        .where((key.c.revision > since) | (org.c.revision > since))
    )
    return {row["hash"]: _key(row) for row in _rows(connection, query)}


def _rows(connection: Connection, query: Select[*tuple[object, ...]]) -> list[RowMapping]:
    return list(connection.execute(query).mappings())


def _provider(row: RowMapping) -> Provider:
    return Provider(
        name=row["name"],
        dialect=Dialect(row["dialect"]),
        base_url=row["base_url"],
        api_key=row["api_key"],
        engine=Engine(row["engine"]) if row["engine"] else None,
    )


def _deployment(row: RowMapping, provider: str) -> Deployment:
    return Deployment(
        name=row["name"],
        provider=provider,
        upstream_model=row["upstream_model"],
        pool=row["pool"],
        seats=row["seats"],
        rpm=row["rpm"],
        itpm=row["itpm"],
        otpm=row["otpm"],
        own=bool(row["own"]),
        lend=bool(row["lend"]),
    )


def _model(row: RowMapping, candidates: list[Candidate]) -> Model:
    return Model(
        name=row["name"],
        kind=Kind(row["kind"]),
        context_length=row["context_length"],
        max_output=row["max_output"],
        deployments=tuple(candidate.deployment.name for candidate in candidates),
        vendor=row["vendor"],
        label=row["label"],
        description=row["description"],
        created=row["created"],
    )


def _key(row: RowMapping) -> Key:
    return Key(
        id=row["id"],
        org=row["org"],
        tier=Tier(row["tier"]),
        tiers=_tiers.decode(row["org_tiers"]),
        models=frozenset(_names.decode(row["models"])),
        networks=tuple(ip_network(text) for text in _names.decode(row["ips"])),
        expires_at=row["expires_at"],
        active=row["revoked_at"] is None and row["org_status"] == OrganizationStatus.ACTIVE,
        member=row["member"] or 0,
    )
