"""An organization with webhooks on a database, and a job that delivers to them."""

import secrets
from pathlib import Path

from sqlalchemy import Engine, select

from puyun.catalog.model import Tier
from puyun.config import Brand, Mail
from puyun.identity.model import Membership, Organization, Role, User
from puyun.jobs.notify.delivering import Delivering
from puyun.jobs.notify.letters import Letters
from puyun.jobs.notify.sending import Sender
from puyun.jobs.notify.telling import Telling
from puyun.kit.clock import DAY, Clock, Instant
from puyun.notices.kinds import KeyCreated, Kind
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_organization, create_user, set_membership
from puyun.storage.mail.post import Posted, newest
from puyun.storage.notify.events import happened
from puyun.storage.webhooks.deliveries import Delivery, Wanted, page_of_deliveries
from puyun.storage.webhooks.tables import webhook
from puyun.storage.webhooks.webhooks import Keeper, Made, create_webhook
from puyun.system.entropy import organization_id
from puyun.system.vault import Vault

START = Instant(20_000 * DAY)


class Hooks:
    """`vault` is in `folder`; private addresses are allowed, since the receiver lies on one."""

    def __init__(self, engine: Engine, clock: Clock, folder: Path) -> None:
        self.engine = engine
        self.clock = clock
        self.vault = Vault(folder)
        self.keeper = Keeper(self.vault, lambda: secrets.token_bytes(32), private=True)
        self._number = 0

    def organization(self, name: str) -> Organization:
        with writing(self.engine) as connection:
            now = self.clock.now()
            return create_organization(
                connection, name, org=organization_id(), tiers=list(Tier), currency="USD", now=now
            )

    def person(self, email: str, organization: Organization, role: Role = Role.OWNER) -> User:
        with writing(self.engine) as connection:
            user = create_user(connection, email, "", now=self.clock.now())
            set_membership(connection, Membership(org=organization.id, user=user.id, role=role))
        return user

    def webhook(self, organization: Organization, url: str, *kinds: Kind) -> Made:
        with writing(self.engine) as connection:
            return create_webhook(
                connection,
                organization.id,
                url,
                kinds or tuple(Kind),
                keeper=self.keeper,
                by="ada",
                now=self.clock.now(),
            )

    def happen(self, organization: Organization) -> None:
        """A key was created."""
        self._number += 1
        payload = KeyCreated(key=f"key_{self._number}", name="ci", prefix="sk-x")
        with writing(self.engine) as connection:
            happened(connection, organization.id, payload, subject=payload.key, now=self.clock.now())

    def telling(self, *, mail: bool = False) -> Telling:
        place = Mail(host="127.0.0.1", sender="us@example.com", links="https://puyun.example")
        return Telling(self.engine, self.clock, Letters(Brand(), place) if mail else None)

    def delivering(self, patience: float = 10.0) -> Delivering:
        sender = Sender(self.clock, private=True, patience=patience)
        return Delivering(self.engine, self.clock, self.vault, sender, dice=lambda: 0)

    def deliveries(self, organization: Organization) -> list[Delivery]:
        with reading(self.engine) as connection:
            return page_of_deliveries(connection, organization.id, Wanted())[0]

    def letters(self) -> list[Posted]:
        with reading(self.engine) as connection:
            return newest(connection, 1_000)

    def status(self, made: Made) -> str:
        with reading(self.engine) as connection:
            return connection.execute(select(webhook.c.status).where(webhook.c.id == made.webhook.id)).scalar_one()
