"""The Limits page: what an organization may do at a tier, how much of it is used, and a stream that keeps it true."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.arbiter.interface import Arbiter
from puyun.arbiter.rows import Asker, Catalogue, ModelRow, offered, rows
from puyun.identity.access import Permission
from puyun.identity.model import ApiKey
from puyun.kit.clock import format_instant, parse_instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.portal.limitlist import (
    PATH,
    STREAM,
    Figures,
    Query,
    Selection,
    figures,
    line,
    parse_query,
    select,
    shape,
    unlimited,
    usual_tier,
)
from puyun.portal.member import Member, member_of
from puyun.storage.engine import reading
from puyun.storage.identity import list_keys
from puyun.storage.limits.wishes import wishes_of
from puyun.web.events.stream import CHECK_EVERY, Streams, event
from puyun.web.site import Site

STREAMS_MAX = 200
"""Open streams of one process; whoever comes later asks again."""

EVERY_SECONDS = 2.0

WISHES_MAX = 3
"""Requests for higher limits that stand on the page, the newest; the others are on their own."""

KEYS_MAX = 200
"""Keys to choose from, the newest; any other one can be named in the address."""


class View(msgspec.Struct, frozen=True):
    """What a member wants to see."""

    member: Member
    query: Query
    asker: Asker
    keys: list[ApiKey]


class Shown(msgspec.Struct, frozen=True):
    """What there is to see. `rows` None: nobody can tell at the moment."""

    selection: Selection
    rows: list[ModelRow] | None


class LimitsPage:
    """`stopping` turns true when the server wants to go; streams then end by themselves."""

    def __init__(
        self, site: Site, catalogue: Callable[[], Catalogue], arbiter: Arbiter, stopping: Callable[[], bool]
    ) -> None:
        self._site = site
        self._catalogue = catalogue
        self._arbiter = arbiter
        self._stopping = stopping
        self._streams = Streams(STREAMS_MAX, "limits", retry_after=15)

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.page), Route(STREAM, self.stream)]

    async def page(self, request: Request) -> Response:
        """The database is read and the page made in a thread; the arbiter is asked here, on its event loop."""
        view = await run_in_threadpool(self._view, request)
        shown = await self._shown(view)
        return await run_in_threadpool(self._page, request, view, shown)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: `limits` with the figures that changed, `away` while nobody can tell, and `gone` before the
        end where the reader may not read on. Raises what the page raises, and `too_many_streams`.
        """
        view = await run_in_threadpool(self._view, request)
        return self._streams.stream(self._events(request, view))

    async def _events(self, request: Request, view: View) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        told: dict[str, Figures] = {}
        checked = self._site.clock.now()
        while not self._stopping():
            now = self._site.clock.now()
            if not 0 <= now - checked < CHECK_EVERY:
                try:
                    view, checked = await run_in_threadpool(self._view, request), now
                except OperationalError:
                    checked = now  # the database is away, which says nothing about the reader
                except PuyunError:
                    yield event("gone", {})
                    return
            seen = (await self._shown(view)).rows
            if seen is None:
                yield event("away", {})
            else:
                known, told = told, figures(seen)
                changed = {name: each for name, each in told.items() if known.get(name) != each}
                yield event("limits", {"now": format_instant(now), "shape": shape(seen), "figures": changed})
            await asyncio.sleep(EVERY_SECONDS)

    def _view(self, request: Request) -> View:
        """Raises what `member_of` raises, and `key_not_found` (404), also for somebody else's."""
        member = member_of(self._site, request, Permission.SEE_USAGE)
        now = self._site.clock.now()
        with reading(self._site.engine) as connection:
            keys = [key for key in list_keys(connection, member.organization.id) if key.usable(now)]
        wanted = request.query_params.get("key", "")
        chosen = next((key for key in keys if format_id("key", key.id) == wanted), None)
        if wanted and chosen is None:
            raise PuyunError("key_not_found", 404, f"{member.organization.name} has no such key in use.")
        tiers = member.organization.tiers
        usual = chosen.tier if chosen is not None and chosen.tier in tiers else usual_tier(tiers, keys)
        org = member.org
        query = parse_query(request.query_params, org=org, key=wanted, tiers=tiers, usual=usual)
        asker = Asker(member.organization.id, query.tier)
        if chosen is not None:
            asker = Asker(member.organization.id, query.tier, chosen.id, frozenset(chosen.models))
        listed = keys[-KEYS_MAX:]
        return View(member, query, asker, listed if chosen is None or chosen in listed else [chosen, *listed])

    async def _shown(self, view: View) -> Shown:
        catalogue = self._catalogue()
        selection = select(offered(catalogue, view.asker, self._site.clock.now()), view.query)
        try:
            return Shown(selection, await rows(self._arbiter, catalogue, view.asker, selection.models))
        except PuyunError as error:
            if error.status != 503:
                raise
            return Shown(selection, None)

    def _page(self, request: Request, view: View, shown: Shown) -> Response:
        found = shown.rows or []
        with reading(self._site.engine) as connection:
            wishes = wishes_of(connection, view.member.organization.id, WISHES_MAX)
        context: dict[str, object] = {
            "member": view.member,
            "query": view.query,
            "keys": view.keys,
            "selection": shown.selection,
            "away": shown.rows is None,
            "rows": found,
            "shape": "" if shown.rows is None else shape(found),
            "stream": view.query.href(STREAM),
            "figures": figures(found),
            "line": line,
            "unlimited": unlimited,
            "instant": parse_instant,
            "wishes": wishes,
        }
        return self._site.render(request, "limits.html", context)
