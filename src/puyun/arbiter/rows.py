"""What an organization may do, has used and would wait, model by model: the rows of `GET /v1/limits` and of the portal."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from puyun.arbiter.interface import Arbiter
from puyun.arbiter.message import Look, Seen
from puyun.catalog.model import Tier
from puyun.catalog.snapshot import SoldModel
from puyun.kit.clock import SECOND, Instant, format_instant
from puyun.limits.cell import spot
from puyun.limits.reading import Row
from puyun.limits.rule import Metric

DEFAULT = "default"
"""Where a limit comes from that nobody set: the program's table of tiers."""


class Catalogue(Protocol):
    """The snapshot that the data plane serves from, as far as rows look at it."""

    @property
    def sold(self) -> Mapping[str, SoldModel]: ...

    @property
    def owners(self) -> Mapping[str, int]: ...

    def rates(self, model: str, tier: Tier, now: Instant, /) -> object:
        """None where the model is not sold at the tier at this moment."""
        ...


class Asker(msgspec.Struct, frozen=True):
    """Whose limits, at which tier. `key` 0: the organization's, beside those of its keys; `models` empty: every model."""

    org: int
    tier: Tier
    key: int = 0
    models: frozenset[str] = frozenset()

    def sees(self, model: str) -> bool:
        return not self.models or model in self.models


class LimitRow(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from"}):
    """How one limit stands. `limit` is per window, or at a time where `window_seconds` is None; `burst` is what fits in
    at once, `used + remaining` but for a debt. `source` is DEFAULT or a `Scope`; moments are ISO 8601.
    """

    metric: Metric
    limit: int
    burst: int
    used: int
    remaining: int
    reset_ms: int
    window_seconds: int | None
    source: str
    all_models: bool
    """Whether the calls of all models count in it together."""
    starts: str | None
    ends: str | None
    why: str


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model with the organization's calls at the tier; the wait is of a call that comes now."""

    model: str
    pools: list[str]
    in_flight: int
    queued: int
    queue_limit: int
    predicted_wait_ms: int
    limits: list[LimitRow]


def offered(catalogue: Catalogue, asker: Asker, now: Instant) -> list[SoldModel]:
    """The models that can be called, in the catalogue's order."""
    return [
        sold
        for name, sold in catalogue.sold.items()
        if asker.sees(name) and catalogue.rates(name, asker.tier, now) is not None
    ]


async def rows(arbiter: Arbiter, catalogue: Catalogue, asker: Asker, models: Sequence[SoldModel]) -> list[ModelRow]:
    """One for each of `models`. Raises PuyunError 503 where nobody can tell at the moment."""
    look = Look(asker.org, asker.key, asker.tier, tuple(sold.id for sold in models))
    seen = await arbiter.look(look)
    return [
        _model_row(sold, _pools(sold, catalogue, asker), asker, each) for sold, each in zip(models, seen, strict=True)
    ]


def _model_row(sold: SoldModel, pools: list[str], asker: Asker, seen: Seen) -> ModelRow:
    queue = seen.queue
    return ModelRow(
        model=sold.model.name,
        pools=pools,
        in_flight=queue.in_flight,
        queued=queue.queued,
        queue_limit=queue.queue_limit,
        predicted_wait_ms=queue.predicted_wait // 1000,
        limits=[_limit_row(row, asker, sold.id) for row in seen.limits],
    )


def _limit_row(row: Row, asker: Asker, model: int) -> LimitRow:
    reading, rule = row.reading, row.rule
    return LimitRow(
        metric=reading.metric,
        limit=reading.limit,
        burst=reading.burst,
        used=reading.used,
        remaining=reading.remaining,
        reset_ms=-(-reading.reset // 1000),
        window_seconds=reading.window // SECOND or None,
        source=rule.scope if rule.id else DEFAULT,
        all_models=not spot(rule, asker.org, model, asker.tier).model,
        starts=_moment(rule.starts),
        ends=_moment(rule.ends),
        why=rule.why,
    )


def _pools(sold: SoldModel, catalogue: Catalogue, asker: Asker) -> list[str]:
    """Where calls may go: what is set apart for others is not named."""
    pools = {candidate.deployment.pool for candidate in sold.candidates}
    mine = {pool for pool in pools if catalogue.owners.get(pool) == asker.org}
    apart = pools & {"enterprise"} | mine if asker.tier is Tier.ENTERPRISE else set[str]()
    return sorted((pools & {"shared"}) | apart)


def _moment(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
