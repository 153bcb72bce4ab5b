"""What our records say of a provider's models, by day: the other side of its bill."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import charge_of
from puyun.ledger.hold import Status
from puyun.metering.record import Flag
from puyun.metering.usage import BUCKETS, INPUT_BUCKETS, OUTPUT_BUCKETS, Usage
from puyun.pricing.costbook import CostBook, cost_of
from puyun.pricing.reconciliation import Ours
from puyun.storage import schema
from puyun.storage.ledger.codes import STATUS_CODE
from puyun.storage.prices import load_cost_rows
from puyun.storage.reports.margins import begun_within, day_of_call

_RECORD = schema.usage_record
_DEPLOYMENT = schema.deployment


def recorded_usage(
    connection: Connection, first: int, last: int, *, provider: str | None = None, models: Iterable[str] = ()
) -> dict[tuple[int, str], Ours]:
    """By (day, the provider's own name of the model), of calls that began on the days from `first` to `last`.

    Without a provider: of the deployments with one of these names, whoever serves them. Costs are those in force at the
    day's begin. Raises PuyunError `provider_not_found` (404).
    """
    served = _DEPLOYMENT.c.upstream_model.in_(list(models))
    if provider is not None:
        served = _DEPLOYMENT.c.provider == _number(connection, provider)
    book = CostBook(load_cost_rows(connection))
    found: dict[tuple[int, str], Ours] = {}
    for row in _rows(connection, served, Instant(first * DAY), Instant((last + 1) * DAY)):
        usage = Usage(**{bucket: int(row[bucket]) for bucket in BUCKETS})
        cost = cost_of(usage, book.costs(row["name"], Instant(row["day"] * DAY)))
        ours = Ours(
            calls=int(row["calls"]),
            input=usage.input_tokens,
            output=usage.output_tokens,
            cached=usage.cached_input,
            failed_attempts=int(row["failed_attempts"]),
            cancelled=int(row["cancelled"]),
            estimated_input=int(row["estimated_input"]),
            estimated_output=int(row["estimated_output"]),
            cost=None if cost.unknown else charge_of(cost.exact),
        )
        cell = (row["day"], row["upstream_model"])
        found[cell] = _plus(found[cell], ours) if cell in found else ours
    return found


def _number(connection: Connection, provider: str) -> int:
    number = connection.execute(select(schema.provider.c.id).where(schema.provider.c.name == provider)).scalar()
    if number is None:
        text = f"There is no provider {provider!r}. `puyun catalog export` lists the names."
        raise PuyunError("provider_not_found", 404, text)
    return number


def _rows(connection: Connection, served: ColumnElement[bool], start: Instant, end: Instant) -> Iterable[Any]:
    day = day_of_call().label("day")
    answered = _RECORD.c.status.in_(
        [STATUS_CODE[status] for status in (Status.COMPLETED, Status.CANCELLED, Status.CUT)]
    )
    left = _RECORD.c.status.in_([STATUS_CODE[status] for status in (Status.CANCELLED, Status.CUT)])
    estimated = _RECORD.c.flags.bitwise_and(Flag.ESTIMATED.value) != 0
    sums = [
        func.sum(case((answered, 1), else_=0)).label("calls"),
        func.sum(_RECORD.c.attempts - case((answered, 1), else_=0)).label("failed_attempts"),
        func.sum(case((left, 1), else_=0)).label("cancelled"),
        func.sum(case((estimated, _all(INPUT_BUCKETS)), else_=0)).label("estimated_input"),
        func.sum(case((estimated, _all(OUTPUT_BUCKETS)), else_=0)).label("estimated_output"),
        *(func.sum(_RECORD.c[bucket]).label(bucket) for bucket in BUCKETS),
    ]
    names = (_DEPLOYMENT.c.name, _DEPLOYMENT.c.upstream_model)
    query = (
        select(day, *names, *sums)
        .select_from(_RECORD)
        .join(_DEPLOYMENT, _DEPLOYMENT.c.id == _RECORD.c.deployment)
        .where(served, *begun_within(start, end))
        .group_by(day, *names)
    )
    return connection.execute(query).mappings()


def _all(buckets: Iterable[str]) -> ColumnElement[int]:
    first, *others = (_RECORD.c[bucket] for bucket in buckets)
    total: ColumnElement[int] = first
    for other in others:
        total = total + other
    return total


def _plus(one: Ours, other: Ours) -> Ours:
    """Two deployments of one model of the provider."""
    return Ours(
        calls=one.calls + other.calls,
        input=one.input + other.input,
        output=one.output + other.output,
        cached=one.cached + other.cached,
        failed_attempts=one.failed_attempts + other.failed_attempts,
        cancelled=one.cancelled + other.cancelled,
        estimated_input=one.estimated_input + other.estimated_input,
        estimated_output=one.estimated_output + other.estimated_output,
        cost=None if one.cost is None or other.cost is None else one.cost + other.cost,
    )
