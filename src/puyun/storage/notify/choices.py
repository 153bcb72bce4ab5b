"""Which kinds of events come to a member by mail, and in which language."""

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import Connection, and_, func, insert, select

from puyun.identity.model import Role
from puyun.kit.clock import DAY, Instant
from puyun.notices.kinds import Kind, mailed
from puyun.storage import schema
from puyun.storage.engine import upsert
from puyun.storage.notify.tables import event_mail, mail_choice, mail_language

LETTERS_A_DAY = 30
"""To one member; what happens beyond that stands on the page alone."""

READERS_MAX = 1_000
"""Members of an organization that are looked at."""

_CHOICE, _MAILED, _LANGUAGE = mail_choice, event_mail, mail_language
_PLACE, _USER = schema.membership, schema.user


class Reader(msgspec.Struct, frozen=True):
    """Who gets a letter. `language`: a tag, empty where it is not known."""

    user: int
    email: str
    language: str


def chosen(connection: Connection, org: int, user: int) -> dict[Kind, bool]:
    """What a member has said; kinds that are not in it have their default."""
    query = select(_CHOICE.c.kind, _CHOICE.c.wanted).where(_CHOICE.c.org == org, _CHOICE.c.user == user)
    known = set(Kind)
    return {Kind(row.kind): bool(row.wanted) for row in connection.execute(query) if row.kind in known}


def all_chosen(connection: Connection, user: int) -> list[tuple[int, str, bool]]:
    """(organization, kind, wanted), whatever a member said anywhere."""
    query = select(_CHOICE.c.org, _CHOICE.c.kind, _CHOICE.c.wanted).where(_CHOICE.c.user == user)
    rows = connection.execute(query.order_by(_CHOICE.c.org, _CHOICE.c.kind))
    return [(row.org, row.kind, bool(row.wanted)) for row in rows]


def choose(connection: Connection, org: int, user: int, wanted: Mapping[Kind, bool]) -> None:
    for kind, yes in wanted.items():
        row = upsert(connection, _CHOICE).values(org=org, user=user, kind=kind, wanted=int(yes))
        connection.execute(row.on_conflict_do_update(index_elements=["org", "user", "kind"], set_={"wanted": int(yes)}))


def suggest_language(connection: Connection, user: int, language: str) -> None:
    """The language of letters to somebody, unless one is known."""
    connection.execute(upsert(connection, _LANGUAGE).values(user=user, language=language).on_conflict_do_nothing())


def remember_language(connection: Connection, user: int, language: str) -> None:
    """The language of letters to somebody."""
    row = upsert(connection, _LANGUAGE).values(user=user, language=language)
    connection.execute(row.on_conflict_do_update(index_elements=["user"], set_={"language": language}))


def language_of(connection: Connection, user: int) -> str:
    """Empty where it is not known."""
    return connection.execute(select(_LANGUAGE.c.language).where(_LANGUAGE.c.user == user)).scalar() or ""


def readers(connection: Connection, org: int, kind: Kind, *, event: int, now: Instant) -> list[Reader]:
    """The members who want a letter of this event, have not got it, and have not had too many within a day."""
    mine = and_(_CHOICE.c.org == _PLACE.c.org, _CHOICE.c.user == _PLACE.c.user, _CHOICE.c.kind == kind)
    count = select(func.count()).where(_MAILED.c.user == _PLACE.c.user, _MAILED.c.at > now - DAY)
    had = select(_MAILED.c.event).where(_MAILED.c.event == event, _MAILED.c.user == _PLACE.c.user)
    query = (
        select(_USER.c.id, _USER.c.email, _PLACE.c.role, _CHOICE.c.wanted, _LANGUAGE.c.language)
        .select_from(
            _PLACE.join(_USER, _USER.c.id == _PLACE.c.user)
            .outerjoin(_CHOICE, mine)
            .outerjoin(_LANGUAGE, _LANGUAGE.c.user == _PLACE.c.user)
        )
        .where(_PLACE.c.org == org, ~had.exists(), count.scalar_subquery() < LETTERS_A_DAY)
        .order_by(_USER.c.id)
        .limit(READERS_MAX)
    )
    return [
        Reader(row.id, row.email, row.language or "")
        for row in connection.execute(query)
        if mailed(kind, Role(row.role), None if row.wanted is None else bool(row.wanted))
    ]


def mark_mailed(connection: Connection, event: int, users: Collection[int], now: Instant) -> None:
    """Raises IntegrityError for somebody who had it."""
    if users:
        connection.execute(insert(_MAILED), [{"event": event, "user": user, "at": now} for user in users])
