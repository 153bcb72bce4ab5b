"""`/docs`: how to call models here, with this service's own address and models in every example."""

from collections.abc import Callable
from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.arbiter.rows import Catalogue
from puyun.catalog.model import TIERS, Kind, Tier
from puyun.kit.clock import SECOND
from puyun.portal.board import PriceBoard
from puyun.portal.docs.library import CHAPTERS, NAMES, find, library
from puyun.portal.docs.markup import ROOT, fill, fill_html
from puyun.portal.firststep import PREFERRED, choices
from puyun.pricing.offers import Offer
from puyun.scheduler.rules import DEFAULTS
from puyun.web.site import Site, visitor_of

QUERY_MAX = 100
"""Characters that are searched for."""

_STAND_IN = {"model": "gpt-4o", "embedding": "text-embedding-3-small"}
"""What examples name where nothing of the kind is sold."""


class Example(msgspec.Struct, frozen=True):
    """What examples call: a chat model with the tier it is sold at, and an embedding model; empty where none is sold."""

    model: str
    tier: str
    embedding: str


class DocsPage:
    def __init__(self, site: Site, board: PriceBoard, catalogue: Callable[[], Catalogue]) -> None:
        self._site = site
        self._board = board
        self._catalogue = catalogue
        self._known: tuple[str, Example] | None = None

    def routes(self) -> list[BaseRoute]:
        return [Route(ROOT, self.index), Route(f"{ROOT}/{{name}}", self.page)]

    def index(self, request: Request) -> Response:
        """Every page with what it is about, or what was found."""
        pages = library(visitor_of(request).language)
        values = self._values(request)
        asked = " ".join(request.query_params.get("q", "")[:QUERY_MAX].split())
        context: dict[str, object] = {
            "chapters": CHAPTERS,
            "pages": pages,
            "page": None,
            "asked": asked,
            "hits": find(list(pages.values()), asked, values),
            "shown": partial(fill_html, values=values),
            "said": partial(fill, values=values),
        }
        return self._site.render(request, "docs.html", context)

    def page(self, request: Request) -> Response:
        pages = library(visitor_of(request).language)
        page = pages.get(request.path_params["name"])
        if page is None:
            raise HTTPException(404)
        values = self._values(request)
        place = NAMES.index(page.name)
        around = [pages[NAMES[each]] if 0 <= each < len(NAMES) else None for each in (place - 1, place + 1)]
        context: dict[str, object] = {
            "chapters": CHAPTERS,
            "pages": pages,
            "page": page,
            "asked": "",
            "title": fill(page.title, values),
            "around": around,
            "unsold": not all(getattr(self._example(), name) for name in _STAND_IN.keys() & page.gaps),
            "shown": partial(fill_html, values=values),
            "said": partial(fill, values=values),
        }
        return self._site.render(request, "docs.html", context)

    def _values(self, request: Request) -> dict[str, str]:
        """What is put into the pages."""
        example, brand = self._example(), self._site.brand
        return {
            "origin": visitor_of(request).origin,
            "brand": brand.name,
            "currency": brand.currency,
            "model": example.model or _STAND_IN["model"],
            "tier": example.tier or Tier.FLEX,
            "embedding": example.embedding or _STAND_IN["embedding"],
        } | {f"{tier}_wait": str(DEFAULTS.of(tier).max_wait // SECOND) for tier in TIERS}

    def _example(self) -> Example:
        """Worked out once a change of what is sold."""
        known, version = self._known, self._board.current().version
        if known is None or known[0] != version:
            known = self._known = version, self._chosen()
        return known[1]

    def _chosen(self) -> Example:
        served = {name for name, sold in self._catalogue().sold.items() if sold.candidates}
        offers = [offer for offer in self._board.current().offers if offer.model.name in served]
        chat = choices(offers, self._board.source().book, TIERS, self._site.clock.now())[:1]
        embeddings = [offer for offer in offers if offer.model.kind is Kind.EMBEDDING and "input" in offer.prices]
        embedding = min(embeddings, key=_cheapest, default=None)
        return Example(
            model=chat[0].model.name if chat else "",
            tier=chat[0].tier if chat else "",
            embedding=embedding.model.name if embedding else "",
        )


def _cheapest(offer: Offer) -> tuple[int, int, str]:
    return PREFERRED.index(offer.tier), offer.prices["input"], offer.model.name
