"""The catalogue of events: every kind, its version, the shape of its payload, and who hears of it by mail.

In the database a payload holds nano-units and microseconds, as everything does; `told` is what leaves the house.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import ClassVar, NewType, get_type_hints

import msgspec

from puyun.identity.access import Permission, may
from puyun.identity.model import Role
from puyun.kit.clock import Instant, format_instant
from puyun.kit.ids import format_id
from puyun.kit.money import format_amount

Nano = NewType("Nano", int)
"""An amount in nano-units; outside a decimal string."""

Moment = NewType("Moment", int)
"""An Instant; outside ISO 8601."""


class Kind(StrEnum):
    """What can happen to an organization."""

    BALANCE_LOW = "balance.low"
    BALANCE_EMPTY = "balance.empty"
    TOPUP_CREDITED = "topup.credited"
    BUDGET_REACHED = "budget.reached"
    PRICE_ANNOUNCED = "price.announced"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    MEMBER_JOINED = "member.joined"
    MEMBER_REMOVED = "member.removed"
    WEBHOOK_DISABLED = "webhook.disabled"


PING = "test.ping"
"""Sent to one webhook on demand; no event is kept of it."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """`version` grows when a field changes its meaning or goes (N1)."""

    version: ClassVar[int] = 1


class BalanceLow(Payload, frozen=True, kw_only=True):
    """What is left, be it promised to open calls or not, fell below the organization's threshold."""

    left: Nano
    threshold: Nano
    currency: str


class BalanceEmpty(Payload, frozen=True, kw_only=True):
    """Next to nothing is left."""

    left: Nano
    currency: str


class TopUpCredited(Payload, frozen=True, kw_only=True):
    """A payment came in. `balance`: paid and bonus together, afterwards."""

    amount: Nano
    balance: Nano
    currency: str
    reference: str


class BudgetReached(Payload, frozen=True, kw_only=True):
    """A budget reached `percent` of its limit. `of`: organization, member or key; `id` names it."""

    percent: int
    spent: Nano
    limit: Nano
    window: int
    budget: str = ""
    of: str = "organization"
    id: str = ""
    period: str = ""


class PriceAnnounced(Payload, frozen=True, kw_only=True):
    """Other prices of a model that the organization used at this tier within a month, from `effective_from` on."""

    model: str
    tier: str
    effective_from: Moment


class OfKey(Payload, frozen=True, kw_only=True):
    """`prefix`: the part of the key that lists show."""

    key: str
    name: str
    prefix: str


class KeyCreated(OfKey, frozen=True, kw_only=True):
    """A key that works from now on."""


class KeyRevoked(OfKey, frozen=True, kw_only=True):
    """A key that works no more."""


class OfMember(Payload, frozen=True, kw_only=True):
    """`role`: what they are, or were."""

    user: str
    email: str
    role: str


class MemberJoined(OfMember, frozen=True, kw_only=True):
    """Somebody accepted an invitation."""


class MemberRemoved(OfMember, frozen=True, kw_only=True):
    """Somebody was removed."""


class WebhookDisabled(Payload, frozen=True, kw_only=True):
    """No delivery to it has been taken since `failing_since`; it gets none until somebody turns it on again."""

    webhook: str
    url: str
    failing_since: Moment


PAYLOADS: dict[Kind, type[Payload]] = {
    Kind.BALANCE_LOW: BalanceLow,
    Kind.BALANCE_EMPTY: BalanceEmpty,
    Kind.TOPUP_CREDITED: TopUpCredited,
    Kind.BUDGET_REACHED: BudgetReached,
    Kind.PRICE_ANNOUNCED: PriceAnnounced,
    Kind.KEY_CREATED: KeyCreated,
    Kind.KEY_REVOKED: KeyRevoked,
    Kind.MEMBER_JOINED: MemberJoined,
    Kind.MEMBER_REMOVED: MemberRemoved,
    Kind.WEBHOOK_DISABLED: WebhookDisabled,
}

KIND_OF: dict[type[Payload], Kind] = {payload: kind for kind, payload in PAYLOADS.items()}

SEEN_WITH: dict[Kind, Permission] = {
    Kind.BALANCE_LOW: Permission.SEE_BILLING,
    Kind.BALANCE_EMPTY: Permission.SEE_BILLING,
    Kind.TOPUP_CREDITED: Permission.SEE_BILLING,
    Kind.BUDGET_REACHED: Permission.SEE_BILLING,
    Kind.PRICE_ANNOUNCED: Permission.SEE_USAGE,
    Kind.KEY_CREATED: Permission.MANAGE_KEYS,
    Kind.KEY_REVOKED: Permission.MANAGE_KEYS,
    Kind.MEMBER_JOINED: Permission.MANAGE_MEMBERS,
    Kind.MEMBER_REMOVED: Permission.MANAGE_MEMBERS,
    Kind.WEBHOOK_DISABLED: Permission.MANAGE_KEYS,
}
"""What a member must be permitted to see an event of a kind, on a page and in a letter."""

_MAILED: dict[Kind, frozenset[Role]] = {
    Kind.BALANCE_LOW: frozenset({Role.OWNER, Role.BILLING}),
    Kind.BALANCE_EMPTY: frozenset({Role.OWNER, Role.BILLING}),
    Kind.BUDGET_REACHED: frozenset({Role.OWNER, Role.BILLING}),
    Kind.WEBHOOK_DISABLED: frozenset({Role.OWNER}),
}
"""Who gets a letter without having chosen; nobody of any other kind."""


def _written(moment: int) -> str:
    return format_instant(Instant(moment))


_FORMS: dict[object, Callable[[int], str]] = {Nano: format_amount, Moment: _written}
_FORMED = {
    payload: {name: _FORMS[hint] for name, hint in get_type_hints(payload).items() if hint in _FORMS}
    for payload in PAYLOADS.values()
}


def visible(role: Role) -> tuple[Kind, ...]:
    """The kinds that somebody with this role may hear of, in the order of the catalogue."""
    return tuple(kind for kind in Kind if may(role, SEEN_WITH[kind]))


def mailed(kind: Kind, role: Role, chosen: bool | None) -> bool:
    """Whether a member gets letters of a kind. `chosen`: what they said, None for nothing."""
    wanted = role in _MAILED.get(kind, ()) if chosen is None else chosen
    return wanted and may(role, SEEN_WITH[kind])


def read_payload(kind: Kind, data: str) -> Payload:
    """From the database's JSON. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=PAYLOADS[kind])


def told(payload: Payload) -> dict[str, object]:
    """For outside: amounts as decimal strings, moments as ISO 8601."""
    forms = _FORMED[type(payload)]
    values = msgspec.structs.asdict(payload)
    return {name: forms[name](value) if name in forms else value for name, value in values.items()}


def message(kind: str, org: int, at: Instant, data: dict[str, object], *, event: int | None, version: int = 1) -> bytes:
    """The body of a delivery. `event`: its number; None for a ping."""
    body: dict[str, object] = {
        "type": kind,
        "version": version,
        "timestamp": format_instant(at),
        "organization": format_id("org", org),
        "event": None if event is None else format_id("evt", event),
        "data": data,
    }
    return msgspec.json.encode(body)


def parse_kinds(texts: list[str]) -> tuple[Kind, ...]:
    """Each once, in the order of the catalogue. Raises ValueError for an unknown one."""
    found = {Kind(text) for text in texts}
    return tuple(kind for kind in Kind if kind in found)
