"""The Start page: the first key, a call to copy, and a stream that says when the call has come."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.arbiter.rows import Catalogue
from puyun.catalog.model import PREFERRED, Tier
from puyun.identity.access import Permission
from puyun.identity.model import ApiKey, KeySpec
from puyun.kit.clock import MINUTE, format_instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.portal.board import PriceBoard
from puyun.portal.firststep import ANSWER_TOKENS, Choice, Progress, choices, choose, progress
from puyun.portal.member import Member, check_verified, member_of
from puyun.storage.engine import reading, writing
from puyun.storage.identity import list_keys
from puyun.storage.keys.issuing import issue_key
from puyun.storage.signup.calls import first_call
from puyun.storage.wallets import WalletRow, load_wallet
from puyun.system.entropy import key_entropy
from puyun.web import csrf
from puyun.web.events.stream import CHECK_EVERY, Streams, event
from puyun.web.forms import read_form
from puyun.web.session import session_secret
from puyun.web.site import Site

PATH = "/portal/start"
STREAM = f"{PATH}/stream"

STREAMS_MAX = 200
"""Open streams of one process; whoever comes later asks again."""

EVERY_SECONDS = 1.0

LONGEST = 10 * MINUTE
"""A stream ends after so long; a page that is still open asks again."""

KEYS_MAX = 5
"""Keys in use, up to which this page makes another: it is for the first one, and for one that was not written down."""

KEY_NAME = "first"


class View(msgspec.Struct, frozen=True):
    """What a member finds. `keys`: those in use, the newest last; `newest`: the last one ever made, 0 before any."""

    member: Member
    wallet: WalletRow
    keys: list[ApiKey]
    newest: int
    choice: Choice | None
    progress: Progress

    @property
    def may_make(self) -> bool:
        return self.member.may(Permission.MANAGE_OWN_KEYS) and not self.member.unverified and len(self.keys) < KEYS_MAX


class StartPage:
    """`stopping` turns true when the server wants to go; streams then end by themselves."""

    def __init__(
        self, site: Site, board: PriceBoard, catalogue: Callable[[], Catalogue], stopping: Callable[[], bool]
    ) -> None:
        self._site = site
        self._board = board
        self._catalogue = catalogue
        self._stopping = stopping
        self._streams = Streams(STREAMS_MAX, "first calls", retry_after=15)

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.page, methods=["GET"]),
            Route(PATH, self.submit, methods=["POST"]),
            Route(STREAM, self.stream),
        ]

    def page(self, request: Request) -> Response:
        return self._page(request, self._view(request), "")

    async def submit(self, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(self._make, request, form)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: `start` with the shape of what the page shows; `gone` before the end where the reader may
        not read on. It ends once the first call was received. Raises what the page raises, and `too_many_streams`.
        """
        view = await run_in_threadpool(self._view, request)
        return self._streams.stream(self._events(request, view))

    async def _events(self, request: Request, view: View) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        began = checked = self._site.clock.now()
        while not self._stopping() and 0 <= (now := self._site.clock.now()) - began < LONGEST:
            try:
                if now - checked >= CHECK_EVERY:
                    view, checked = await run_in_threadpool(self._view, request), now
                known = await run_in_threadpool(self._look, view)
            except OperationalError:
                known = None  # the database is away, which says nothing about the reader
            except PuyunError:
                yield event("gone", {})
                return
            if known is not None:
                yield event("start", {"now": format_instant(now), "shape": known.shape, "done": known.done})
                if known.done:
                    return
            await asyncio.sleep(EVERY_SECONDS)

    def _view(self, request: Request) -> View:
        """Raises what `member_of` raises."""
        member = member_of(self._site, request, Permission.SEE_USAGE)
        organization, now = member.organization, self._site.clock.now()
        with reading(self._site.engine) as connection:
            wallet = load_wallet(connection, organization.id)
            keys = list_keys(connection, organization.id)
            call = first_call(connection, organization.id)
        served = {name for name, sold in self._catalogue().sold.items() if sold.candidates}
        offers = [offer for offer in self._board.current().offers if offer.model.name in served]
        found = choices(offers, self._board.source().book, organization.tiers, now)
        choice = choose(found, wallet.available)
        usable = [key for key in keys if key.usable(now)]
        newest = keys[-1].id if keys else 0
        return View(member, wallet, usable, newest, choice, progress(choice, wallet.available, call))

    def _look(self, view: View) -> Progress:
        """What may have changed meanwhile."""
        org = view.member.organization.id
        with reading(self._site.engine) as connection:
            return progress(view.choice, load_wallet(connection, org).available, first_call(connection, org))

    def _make(self, request: Request, form: dict[str, str]) -> Response:
        """A key, shown in this answer and never again. A form that was sent before makes no second one: it names the
        newest key that its page knew of.
        """
        view = self._view(request)
        csrf.check(request, form, session_secret(request))
        if not view.member.may(Permission.MANAGE_OWN_KEYS):
            raise PuyunError(
                "not_permitted", 403, f"As {view.member.role} you may not make keys. Ask an admin for one."
            )
        check_verified(view.member)
        secret = ""
        tier = view.choice.tier if view.choice else _usual(view.member)
        spec = KeySpec(tier=tier, name=KEY_NAME, member=view.member.user.id)
        organization = view.member.organization
        with writing(self._site.engine) as connection:
            now = self._site.clock.now()
            keys = list_keys(connection, organization.id)
            known = form.get("newest") == (format_id("key", keys[-1].id) if keys else "")
            if known and sum(key.usable(now) for key in keys) < KEYS_MAX:
                secret = issue_key(connection, organization, spec, key_entropy(), now).secret
        if not secret:
            return RedirectResponse(f"{PATH}{view.member.query}", 303)
        response = self._page(request, self._view(request), secret)
        response.headers["cache-control"] = "no-store"
        return response

    def _page(self, request: Request, view: View, secret: str) -> Response:
        context: dict[str, object] = {
            "member": view.member,
            "view": view,
            "keys_max": KEYS_MAX,
            "secret": secret,
            "choice": view.choice,
            "progress": view.progress,
            "newest": format_id("key", view.newest) if view.newest else "",
            "wallet": view.wallet if view.member.may(Permission.SEE_BILLING) else None,
            "answer_tokens": ANSWER_TOKENS,
            "address": f"{PATH}{view.member.query}",
            "stream": f"{STREAM}{view.member.query}",
        }
        return self._site.render(request, "start.html", context)


def _usual(member: Member) -> Tier:
    return next(tier for tier in PREFERRED if tier in member.organization.tiers)
