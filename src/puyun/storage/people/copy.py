"""All that is kept of one person, as one document. Of secrets only that they exist."""

from sqlalchemy import Connection, select

from puyun.identity.model import User
from puyun.kit.clock import format_instant
from puyun.kit.ids import format_id
from puyun.storage import schema
from puyun.storage.identity import list_memberships, read_keys
from puyun.storage.limits.wishes import wishes_by
from puyun.storage.notify.choices import all_chosen, language_of
from puyun.storage.security.identities import list_identities

KEYS_MAX = 10_000
"""Keys in a copy, the newest."""

WISHES_MAX = 1_000
"""Requests for limits in a copy, the newest."""


def copy_of(connection: Connection, user: User) -> dict[str, object]:
    """Plain values, ready to be written as JSON; moments are ISO 8601."""
    keys = read_keys(connection, schema.api_key.c.member == user.id, newest=KEYS_MAX)
    return {
        "user": {
            "id": format_id("user", user.id),
            "email": user.email,
            "operator": user.operator,
            "created": format_instant(user.created_at),
        },
        "organizations": [
            {"id": format_id("org", organization.id), "name": organization.name, "role": role}
            for organization, role in list_memberships(connection, user.id)
        ],
        "keys": [
            {
                "id": format_id("key", key.id),
                "organization": format_id("org", key.org),
                "prefix": key.prefix,
                "name": key.name,
                "tier": key.tier,
                "created": format_instant(key.created_at),
                "expires": format_instant(key.expires_at) if key.expires_at is not None else None,
                "revoked": format_instant(key.revoked_at) if key.revoked_at is not None else None,
            }
            for key in keys
        ],
        **_ways_in(connection, user),
        **_told(connection, user),
        "limit_requests": [
            {
                "organization": format_id("org", wish.org),
                "asked": format_instant(wish.asked_at),
                "tier": wish.wanted.tier,
                "model": wish.wanted.model,
                "metric": wish.wanted.metric,
                "limit": wish.wanted.amount,
                "why": wish.wanted.why,
            }
            for wish in wishes_by(connection, user.id, WISHES_MAX)
        ],
    }


def _ways_in(connection: Connection, user: User) -> dict[str, object]:
    """What lets them in beside the password: where they are signed in, and who vouches for them."""
    session = schema.session
    sessions = connection.execute(select(session).where(session.c.user == user.id).order_by(session.c.created_at))
    return {
        "identities": [
            {
                "issuer": identity.issuer,
                "subject": identity.subject,
                "email": identity.email,
                "created": format_instant(identity.created_at),
            }
            for identity in list_identities(connection, user.id)
        ],
        "sessions": [
            {
                "device": row.agent,
                "created": format_instant(row.created_at),
                "seen": format_instant(row.seen_at),
                "expires": format_instant(row.expires_at),
            }
            for row in sessions
        ],
    }


def _told(connection: Connection, user: User) -> dict[str, object]:
    """What they want letters about."""
    return {
        "letters": {
            "language": language_of(connection, user.id),
            "chosen": [
                {"organization": format_id("org", org), "kind": kind, "wanted": wanted}
                for org, kind, wanted in all_chosen(connection, user.id)
            ],
        },
    }
