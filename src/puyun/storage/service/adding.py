"""Adding up: rows of the inbox become tallies, each once, and are gone."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, Engine, Executable, Table, delete, func, select, update

from puyun.kit.clock import DAY
from puyun.service.histogram import shortened
from puyun.service.tally import COUNTS, Tally
from puyun.service.verdict import INTERVAL
from puyun.storage.engine import reading, upsert, writing
from puyun.storage.ledger.codes import TIER_CODE
from puyun.storage.ledger.inbox import Post, read_post
from puyun.storage.service import tables

POSTS_MAX = 512
CALLS_MAX = 4096
TALLIES_MAX = 256
"""Rows, calls and tallies in one transaction, or a batch more: a tally takes ten microseconds for which others wait."""

LONG = 1000
"""Characters of histograms from which on they are written shorter."""

TOTALS_KEPT = 7 * DAY // INTERVAL
"""For how many intervals everybody's tallies are kept; afterwards their days remain."""

Key = tuple[int, ...]

_Tallies = Mapping[Key, Tally]

_statements: dict[tuple[str, str], Executable] = {}


def add_up(engine: Engine, most: int = POSTS_MAX) -> int:
    """Take so many rows out of the inbox, or fewer that have enough calls; how many were seen. Where another process took
    one of them first nothing is added, and they are its.

    Raises SQLAlchemyError.
    """
    inbox = tables.tally_inbox
    taken: list[tuple[int, int, bytes]] = []
    own: dict[Key, Tally] = {}
    calls = 0
    with reading(engine) as connection:
        for number, at, content in connection.execute(select(inbox).order_by(inbox.c.id).limit(most)):
            post = read_post(content)
            _count(own, at // INTERVAL, post)
            taken.append((number, at, content))
            calls += len(post.ended)
            if calls >= CALLS_MAX or len(own) >= TALLIES_MAX:
                break
    if not taken:
        return 0
    everybody = _summed(own, lambda key: key[1:])
    days = _summed(everybody, lambda key: (key[0] * INTERVAL // DAY, *key[1:]))
    with writing(engine) as connection:
        here = inbox.c.id.in_([number for number, _, _ in taken])
        found = connection.execute(select(inbox).where(here).order_by(inbox.c.id)).all()
        if [tuple(row) for row in found] == taken:  # SQLite gives the number of a row that is gone to a new one
            connection.execute(delete(inbox).where(here))
            _add(connection, tables.tally, own)
            _add(connection, tables.tally_total, everybody)
            _add(connection, tables.tally_day, days)
            newest = max((interval for interval, *_ in everybody), default=0)
            total = tables.tally_total
            connection.execute(delete(total).where(total.c.interval <= newest - TOTALS_KEPT))
    return len(taken)


def add_all_up(engine: Engine) -> None:
    """Whatever is in the inbox."""
    while add_up(engine):
        pass


def _count(tallies: dict[Key, Tally], interval: int, post: Post) -> None:
    """Into the tallies of (organization, interval, model, tier's code)."""
    for ended in post.ended:
        key = ended.org, interval, ended.model, TIER_CODE[ended.tier]
        tally = tallies.get(key)
        if tally is None:
            tally = tallies[key] = Tally()
        tally.observe(ended)
    for (org, model, tier, error, waited_ms), often in post.refused:
        tallies.setdefault((org, interval, model, TIER_CODE[tier]), Tally()).refuse(error, waited_ms, often)


def _summed(tallies: _Tallies, place: Callable[[Key], Key]) -> dict[Key, Tally]:
    found: dict[Key, Tally] = {}
    for key, tally in tallies.items():
        found.setdefault(place(key), Tally()).add(tally)
    return found


def _add(connection: Connection, table: Table, tallies: _Tallies) -> None:
    """Counts are added in place; a text of histograms after another one is the text of both together."""
    places = [column.name for column in table.primary_key]
    shown = "seen" in table.c
    rows = [
        dict(zip((*places, *COUNTS), (*key, *tally.counts), strict=True)) | ({"seen": tally.seen} if shown else {})
        for key, tally in sorted(tallies.items())
    ]
    connection.execute(_adding(connection, table), rows)
    if shown:
        _shorten(connection, table, tallies)


def _adding(connection: Connection, table: Table) -> Executable:
    """Built once: building it takes as long as running it for many rows."""
    place = connection.dialect.name, table.name
    known = _statements.get(place)
    if known is None:
        statement = upsert(connection, table)
        sums = {name: table.c[name] + statement.excluded[name] for name in COUNTS}
        if "seen" in table.c:
            sums["seen"] = table.c.seen + statement.excluded.seen
        keys = [column.name for column in table.primary_key]
        known = _statements[place] = statement.on_conflict_do_update(index_elements=keys, set_=sums)
    return known


def _shorten(connection: Connection, table: Table, tallies: _Tallies) -> None:
    """Of the rows that were added to, those whose text has become long."""
    places = list(table.primary_key)
    first, second = ({key[place] for key in tallies} for place in (0, 1))
    named = places[0].in_(first) & places[1].in_(second)  # by the first parts of the key: it is found by its tree
    long = connection.execute(select(*places, table.c.seen).where(named, func.length(table.c.seen) > LONG)).all()
    for *key, seen in long:
        here = [place == value for place, value in zip(places, key, strict=True)]
        connection.execute(update(table).where(*here).values(seen=shortened(seen)))
