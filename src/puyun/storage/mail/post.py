"""Posting mail, and what became of it."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Row, insert, select, update

from puyun.kit.clock import Instant
from puyun.storage.mail.tables import mail

ERROR_MAX = 300


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Plain text for one person. `language` is the tag of the language it is written in."""

    recipient: str
    subject: Annotated[str, Meta(max_length=200)]
    body: Annotated[str, Meta(max_length=20_000)]
    language: str


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A letter and how it stands. `next_at` None: sent, or given up with `error`."""

    id: int
    letter: Letter
    posted_at: Instant
    tries: int
    next_at: Instant | None
    sent_at: Instant | None
    error: str


def post(connection: Connection, letter: Letter, now: Instant) -> int:
    """To be sent as soon as the caller's transaction has ended well. Returns its id."""
    row = {"posted_at": now, "next_at": now} | msgspec.structs.asdict(letter)
    return connection.execute(insert(mail).values(row).returning(mail.c.id)).scalar_one()


def due(connection: Connection, now: Instant, most: int) -> list[Posted]:
    """What is to be tried now, the oldest first."""
    query = select(mail).where(mail.c.next_at <= now).order_by(mail.c.next_at, mail.c.id).limit(most)
    return [_posted(row) for row in connection.execute(query)]


def newest(connection: Connection, most: int) -> list[Posted]:
    return [_posted(row) for row in connection.execute(select(mail).order_by(mail.c.id.desc()).limit(most))]


def sent(connection: Connection, number: int, now: Instant) -> None:
    values = {"sent_at": now, "next_at": None, "error": "", "body": "", "tries": mail.c.tries + 1}
    connection.execute(update(mail).where(mail.c.id == number).values(values))


def failed(connection: Connection, number: int, error: str, again_at: Instant | None) -> None:
    """It could not be sent; `again_at` None gives it up, and its body with it, which may hold a link."""
    values = {"next_at": again_at, "error": error[:ERROR_MAX], "tries": mail.c.tries + 1}
    if again_at is None:
        values["body"] = ""
    connection.execute(update(mail).where(mail.c.id == number).values(values))


def _posted(row: Row[Any]) -> Posted:
    return Posted(
        id=row.id,
        letter=Letter(recipient=row.recipient, subject=row.subject, body=row.body, language=row.language),
        posted_at=row.posted_at,
        tries=row.tries,
        next_at=row.next_at,
        sent_at=row.sent_at,
        error=row.error,
    )
