"""Keys of an organization page by page, with what the hourly rollups say of each."""

import msgspec
from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from puyun.identity.model import ApiKey
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.storage import schema
from puyun.storage.identity import read_keys

PAGE = 50
"""Keys on a page."""

LOOK_BACK = 30 * DAY
"""How far the last use is looked for. Rollups are in the order of their hours, whatever the key: looking for one costs
what summing that time costs, as the Usage page does.
"""

_KEY = schema.api_key
_ROLLUP = schema.rollup_hour


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys: only those in use; with `text` in their name or at their beginning; older than the key `before`."""

    active: bool = True
    text: str = ""
    before: int | None = None


class KeyLine(msgspec.Struct, frozen=True):
    """A key and what is known of its use. `owner`: e-mail address of the member it belongs to, or empty; `used_at`: the
    beginning of the last hour with calls; `charge`: nano-units since the moment that was asked for.
    """

    key: ApiKey
    owner: str
    used_at: Instant | None
    charge: int


class KeyPage(msgspec.Struct, frozen=True):
    """The newest keys first. `found`: how many fit in all; `place`: how many of them stand before; `any`: of the
    organization, whether they fit or not.
    """

    lines: list[KeyLine]
    found: int
    place: int
    any: bool

    @property
    def more(self) -> bool:
        return self.place + len(self.lines) < self.found


def page_of_keys(connection: Connection, org: int, wanted: Wanted, *, since: Instant, now: Instant) -> KeyPage:
    """At most PAGE keys; `since`: from when on charges are summed."""
    mine = _KEY.c.org == org
    fits = mine & _fits(wanted, now)
    older = fits if wanted.before is None else fits & (_KEY.c.id < wanted.before)
    keys = read_keys(connection, older, newest=PAGE)
    found = _count(connection, fits)
    place = 0 if wanted.before is None else found - _count(connection, older)
    used = _used(connection, org, [key.id for key in keys], since=since, now=now)
    owners = _owners(connection, [key.member for key in keys if key.member is not None])
    lines = [KeyLine(key, owners.get(key.member, ""), *used.get(key.id, (None, 0))) for key in keys]
    return KeyPage(lines, found, place, any=bool(found) or bool(_count(connection, mine)))


def _fits(wanted: Wanted, now: Instant) -> ColumnElement[bool]:
    name = func.lower(_KEY.c.name).contains(wanted.text.lower(), autoescape=True)
    fits = or_(name, _KEY.c.prefix.startswith(wanted.text, autoescape=True))
    if not wanted.active:
        return fits
    return fits & _KEY.c.revoked_at.is_(None) & or_(_KEY.c.expires_at.is_(None), _KEY.c.expires_at > now)


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(_KEY).where(condition)).scalar_one()


def _used(
    connection: Connection, org: int, keys: list[int], *, since: Instant, now: Instant
) -> dict[int, tuple[Instant, int]]:
    """By key: the last hour with calls within LOOK_BACK, and what the calls since `since` came to."""
    first = min(now - LOOK_BACK, since) // HOUR
    charge = func.sum(case((_ROLLUP.c.hour >= since // HOUR, _ROLLUP.c.charge), else_=0))
    query = (
        select(_ROLLUP.c.key, func.max(_ROLLUP.c.hour).label("hour"), charge.label("charge"))
        .where(_ROLLUP.c.org == org, _ROLLUP.c.hour >= first, _ROLLUP.c.key.in_(keys))
        .group_by(_ROLLUP.c.key)
    )
    return {row.key: (Instant(row.hour * HOUR), row.charge) for row in connection.execute(query)}


def _owners(connection: Connection, members: list[int]) -> dict[int | None, str]:
    query = select(schema.user.c.id, schema.user.c.email).where(schema.user.c.id.in_(members))
    return {row.id: row.email for row in connection.execute(query)}
