"""Chargebacks. A wallet is frozen as long as one of its disputes is open."""

import msgspec
from sqlalchemy import Connection, exists, insert, select, update

from puyun.kit.clock import Instant
from puyun.ledger.acts import dispute
from puyun.ledger.acts.dispute import Dispute
from puyun.ledger.command import Act, Reason, Refused
from puyun.storage import schema
from puyun.storage.money import tables
from puyun.storage.money.posting import locked, perform, read, refusal, reused, unknown

_DISPUTE = tables.dispute
_WALLET = schema.wallet


class DisputeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `dispute`: `state` is open, won or lost."""

    org: int
    ref: str
    processor: str
    amount: int
    debt: int
    fee: int
    state: str
    opened_at: Instant
    ended_at: Instant | None


def open_dispute(connection: Connection, asked: Dispute, *, act: Act, now: Instant) -> DisputeRow:
    """Take a payment back as far as the wallet goes, and freeze the wallet. `act.ref` is the processor's dispute id.

    Raises PuyunError `invalid_amount` (400), `reference_reused` (409) or `organization_not_found` (404).
    """
    wallet = locked(connection, asked.org)
    first = _find(connection, asked.org, act.ref)
    if first is not None:
        if (first.amount, first.fee, first.processor) != (asked.amount, asked.fee, asked.processor):
            raise reused(act.ref)
        return first
    decided = dispute.opened(asked, wallet.paid, wallet.available, act)
    if isinstance(decided, Refused):
        raise refusal(decided)
    post, found = decided
    perform(connection, wallet, post, now)
    values = msgspec.structs.asdict(found) | {"ref": act.ref, "state": "open", "opened_at": now}
    row = connection.execute(insert(_DISPUTE).values(values).returning(_DISPUTE)).one()
    _freeze(connection, asked.org)
    return read(row, DisputeRow)


def end_dispute(connection: Connection, org: int, *, won: bool, act: Act, now: Instant) -> DisputeRow:
    """Won: what was taken comes back. Lost: what the wallet did not cover is written off. Either way it thaws.

    Raises PuyunError `dispute_not_found` (404), `already_ended` or `wallet_limit` (409).
    """
    wallet = locked(connection, org)
    row = _find(connection, org, act.ref)
    if row is None:
        raise unknown("dispute", act.ref)
    state = "won" if won else "lost"
    if row.state == state:
        return row
    if row.state != "open":
        raise refusal(Refused(Reason.ENDED))
    found = Dispute(org=org, amount=row.amount, processor=row.processor, fee=row.fee, debt=row.debt)
    post = dispute.won(found, act) if won else dispute.lost(found, act)
    if not (isinstance(post, Refused) and post.reason is Reason.NOTHING):
        perform(connection, wallet, post, now)
    place = (_DISPUTE.c.org == org) & (_DISPUTE.c.ref == act.ref)
    ended = update(_DISPUTE).where(place).values(state=state, ended_at=now).returning(_DISPUTE)
    after = read(connection.execute(ended).one(), DisputeRow)
    _freeze(connection, org)
    return after


def list_disputes(connection: Connection, org: int | None) -> list[DisputeRow]:
    """Newest first."""
    query = select(_DISPUTE).order_by(_DISPUTE.c.opened_at.desc(), _DISPUTE.c.ref)
    found = query if org is None else query.where(_DISPUTE.c.org == org)
    return [read(row, DisputeRow) for row in connection.execute(found)]


def _find(connection: Connection, org: int, ref: str) -> DisputeRow | None:
    row = connection.execute(select(_DISPUTE).where(_DISPUTE.c.org == org, _DISPUTE.c.ref == ref)).first()
    return None if row is None else read(row, DisputeRow)


def _freeze(connection: Connection, org: int) -> None:
    disputed = connection.execute(
        select(exists().where(_DISPUTE.c.org == org, _DISPUTE.c.state == "open"))
    ).scalar_one()
    connection.execute(update(_WALLET).where(_WALLET.c.org == org).values(frozen=int(bool(disputed))))
