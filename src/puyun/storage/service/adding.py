"""Adding up: rows of the inbox become tallies, each once, and are gone."""

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection, Engine, Table, delete, func, select, update

from puyun.kit.clock import DAY
from puyun.service.histogram import shortened
from puyun.service.tally import COUNTS, Tally
from puyun.service.verdict import INTERVAL
from puyun.storage.engine import reading, upsert, writing
from puyun.storage.ledger.codes import TIER_CODE
from puyun.storage.ledger.inbox import Post, read_post
from puyun.storage.service import tables

POSTS_MAX = 32
"""Rows in one transaction: two thousand calls at most, so that nobody who writes waits long."""

LONG = 1000
"""Characters of histograms from which on they are written shorter."""

Key = tuple[int, ...]

_Tallies = Mapping[Key, Tally]


def add_up(engine: Engine, most: int = POSTS_MAX) -> int:
    """Take so many rows out of the inbox; how many were seen: where another process took one of them first,
    nothing is added, and they are its.

    Raises SQLAlchemyError.
    """
    inbox = tables.tally_inbox
    with reading(engine) as connection:
        rows = connection.execute(select(inbox).order_by(inbox.c.id).limit(most)).all()
    if not rows:
        return 0
    own = _tallies((row.at, read_post(row.content)) for row in rows)
    numbers = [row.id for row in rows]
    with writing(engine) as connection:
        found = connection.execute(select(inbox.c.id).where(inbox.c.id.in_(numbers))).scalars().all()
        if len(found) == len(rows):
            connection.execute(delete(inbox).where(inbox.c.id.in_(numbers)))
            _add(connection, tables.tally, own)
            _add(connection, tables.tally_total, _summed(own, lambda key: key[1:]))
            _add(connection, tables.tally_day, _summed(own, lambda key: (key[1] * INTERVAL // DAY, *key[2:])))
    return len(rows)


def add_all_up(engine: Engine) -> None:
    """Whatever is in the inbox."""
    while add_up(engine):
        pass


def _tallies(posts: Iterable[tuple[int, Post]]) -> dict[Key, Tally]:
    """(organization, interval, model, tier's code) -> tally."""
    found: dict[Key, Tally] = {}
    for at, post in posts:
        interval = at // INTERVAL
        for ended in post.ended:
            key = ended.org, interval, ended.model, TIER_CODE[ended.tier]
            tally = found.get(key)
            if tally is None:
                tally = found[key] = Tally()
            tally.observe(ended)
        for (org, model, tier, error, waited_ms), often in post.refused:
            found.setdefault((org, interval, model, TIER_CODE[tier]), Tally()).refuse(error, waited_ms, often)
    return found


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
    statement = upsert(connection, table)
    sums = {name: table.c[name] + statement.excluded[name] for name in COUNTS}
    if shown:
        sums["seen"] = table.c.seen + statement.excluded.seen
    connection.execute(statement.on_conflict_do_update(index_elements=places, set_=sums), rows)
    if shown:
        _shorten(connection, table, tallies)


def _shorten(connection: Connection, table: Table, tallies: _Tallies) -> None:
    """Of the rows that were added to, those whose text has become long."""
    places = list(table.primary_key)
    first, second = ({key[place] for key in tallies} for place in (0, 1))
    named = places[0].in_(first) & places[1].in_(second)  # by the first parts of the key: it is found by its tree
    long = connection.execute(select(*places, table.c.seen).where(named, func.length(table.c.seen) > LONG)).all()
    for *key, seen in long:
        here = [place == value for place, value in zip(places, key, strict=True)]
        connection.execute(update(table).where(*here).values(seen=shortened(seen)))
