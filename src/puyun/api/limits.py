"""GET /v1/limits and its live stream: what a key may do, what it has used, and how long it would wait."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puyun.api.access import ApiDeps, asker, failure, finished, knocked
from puyun.arbiter.rows import Asker, offered, rows
from puyun.catalog.model import Tier
from puyun.catalog.snapshot import Key, SoldModel
from puyun.kit.errors import PuyunError
from puyun.web.events.stream import Streams

STREAMS_MAX = 500
"""Open streams of one process; whoever comes later asks again."""

EVERY_SECONDS = 2.0

MODELS_MAX = 1_000
"""Models shown at once; more are asked for by name."""


class LimitFeed:
    """Both endpoints. They run on the event loop, where the arbiter is."""

    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps
        self._streams = Streams(STREAMS_MAX, "limits", retry_after=60)

    async def limits(self, request: Request) -> Response:
        """`?model=NAME&tier=TIER`: of one model, at another tier than the key's. Without a model, those sold at it."""
        request_id = self._deps.plane.mint_request_id()
        try:
            key = asker(request, self._deps)
            response = Response(await self._shown(request, key), media_type="application/json")
        except PuyunError as error:
            response = failure(await knocked(error, request, self._deps), request_id)
        return finished(response, request_id)

    async def stream(self, request: Request) -> Response:
        """The same as server-sent events, `limits` at the start and whenever something has changed."""
        request_id = self._deps.plane.mint_request_id()
        try:
            first = await self._shown(request, asker(request, self._deps))
            response = self._streams.stream(self._events(request, first))
        except PuyunError as error:
            response = failure(await knocked(error, request, self._deps), request_id)
        return finished(response, request_id)

    async def _events(self, request: Request, shown: bytes) -> AsyncIterator[bytes]:
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

    async def _shown(self, request: Request, key: Key) -> bytes:
        whose = Asker(key.org, _tier(request, key), key.id, key.models)
        shown = await rows(self._deps.arbiter, self._deps.plane.snapshot, whose, self._models(request, whose))
        return msgspec.json.encode({"tier": whose.tier, "tiers": sorted(key.tiers), "models": shown})

    def _models(self, request: Request, whose: Asker) -> list[SoldModel]:
        snapshot = self._deps.plane.snapshot
        name = request.query_params.get("model")
        if name is None:
            return offered(snapshot, whose, self._deps.clock.now())[:MODELS_MAX]
        if name not in snapshot.sold or not whose.sees(name):
            text = f"There is no model {name[:100]!r} for this key. GET /v1/models lists those there are."
            raise PuyunError("model_not_found", 404, text, param="model")
        return [snapshot.sold[name]]


def _tier(request: Request, key: Key) -> Tier:
    asked = request.query_params.get("tier", key.tier)
    if asked not in key.tiers:
        allowed = ", ".join(sorted(key.tiers))
        text = f"`tier` is {asked[:40]!r}; your organization has: {allowed}."
        raise PuyunError("tier_not_allowed", 403, text, param="tier")
    return Tier(asked)
