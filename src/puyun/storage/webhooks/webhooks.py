"""Webhooks: where an organization's events go. Secrets are sealed; an organization's own number is a part of each query."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.notices.address import parse_url
from puyun.notices.kinds import Kind, Moment, WebhookDisabled
from puyun.notices.retry import given_up
from puyun.notices.signing import OVERLAP, mint
from puyun.storage.notify.events import happened
from puyun.storage.webhooks.tables import delivery, webhook
from puyun.system.vault import Vault

MOST = 10
"""Webhooks of one organization."""

PREFIX = "wh"

_HOOK, _DELIVERY = webhook, delivery
_kinds = msgspec.json.Decoder(tuple[str, ...])


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    """By a member."""
    DISABLED = "disabled"
    """By us: nothing was taken for too long."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one but its secret. `overlap_until`: how long the secret before signs too."""

    id: int
    org: int
    url: str
    kinds: tuple[Kind, ...]
    status: Status
    failing_since: Instant | None
    overlap_until: Instant | None
    created_at: Instant
    created_by: str


class Made(msgspec.Struct, frozen=True):
    """A webhook and its new secret, shown this once. It has no readable form, so that no log can show it."""

    webhook: Webhook
    secret: str

    def __repr__(self) -> str:
        return f"Made({format_id(PREFIX, self.webhook.id)})"


class Keeper(msgspec.Struct, frozen=True):
    """What making one needs. `entropy`: new random bytes; `private`: whether the operator allows private addresses."""

    vault: Vault
    entropy: Callable[[], bytes]
    private: bool


def create_webhook(
    connection: Connection, org: int, url: str, kinds: Sequence[Kind], *, keeper: Keeper, by: str, now: Instant
) -> Made:
    """Raises PuyunError `invalid_url`, `url_not_public`, `none_chosen` (400) or `too_many_webhooks` (409)."""
    values = _checked(url, kinds, keeper)
    count = select(func.count()).select_from(_HOOK).where(_own(org))
    if connection.execute(count).scalar_one() >= MOST:
        raise PuyunError("too_many_webhooks", 409, f"An organization has at most {MOST} webhooks. Delete one first.")
    row = {"org": org, "secret": b"", "created_at": now, "created_by": by} | values
    number = connection.execute(insert(_HOOK).values(row).returning(_HOOK.c.id)).scalar_one()
    secret = mint(keeper.entropy())
    sealed = keeper.vault.seal(purpose(number), secret.encode())
    made = update(_HOOK).where(_HOOK.c.id == number).values(secret=sealed).returning(_HOOK)
    return Made(_webhook(connection.execute(made).one()), secret)


def list_webhooks(connection: Connection, org: int) -> list[Webhook]:
    """The newest first."""
    query = select(_HOOK).where(_own(org)).order_by(_HOOK.c.id.desc()).limit(MOST)
    return [_webhook(row) for row in connection.execute(query)]


def find_webhook(connection: Connection, org: int, text: str) -> Webhook:
    """By its id. Raises PuyunError `webhook_not_found` (404), also for somebody else's."""
    try:
        number = parse_id(PREFIX, text)
    except ValueError:
        number = -1
    row = None
    if 0 <= number < 1 << 63:
        row = connection.execute(select(_HOOK).where(_own(org), _HOOK.c.id == number)).first()
    if row is None:
        raise PuyunError("webhook_not_found", 404, "The organization has no such webhook.")
    return _webhook(row)


def change_webhook(
    connection: Connection, hook: Webhook, url: str, kinds: Sequence[Kind], *, keeper: Keeper
) -> Webhook:
    """Raises PuyunError `invalid_url`, `url_not_public` or `none_chosen` (400)."""
    return _changed(connection, hook, **_checked(url, kinds, keeper))


def pause_webhook(connection: Connection, hook: Webhook) -> Webhook:
    """It gets nothing from now on; what waits is called off."""
    _call_off(connection, hook.id, "The webhook was paused.")
    return _changed(connection, hook, status=Status.PAUSED)


