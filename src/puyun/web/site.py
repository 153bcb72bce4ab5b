"""Rendering: what every page gets to know about its visitor, and how it leaves."""

import gzip
from collections.abc import Sequence

import msgspec
from markupsafe import Markup
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.config import Brand
from puyun.kit.clock import Clock
from puyun.web import csrf
from puyun.web.assets import Assets
from puyun.web.forms import local_path
from puyun.web.language import LANGUAGE_COOKIE, Language, negotiate
from puyun.web.session import Sessions, form_secret, session_secret
from puyun.web.templates import Templates

THEME_COOKIE = "puyun-theme"
THEMES = ("auto", "light", "dark")
_YEAR = 365 * 24 * 3600
_COMPRESS_FROM = 1400
"""Below this an answer fits one packet anyway."""


class Visitor(msgspec.Struct, frozen=True):
    """What a page knows of whoever reads it. `path`: where a switch of language or theme leads back to."""

    language: Language
    theme: str
    signed_in: bool
    origin: str
    path: str


class FormToken:
    """What a template calls for the token of its form; remembers that it did."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.used = False

    def __call__(self) -> str:
        self.used = True
        return csrf.token(self._secret) if self._secret else ""


class Site:
    """The parts that all pages share. `faces`: packages with templates of their own, `puyun.portal` and so on;
    `verify`: whether people have to verify their address before they may do what others could suffer from.
    """

    def __init__(
        self, engine: Engine, clock: Clock, brand: Brand, faces: Sequence[str], *, verify: bool = False
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.brand = brand
        self.verify = verify
        self.sessions = Sessions(engine, clock)
        self.assets = Assets()
        shared: dict[str, object] = {
            "brand": brand.name,
            "currency": brand.currency,
            "asset": self.assets.url,
            "languages": tuple(Language),
            "themes": THEMES,
            "csrf_field": csrf.FIELD,
        }
        self._templates = Templates(faces, shared, brand.currency)

    def routes(self) -> list[BaseRoute]:
        return [Route("/preferences", self.prefer), *self.assets.routes()]

    def render(
        self, request: Request, template: str, context: dict[str, object], *, status: int = 200, form: str = ""
    ) -> Response:
        """A page. `form`: the secret that its forms are tied to, when that is not the session yet."""
        visitor = visitor_of(request)
        csrf_token = FormToken(form or session_secret(request) or form_secret(request))
        page = self._templates.get(template, visitor.language).render(
            visitor=visitor, csrf_token=csrf_token, now=self.clock.now(), **context
        )
        headers = {
            "cache-control": "private, no-cache",
            "content-language": visitor.language.tag,
            "vary": "accept-language, accept-encoding, cookie",
        }
        body = page.encode()
        # A page with a token in it is not compressed: its length would tell about the token (BREACH).
        if not csrf_token.used and len(body) > _COMPRESS_FROM and "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, 5, mtime=0)
            headers["content-encoding"] = "gzip"
        return HTMLResponse(body, status, headers)

    def part(self, request: Request, template: str, context: dict[str, object]) -> Markup:
        """A piece of a page that is the same for every visitor of a language."""
        language = visitor_of(request).language
        return Markup(self._templates.get(template, language).render(**context))  # noqa: S704 - rendered with escaping

    def text(self, template: str, language: Language, context: dict[str, object]) -> str:
        """Plain text, such as a letter."""
        return self._templates.get(template, language).render(**context)

    def prefer(self, request: Request) -> Response:
        """Remember a language or a theme and go back; a link, so that it works without scripts."""
        response = RedirectResponse(local_path(request.query_params.get("back", ""), "/"), 303)
        language = request.query_params.get("language", "")
        theme = request.query_params.get("theme", "")
        if language in set(Language):
            _remember(request, response, LANGUAGE_COOKIE, language)
        if theme in THEMES:
            _remember(request, response, THEME_COOKIE, theme)
        response.headers["cache-control"] = "no-store"
        return response


def visitor_of(request: Request) -> Visitor:
    theme = request.cookies.get(THEME_COOKIE, "")
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Visitor(
        language=negotiate(request.headers.get("accept-language", ""), request.cookies.get(LANGUAGE_COOKIE, "")),
        theme=theme if theme in THEMES else "auto",
        signed_in=bool(session_secret(request)),
        origin=str(request.base_url).rstrip("/"),
        path=path if request.method == "GET" else "/",
    )


def _remember(request: Request, response: Response, name: str, value: str) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=_YEAR, path="/", secure=secure, samesite="lax")
