"""`/prices.rss` and `/prices.json`: the price changes of 90 days, and those that are announced."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.kit.clock import DAY, Instant
from puyun.portal.board import PriceBoard
from puyun.portal.shop.changes import PriceChange, changes_of, published
from puyun.portal.shop.feed import Publisher, as_json, rss
from puyun.web.language import Language
from puyun.web.site import Site, visitor_of

DAYS = 90

RSS_MAX = 500
"""Items of the feed; a first price list can have thousands of rows, and no reader wants them all."""

JSON_MAX = 10_000


class ChangeFeed:
    def __init__(self, site: Site, board: PriceBoard) -> None:
        self._site = site
        self._board = board
        self._known: tuple[str, list[PriceChange]] = ("", [])

    def routes(self) -> list[BaseRoute]:
        return [Route("/prices.rss", self.rss), Route("/prices.json", self.json)]

    def rss(self, request: Request) -> Response:
        """In the language of `?lang=`, else of the reader; JSON has no words."""
        changes, _, version, now = self._changes()
        visitor = visitor_of(request)
        wanted = request.query_params.get("lang", "")
        language = Language(wanted) if wanted in set(Language) else visitor.language
        version = f"{version}-{language}"
        if (same := _same(request, version)) is not None:
            return same
        publisher = Publisher(self._site.brand.name, self._site.brand.currency, visitor.origin, language)
        body = rss(changes[:RSS_MAX], publisher, now)
        headers = _headers(version) | {"content-language": language.tag, "vary": "accept-language, cookie"}
        return Response(body, headers=headers, media_type="application/rss+xml")

    def json(self, request: Request) -> Response:
        changes, since, version, now = self._changes()
        if (same := _same(request, version)) is not None:
            return same
        left_out = max(len(changes) - JSON_MAX, 0)
        found = as_json(changes[:JSON_MAX], self._site.brand.currency, since, now, left_out=left_out)
        return Response(msgspec.json.encode(found), headers=_headers(version), media_type="application/json")

    def _changes(self) -> tuple[list[PriceChange], Instant, str, Instant]:
        """Worked out once a change of prices and a day: what they are, since when, their version, and the time."""
        source, offers, now = self._board.source(), self._board.current(), self._site.clock.now()
        since = Instant((now // DAY - DAYS) * DAY)
        version = f"{offers.version}-{since // DAY}"
        known, changes = self._known
        if known != version:
            names = frozenset(model.name for model in source.models)
            changes = published(changes_of(source.book.by_id.values()), since, names)
            self._known = version, changes
        return changes, since, version, now


def _same(request: Request, version: str) -> Response | None:
    """The short answer to somebody who has this version."""
    unchanged = request.headers.get("if-none-match") == _headers(version)["etag"]
    return Response(status_code=304, headers=_headers(version)) if unchanged else None


def _headers(version: str) -> dict[str, str]:
    return {"etag": f'"{version}"', "cache-control": "no-cache", "access-control-allow-origin": "*"}
