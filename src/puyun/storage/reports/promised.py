"""What the held part of a balance is promised to."""

import msgspec
from sqlalchemy import Connection, func, select

from puyun.storage import schema
from puyun.storage.money.tables import payout


class Promised(msgspec.Struct, frozen=True):
    """Open calls, and paid money on its way back to its payer: how many, and nano-units."""

    calls: int
    for_calls: int
    payouts: int
    for_payouts: int


def load_promised(connection: Connection, org: int) -> Promised:
    """Asked in the transaction that reads the wallet, the two amounts together are its `held`."""
    hold = schema.hold
    calls = select(func.count(), func.coalesce(func.sum(hold.c.amount), 0)).where(hold.c.org == org)
    payouts = select(func.count(), func.coalesce(func.sum(payout.c.amount), 0)).where(payout.c.org == org)
    open_calls, for_calls = connection.execute(calls).one()
    open_payouts, for_payouts = connection.execute(payouts.where(payout.c.state == "held")).one()
    return Promised(open_calls, int(for_calls), open_payouts, int(for_payouts))