def resume_webhook(connection: Connection, hook: Webhook) -> Webhook:
    """It gets what happens from now on."""
    return _changed(connection, hook, status=Status.ACTIVE, failing_since=None)


def rotate_secret(connection: Connection, hook: Webhook, *, keeper: Keeper, now: Instant) -> Made:
    """A new secret; the one before signs beside it until the overlap is over."""
    secret = mint(keeper.entropy())
    before = select(_HOOK.c.secret).where(_HOOK.c.id == hook.id).scalar_subquery()
    sealed = keeper.vault.seal(purpose(hook.id), secret.encode())
    return Made(_changed(connection, hook, before=before, before_until=now + OVERLAP, secret=sealed), secret)


def delete_webhook(connection: Connection, hook: Webhook, now: Instant) -> None:
    """Its secrets and its address are gone at once, its log with its deliveries."""
    _call_off(connection, hook.id, "The webhook was deleted.")
    gone = {"deleted_at": now, "status": Status.PAUSED, "secret": b"", "before": None, "url": ""}
    connection.execute(update(_HOOK).where(_HOOK.c.id == hook.id).values(gone))


def delivered_to(connection: Connection, number: int) -> None:
    """It takes what it gets."""
    failing = (_HOOK.c.id == number) & _HOOK.c.failing_since.is_not(None)
    connection.execute(update(_HOOK).where(failing).values(failing_since=None))


def failed_at(connection: Connection, number: int, since: Instant, now: Instant) -> None:
    """It did not take what was tried at `since`; after too many days of that it is turned off, and an event says so."""
    failing_since = func.coalesce(_HOOK.c.failing_since, since)
    active = (_HOOK.c.id == number) & (_HOOK.c.status == Status.ACTIVE) & _HOOK.c.deleted_at.is_(None)
    row = connection.execute(update(_HOOK).where(active).values(failing_since=failing_since).returning(_HOOK)).first()
    if row is None or not given_up(row.failing_since, now):
        return
    connection.execute(update(_HOOK).where(_HOOK.c.id == number).values(status=Status.DISABLED))
    _call_off(connection, number, "The webhook was turned off.")
    told = WebhookDisabled(webhook=format_id(PREFIX, number), url=row.url, failing_since=Moment(row.failing_since))
    happened(connection, row.org, told, subject=f"{number}:{now}", now=now)


def purpose(number: int) -> str:
    """What a webhook's secret is sealed for."""
    return f"webhook {number}"


def _checked(url: str, kinds: Sequence[Kind], keeper: Keeper) -> dict[str, str]:
    url = url.strip()
    parse_url(url, private=keeper.private)
    if not kinds:
        raise PuyunError("none_chosen", 400, "Choose at least one kind of event.", param="kinds")
    ordered = [kind for kind in Kind if kind in kinds]
    return {"url": url, "kinds": msgspec.json.encode(ordered).decode()}


def _changed(connection: Connection, hook: Webhook, **values: object) -> Webhook:
    changed = update(_HOOK).where(_HOOK.c.id == hook.id, _own(hook.org)).values(**values).returning(_HOOK)
    return _webhook(connection.execute(changed).one())


def _call_off(connection: Connection, number: int, why: str) -> None:
    waiting = (_DELIVERY.c.webhook == number) & (_DELIVERY.c.status == "waiting")
    connection.execute(update(_DELIVERY).where(waiting).values(status="cancelled", next_at=None, error=why))


def _own(org: int) -> ColumnElement[bool]:
    return (_HOOK.c.org == org) & _HOOK.c.deleted_at.is_(None)


def _webhook(row: Row[*tuple[object, ...]]) -> Webhook:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    known = set(Kind)
    return Webhook(
        id=found["id"],
        org=found["org"],
        url=found["url"],
        kinds=tuple(Kind(kind) for kind in _kinds.decode(found["kinds"]) if kind in known),
        status=Status(found["status"]),
        failing_since=found["failing_since"],
        overlap_until=found["before_until"],
        created_at=found["created_at"],
        created_by=found["created_by"],
    )
