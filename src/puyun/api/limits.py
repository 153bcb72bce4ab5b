"""GET /v1/limits and its live stream: what a key may do, what it has used, and how long it would wait."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from puyun.api.access import ApiDeps, asker, failure, finished
from puyun.arbiter.message import Look, Seen
from puyun.catalog.model import Tier
from puyun.catalog.snapshot import Key, SoldModel
from puyun.kit.clock import SECOND, Instant, format_instant
from puyun.kit.errors import PuyunError
from puyun.limits.ask import Row

STREAMS_MAX = 500
"""Open streams of one process; whoever comes later asks again."""

EVERY_SECONDS = 2.0

MODELS_MAX = 1_000
"""Models shown at once; more are asked for by name."""


class LimitFeed:
    """Both endpoints. They run on the event loop, where the arbiter is."""

    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps
        self._open = 0

    async def limits(self, request: Request) -> Response:
        """`?model=NAME&tier=TIER`: of one model, at another tier than the key's."""
        request_id = self._deps.plane.mint_request_id()
        try:
            key = asker(request, self._deps)
            response = Response(await self._shown(request, key), media_type="application/json")
        except PuyunError as error:
            response = failure(error, request_id)
        return finished(response, request_id)

    async def stream(self, request: Request) -> Response:
        """The same as server-sent events, `limits` at the start and whenever something has changed."""
        request_id = self._deps.plane.mint_request_id()
        try:
            first = await self._shown(request, asker(request, self._deps))
            self._refuse_too_many()
        except PuyunError as error:
            return finished(failure(error, request_id), request_id)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        events = StreamingResponse(self._events(request, first), headers=headers, media_type="text/event-stream")
        return finished(events, request_id)

    def _refuse_too_many(self) -> None:
        if self._open >= STREAMS_MAX:
            text = "Too many streams of limits are open; try again in a minute."
            raise PuyunError("too_many_streams", 503, text, headers={"retry-after": "60"})

    async def _events(self, request: Request, shown: bytes) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            yield b"retry: 2000\n\nevent: limits\ndata: %b\n\n" % shown
            while not self._deps.stopping():
                await asyncio.sleep(EVERY_SECONDS)
                try:
                    told = await self._shown(request, asker(request, self._deps))
                except PuyunError as error:
                    yield b"event: error\ndata: %b\n\n" % msgspec.json.encode({"code": error.code})
                    if error.status < 500:
                        return  # the key is not good any more
                    continue
                yield b"event: limits\ndata: %b\n\n" % told if told != shown else b": same\n\n"
                shown = told
        finally:
            self._open -= 1

    async def _shown(self, request: Request, key: Key) -> bytes:
        tier = _tier(request, key)
        models = self._models(request, key)
        look = Look(key.org, key.id, tier, tuple(sold.id for sold in models))
        seen = await self._deps.arbiter.look(look)
        rows = [
            {"model": sold.model.name, "pools": self._pools(sold, key, tier)} | _queue(each)
            for sold, each in zip(models, seen, strict=True)
        ]
        return msgspec.json.encode({"tier": tier, "tiers": sorted(key.tiers), "models": rows})

    def _models(self, request: Request, key: Key) -> list[SoldModel]:
        sold = self._deps.plane.snapshot.sold
        name = request.query_params.get("model")
        if name is not None:
            if name not in sold or (key.models and name not in key.models):
                text = f"There is no model {name[:100]!r} for this key. GET /v1/models lists those there are."
                raise PuyunError("model_not_found", 404, text, param="model")
            return [sold[name]]
        return [each for each in sold.values() if not key.models or each.model.name in key.models][:MODELS_MAX]

    def _pools(self, sold: SoldModel, key: Key, tier: Tier) -> list[str]:
        """Where calls may go: what is set apart for others is not named."""
        owners = self._deps.plane.snapshot.owners
        pools = {candidate.deployment.pool for candidate in sold.candidates}
        mine = {pool for pool in pools if owners.get(pool) == key.org}
        return sorted((pools & {"shared"}) | (pools & {"enterprise"} | mine if tier is Tier.ENTERPRISE else set()))


def _tier(request: Request, key: Key) -> Tier:
    asked = request.query_params.get("tier", key.tier)
    if asked not in key.tiers:
        allowed = ", ".join(sorted(key.tiers))
        text = f"`tier` is {asked[:40]!r}; your organization has: {allowed}."
        raise PuyunError("tier_not_allowed", 403, text, param="tier")
    return Tier(asked)


def _queue(seen: Seen) -> dict[str, object]:
    queue = seen.queue
    return {
        "in_flight": queue.in_flight,
        "queued": queue.queued,
        "queue_limit": queue.queue_limit,
        "predicted_wait_ms": queue.predicted_wait // 1000,
        "limits": [_row(row) for row in seen.limits],
    }


def _row(row: Row) -> dict[str, object]:
    reading, rule = row.reading, row.rule
    return {
        "metric": reading.metric,
        "limit": reading.limit,
        "burst": reading.burst,
        "used": reading.used,
        "remaining": reading.remaining,
        "reset_ms": -(-reading.reset // 1000),
        "window_seconds": reading.window // SECOND or None,
        "from": rule.scope if rule.id else "default",
        "starts": _moment(rule.starts),
        "ends": _moment(rule.ends),
        "why": rule.why,
    }


def _moment(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
