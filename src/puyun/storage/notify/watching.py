"""The watch over the balances of all organizations, and the threshold that each may set."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, case, func, or_, select

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import WALLET_MAX, format_amount
from puyun.notices.kinds import BalanceEmpty, BalanceLow, Kind, Nano
from puyun.notices.watch import EMPTY_BELOW, Watch, look, set_threshold
from puyun.storage import schema
from puyun.storage.engine import upsert
from puyun.storage.notify.events import happened
from puyun.storage.notify.tables import balance_watch

_WATCH, _WALLET = balance_watch, schema.wallet
_LEFT = _WALLET.c.paid + _WALLET.c.bonus + _WALLET.c.credit_limit - _WALLET.c.open_invoices


def load_watch(connection: Connection, org: int) -> Watch:
    row = connection.execute(select(_WATCH).where(_WATCH.c.org == org)).first()
    return Watch() if row is None else _watch(row)


def choose_threshold(connection: Connection, org: int, threshold: int | None) -> Watch:
    """In nano-units, None for none. Raises PuyunError `invalid_amount` (400)."""
    if threshold is not None and not 0 < threshold <= WALLET_MAX:
        text = f"A threshold is above zero and at most {format_amount(WALLET_MAX)}; leave it empty for none."
        raise PuyunError("invalid_amount", 400, text, param="threshold")
    left = connection.execute(select(_LEFT).where(_WALLET.c.org == org)).scalar_one()
    watch = set_threshold(load_watch(connection, org), threshold, left)
    _keep(connection, org, watch)
    return watch


def any_changed(connection: Connection) -> bool:
    """Whether a look is due."""
    return connection.execute(_changed().limit(1)).first() is not None


def look_at_balances(connection: Connection, now: Instant, most: int) -> int:
    """Look at the wallets that stand otherwise than they were last seen, at most so many; returns how many there were.

    What was seen and what is told of it are written in one transaction, so that nothing is told twice.
    """
    changed = list(connection.execute(_changed().limit(most)))
    for row in changed:
        before = Watch() if row.low is None else _watch(row)
        watch, kinds = look(before, row.left)
        _keep(connection, row.org, watch)
        for number, kind in enumerate(kinds, before.falls + 1):
            _tell(connection, row, kind, number, now)
    return len(changed)


def _changed() -> Select[*tuple[Any, ...]]:
    """The wallets on the other side of a line than they were seen; the rules themselves are in `notices.watch`."""
    low, empty = func.coalesce(_WATCH.c.low, 1), func.coalesce(_WATCH.c.empty, 1)
    line = _WATCH.c.threshold
    crossed = or_(
        (low == 0) & (line > _LEFT),
        (low == 1) & (line < _LEFT),
        (empty == 0) & (_LEFT < EMPTY_BELOW),
        (empty == 1) & (_LEFT > EMPTY_BELOW),
    )
    query = select(
        _WALLET.c.org,
        _WALLET.c.currency,
        _LEFT.label("left"),
        line,
        _WATCH.c.low,
        _WATCH.c.empty,
        _WATCH.c.falls,
    )
    falling = case((_LEFT < EMPTY_BELOW, 0), else_=1)
    return query.select_from(_WALLET.outerjoin(_WATCH, _WATCH.c.org == _WALLET.c.org)).where(crossed).order_by(falling)


def _tell(connection: Connection, row: Row[*tuple[object, ...]], kind: Kind, number: int, now: Instant) -> None:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    left, currency = Nano(found["left"]), found["currency"]
    payload = (
        BalanceEmpty(left=left, currency=currency)
        if kind is Kind.BALANCE_EMPTY
        else BalanceLow(left=left, threshold=Nano(found["threshold"]), currency=currency)
    )
    happened(connection, found["org"], payload, subject=str(number), now=now)


def _keep(connection: Connection, org: int, watch: Watch) -> None:
    values = msgspec.structs.asdict(watch) | {"low": int(watch.low), "empty": int(watch.empty)}
    row = upsert(connection, _WATCH).values(org=org, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["org"], set_=values))


def _watch(row: Row[*tuple[object, ...]]) -> Watch:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    return Watch(threshold=found["threshold"], low=bool(found["low"]), empty=bool(found["empty"]), falls=found["falls"])
