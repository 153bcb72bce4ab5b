"""What is used of every rate as bytes, so that a decider that starts again knows what its forerunner let through."""

from collections.abc import Iterable, Iterator

import msgspec

from puyun.kit.clock import Instant
from puyun.limits.cell import Rate, Spot
from puyun.limits.rule import Metric, Rule, Scope

LAYOUT = 1


class _Rate(msgspec.Struct, array_like=True):
    who: str
    subject: int | str
    model: int
    tier: str
    metric: Metric
    amount: int
    burst: int
    backlog: int


class _State(msgspec.Struct, array_like=True):
    layout: int
    at: int
    rates: list[_Rate]


def save(rates: Iterable[tuple[Spot, Rate]], now: Instant) -> bytes:
    """What is unused is left out."""
    kept = [
        _Rate(*place, amount=rate.amount, burst=rate.rule.burst or 0, backlog=rate.backlog(now))
        for place, rate in rates
        if not rate.idle(now)
    ]
    return msgspec.msgpack.encode(_State(LAYOUT, now, kept))


def load(state: bytes, now: Instant) -> Iterator[tuple[Spot, Rate]]:
    """Rates as they are by now. Their rules stand in for the true ones, which they follow when they are first used.

    Raises ValueError for what `save` did not write.
    """
    try:
        found = msgspec.msgpack.decode(state, type=_State)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no snapshot of limits: {error}") from error
    if found.layout != LAYOUT:
        raise ValueError(f"a snapshot of layout {found.layout}, not {LAYOUT}")
    for each in found.rates:
        rate = Rate(Rule(scope=Scope.KEY, metric=each.metric, amount=each.amount, burst=each.burst))
        rate.tat = found.at * each.amount + each.backlog
        if not rate.idle(now):
            yield Spot(each.who, each.subject, each.model, each.tier, each.metric), rate
