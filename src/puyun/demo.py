"""The demonstration: an organization with credit, a key, and a model that runs right here, for a first call in a minute.

It is prepared when the database knows no provider but the embedded one, and `--no-demo` was not given.
"""

import os
from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, Engine, select

from puyun.catalog.diff import diff
from puyun.catalog.file import parse
from puyun.catalog.model import TIERS, CatalogFile, Deployment, Dialect, Provider, Tier
from puyun.catalog.snapshot import Candidate
from puyun.config import Settings
from puyun.egress.connect import Connector
from puyun.egress.target import target_at
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec, Membership, Role
from puyun.jobs.refresh import Refresh
from puyun.kit.clock import Clock
from puyun.kit.money import NANO
from puyun.localmodel import availability, offer
from puyun.localmodel.supervisor import Endpoint, LocalModel
from puyun.storage import schema
from puyun.storage.catalog import apply_diff, load_catalog
from puyun.storage.engine import writing
from puyun.storage.identity import (
    create_key,
    create_organization,
    create_user,
    find_organization,
    set_membership,
)
from puyun.storage.wallets import MoneyKind, top_up
from puyun.system import entropy
from puyun.system.passwords import hash_password

PROVIDERS = frozenset({offer.PROVIDER, "echo"})
"""Providers that the demonstration brings itself; any other one switches it off."""

ORGANIZATION = "demo"
EMAIL = "demo@example.com"
CREDIT = 5 * NANO
CREDENTIALS = "demo.json"
"""In the data directory, readable by its owner alone: the demonstration's key and password, to be shown again."""


Moved = Callable[[Endpoint | None], None]
"""Told where the embedded model is, each time that changes; None: nowhere."""


class Credentials(msgspec.Struct, frozen=True):
    key: str
    password: str


class Demonstration:
    """`wanted` is what the operator asked for; whether it happens depends on what is configured."""

    def __init__(self, settings: Settings, engine: Engine, clock: Clock, *, wanted: bool) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._wanted = wanted
        self._model: LocalModel | None = None
        self._credentials: Credentials | None = None
        self._found = availability.find(settings.local_model.path)

    def prepare(self) -> None:
        """Put the demonstration's offer, organization and key into the database, or take the offer off sale."""
        with writing(self._engine) as connection:
            providers = set(connection.execute(select(schema.provider.c.name)).scalars())
            self._wanted = self._wanted and providers <= PROVIDERS
            if self._wanted:
                self._apply(connection, parse(offer.catalog(self._found), "the demonstration's catalogue"))
                self._credentials = self._admit(connection)
            elif providers & PROVIDERS:
                self._apply(connection, self._withdrawal(connection))

    @property
    def has_model(self) -> bool:
        """Whether an embedded model is to run, here or in another process of this server. Known once prepared."""
        return self._wanted and isinstance(self._found, availability.Available)

    def follow(self, refresh: Refresh, connector: Connector) -> Moved:
        """Route calls to the embedded model wherever what is returned is told that it is; until then they are refused."""

        def moved(endpoint: Endpoint | None) -> None:
            target = target_at(_anywhere(), endpoint.base_url, endpoint.api_key) if endpoint else None
            if target is not None:
                connector.exempt.add((target.host, target.port))
            refresh.override(offer.PROVIDER, target)

        moved(None)
        return moved

    async def start(self, moved: Moved) -> None:
        """Start the embedded model; `moved` is told where it is."""
        self._model = LocalModel(self._found, moved)
        await self._model.start()

    async def stop(self) -> None:
        if self._model is not None:
            await self._model.stop()

    def announce(self, port: int) -> None:
        """What a newcomer needs, on standard output."""
        host = self._settings.server.host
        url = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104 - compared, not bound
        lines = [f"{self._settings.brand.name} is ready on {url}"]
        if self._credentials is not None:
            lines += self._welcome(url, self._credentials)
        print("\n".join(lines), flush=True)  # noqa: T201 - the command's output

    def _welcome(self, url: str, credentials: Credentials) -> list[str]:
        found = self._found
        model = found.name if isinstance(found, availability.Available) else offer.ECHO_MODEL
        body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "What is the capital of France?"}}]}}'
        lines = [
            "",
            f"  Prices     {url}/",
            f"  Portal     {url}/login   {EMAIL}   {credentials.password}",
            f"  Demo key   {credentials.key}",
            "",
            "  First call:",
            f"  curl {url}/v1/chat/completions -H 'Authorization: Bearer {credentials.key}' \\",
            f"    -H 'Content-Type: application/json' -d '{body}'",
            "",
        ]
        if isinstance(found, availability.Unavailable):
            lines += [f"  No embedded model here ({found.reason}); the echo model answers instead.", ""]
        return lines

    def _apply(self, connection: Connection, wanted: CatalogFile) -> None:
        now = self._clock.now()
        changes = diff(load_catalog(connection, now), wanted, now)
        if not changes.empty:
            apply_diff(connection, changes, who="demonstration", now=now)

    def _withdrawal(self, connection: Connection) -> CatalogFile:
        """The embedded models' prices, withdrawn: nobody should be sold a model that does not run."""
        current = load_catalog(connection, self._clock.now())
        ours = {deployment.name for deployment in current.deployments if deployment.provider in PROVIDERS}
        models = {model.name for model in current.models if model.deployments and set(model.deployments) <= ours}
        prices = [price for price in current.prices if price.model in models and price.amount is not None]
        return CatalogFile(prices=tuple(msgspec.structs.replace(p, amount=None, effective_from=None) for p in prices))

    def _admit(self, connection: Connection) -> Credentials:
        path = self._settings.data / CREDENTIALS
        if find_organization(connection, ORGANIZATION) is not None:
            return (
                msgspec.json.decode(path.read_bytes(), type=Credentials) if path.is_file() else self._again(connection)
            )
        now = self._clock.now()
        organization = create_organization(
            connection,
            ORGANIZATION,
            org=entropy.organization_id(),
            tiers=TIERS,
            currency=self._settings.brand.currency,
            now=now,
        )
        password = entropy.password()
        user = create_user(connection, EMAIL, hash_password(password), now=now)
        set_membership(connection, Membership(org=organization.id, user=user.id, role=Role.OWNER))
        note = "credit of the demonstration"
        top_up(connection, organization.id, CREDIT, kind=MoneyKind.BONUS, ref="demonstration", note=note, now=now)
        return self._key(connection, password)

    def _again(self, connection: Connection) -> Credentials:
        """The file is gone: a new key, and the password stays what it was."""
        return self._key(connection, "(as it was)")

    def _key(self, connection: Connection, password: str) -> Credentials:
        organization = find_organization(connection, ORGANIZATION)
        assert organization is not None
        secret = mint(entropy.key_entropy())
        create_key(connection, organization, KeySpec(tier=Tier.FLEX, name="demo"), secret, self._clock.now())
        credentials = Credentials(secret, password)
        path = self._settings.data / CREDENTIALS
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(credentials))
        return credentials


def _anywhere() -> Candidate:
    provider = Provider(name=offer.PROVIDER, dialect=Dialect.OPENAI)
    return Candidate(0, Deployment(name="", provider=offer.PROVIDER, upstream_model=""), provider)
