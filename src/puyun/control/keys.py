"""`/keys`: listing, making, rotating and revoking, by the services of the Keys page."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Connection

from puyun.control.access import KeysReader, KeysWriter
from puyun.control.once import Once, once
from puyun.control.shapes import KeyAsked, KeyMade, KeyShape, Page, RotationAsked
from puyun.control.texts import amount, instant, moment
from puyun.identity.access import Permission, may, may_change
from puyun.identity.model import ApiKey, KeySpec
from puyun.kit.clock import SECOND, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.kit.money import MoneyError, parse_amount
from puyun.storage import schema
from puyun.storage.control.tokens import Bearer
from puyun.storage.engine import reading
from puyun.storage.identity import read_keys, revoke_key
from puyun.storage.keys.issuing import OVERLAPS, Issued, Rotation, issue_key, rotate_key
from puyun.storage.keys.listing import Wanted, page_of_keys
from puyun.storage.sessions import count_attempt
from puyun.system.entropy import key_entropy
from puyun.web import throttle

router = APIRouter(prefix="/keys", tags=["keys"])

KeyId = Annotated[str, Path(alias="key", max_length=40, description="`key_…`")]


@router.get("", summary="List keys, the newest first")
def list_keys(
    caller: KeysReader,
    *,
    active: Annotated[bool, Query(description="Only those in use.")] = True,
    search: Annotated[str, Query(max_length=100, description="In the name, or at the beginning of the key.")] = "",
    cursor: Annotated[str | None, Query(max_length=40)] = None,
) -> Page[KeyShape]:
    before = None if cursor is None else _number(cursor)
    if cursor is not None and before is None:
        raise PuyunError("invalid_cursor", 422, "Send a cursor as the page before gave it.", param="cursor")
    wanted = Wanted(active=active, text=search, before=before)
    with reading(caller.deps.engine) as connection:
        found = page_of_keys(connection, caller.org, wanted, since=caller.now, now=caller.now)
    data = [shown(line.key, caller.now) for line in found.lines]
    return Page(data=data, next_cursor=data[-1].id if found.more and data else None)


@router.get("/{key}", summary="One key")
def get_key(caller: KeysReader, key: KeyId) -> KeyShape:
    with reading(caller.deps.engine) as connection:
        return shown(find_key(connection, caller.org, key), caller.now)


@router.post("", status_code=201, response_model=KeyMade, summary="Create a key")
def create_key(caller: KeysWriter, write: Once, asked: KeyAsked) -> Response:
    """Who may not manage the organization's keys makes one of their own."""
    expires_at = _expiry(asked.expires, caller.now)
    budget = _budget(asked.budget)

    def act(connection: Connection, bearer: Bearer) -> KeyMade:
        spec = KeySpec(
            tier=asked.tier,
            name=asked.name.strip(),
            models=tuple(dict.fromkeys(asked.models)),
            ips=tuple(dict.fromkeys(asked.ips)),
            budget=budget,
            expires_at=expires_at,
            member=None if may(bearer.role, Permission.MANAGE_KEYS) else bearer.user.id,
        )
        _count(connection, bearer, caller.now)
        return _made(issue_key(connection, bearer.organization, spec, key_entropy(), caller.now), caller.now)

    return once(caller, write, 201, act)


@router.post("/{key}/rotate", status_code=201, response_model=KeyMade, summary="Put a new key in its place")
def rotate(caller: KeysWriter, write: Once, key: KeyId, asked: RotationAsked) -> Response:
    expires_at = _expiry(asked.expires, caller.now)
    kept = "expires" not in asked.model_fields_set

    def act(connection: Connection, bearer: Bearer) -> KeyMade:
        old = _changeable(connection, bearer, key)
        rotation = Rotation(overlap=OVERLAPS[asked.overlap], expires_at=old.expires_at if kept else expires_at)
        _count(connection, bearer, caller.now)
        now = caller.now
        return _made(rotate_key(connection, bearer.organization, old, rotation, entropy=key_entropy(), now=now), now)

    return once(caller, write, 201, act)


@router.post("/{key}/revoke", response_model=KeyShape, summary="Revoke a key")
def revoke(caller: KeysWriter, write: Once, key: KeyId) -> Response:
    """Within two seconds every call with it is refused. Revoking again changes nothing."""

    def act(connection: Connection, bearer: Bearer) -> KeyShape:
        return shown(revoke_key(connection, _changeable(connection, bearer, key).id, caller.now), caller.now)

    return once(caller, write, 200, act)


def find_key(connection: Connection, org: int, text: str) -> ApiKey:
    """Raises `key_not_found` (404), also for somebody else's."""
    number = _number(text)
    own = (schema.api_key.c.org == org) & (schema.api_key.c.id == number)
    found = [] if number is None else read_keys(connection, own)
    if not found:
        raise PuyunError("key_not_found", 404, "The organization has no such key; GET /api/v1/keys lists them.")
    return found[0]


def shown(key: ApiKey, now: Instant) -> KeyShape:
    return KeyShape(
        id=format_id("key", key.id),
        prefix=key.prefix,
        name=key.name,
        tier=key.tier,
        state=key.state(now),
        models=list(key.models),
        ips=list(key.ips),
        budget=None if key.budget is None else amount(key.budget),
        spent=amount(key.spent),
        member=None if key.member is None else format_id("user", key.member),
        created=moment(key.created_at),
        expires=None if key.expires_at is None else moment(key.expires_at),
        revoked=None if key.revoked_at is None else moment(key.revoked_at),
    )


def _made(issued: Issued, now: Instant) -> KeyMade:
    return KeyMade(**shown(issued.key, now).model_dump(), secret=issued.secret)


def _changeable(connection: Connection, bearer: Bearer, text: str) -> ApiKey:
    """As it is now, under the lock. Raises `key_not_found` (404) or `not_permitted` (403)."""
    found = find_key(connection, bearer.organization.id, text)
    if not may_change(bearer.role, bearer.user.id, found):
        message = f"As {bearer.role} of {bearer.organization.name} you may change only keys of your own."
        raise PuyunError("not_permitted", 403, message)
    return found


def _count(connection: Connection, bearer: Bearer, now: Instant) -> None:
    """Counted together with what the user makes by hand. Raises `too_many_keys` (429)."""
    until = count_attempt(
        connection,
        f"keys {bearer.user.id}",
        now,
        forgotten_after=throttle.FORGOTTEN_AFTER,
        lock=lambda times: throttle.locked_until(times, throttle.FREE_KEYS, now),
    )
    if until > now:
        wait = str(-(-(until - now) // SECOND))
        message = f"Too many keys at once. Try again in {wait} seconds."
        raise PuyunError("too_many_keys", 429, message, headers={"retry-after": wait})


def _expiry(asked: datetime | None, now: Instant) -> Instant | None:
    """Raises `invalid_expiry` (400)."""
    expires_at = None if asked is None else instant(asked, "expires")
    if expires_at is not None and expires_at <= now:
        raise PuyunError("invalid_expiry", 400, "The key would expire before it exists.", param="expires")
    return expires_at


def _budget(asked: str | None) -> int | None:
    try:
        return None if asked is None else parse_amount(asked)
    except MoneyError as error:
        raise PuyunError("invalid_budget", 400, f"{error}.", param="budget") from error


def _number(text: str) -> int | None:
    """None for anything but a key's id, and for what no database can hold."""
    try:
        number = parse_id("key", text)
    except ValueError:
        return None
    return number if number < 1 << 63 else None
