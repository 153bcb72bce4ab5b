"""Notifications: what happened, below which balance the organization is told, and which letters come to a member."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.kit.money import MoneyError, format_amount, parse_amount
from puyun.notices.kinds import Kind, mailed, visible
from puyun.portal.member import Member, member_of
from puyun.storage.engine import reading, writing
from puyun.storage.notify.choices import LETTERS_A_DAY, choose, chosen, language_of, remember_language
from puyun.storage.notify.events import EventPage, page_of_events
from puyun.storage.notify.watching import choose_threshold, load_watch
from puyun.web import csrf
from puyun.web.forms import read_choices, read_form
from puyun.web.language import Language
from puyun.web.session import session_secret
from puyun.web.site import Site, visitor_of

PATH = "/portal/settings/notifications"

_SAID = frozenset({"threshold", "letters"})
_TEXT_MAX = 40

SHOWN = 10
"""Events at once: below them stand the choices."""


class Typed(msgspec.Struct, frozen=True):
    """A threshold that was refused, as it was typed."""

    text: str


class NotificationsPage:
    """`mail`: whether letters go out at all."""

    def __init__(self, site: Site, *, mail: bool) -> None:
        self._site = site
        self._mail = mail

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(f"{PATH}/threshold", self.threshold, methods=["POST"]),
            Route(f"{PATH}/letters", self.letters, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        return self._page(request, member_of(self._site, request, Permission.SEE_USAGE))

    async def threshold(self, request: Request) -> Response:
        return await run_in_threadpool(self._threshold, request, await read_form(request))

    def _threshold(self, request: Request, form: Mapping[str, str]) -> Response:
        member = member_of(self._site, request, Permission.TOP_UP)
        csrf.check(request, form, session_secret(request))
        text = form.get("threshold", "").strip()[:_TEXT_MAX]
        try:
            amount = parse_amount(text) if text else None
            with writing(self._site.engine) as connection:
                choose_threshold(connection, member.organization.id, amount)
        except (MoneyError, PuyunError) as error:
            if isinstance(error, PuyunError) and error.param != "threshold":
                raise
            return self._page(request, member, Typed(text))
        return _back(member, "threshold")

    async def letters(self, request: Request) -> Response:
        return await run_in_threadpool(self._letters, request, await read_choices(request))

    def _letters(self, request: Request, form: Mapping[str, Sequence[str]]) -> Response:
        member = member_of(self._site, request, Permission.SEE_USAGE)
        csrf.check(request, {name: values[-1] for name, values in form.items()}, session_secret(request))
        ticked = set(form.get("kind", ()))
        wanted = {kind: kind in ticked for kind in visible(member.role)}
        language = form.get("language", [""])[-1]
        with writing(self._site.engine) as connection:
            choose(connection, member.organization.id, member.user.id, wanted)
            if language in set(Language):
                remember_language(connection, member.user.id, language)
        return _back(member, "letters")

    def _page(self, request: Request, member: Member, typed: Typed | None = None) -> Response:
        org, user = member.organization.id, member.user.id
        kinds = visible(member.role)
        with reading(self._site.engine) as connection:
            watch = load_watch(connection, org)
            said = chosen(connection, org, user)
            language = language_of(connection, user) or visitor_of(request).language
            page = _events(connection, request, org, kinds)
        kept = "" if watch.threshold is None else format_amount(watch.threshold)
        more = "" if page.before is None else f"{PATH}{_query(member, before=format_id('evt', page.before))}#happened"
        context: dict[str, object] = {
            "member": member,
            "path": PATH,
            "kinds": [(kind, mailed(kind, member.role, said.get(kind))) for kind in kinds],
            "letters_language": language,
            "letters_a_day": LETTERS_A_DAY,
            "mail": self._mail,
            "threshold": kept if typed is None else typed.text,
            "refused": typed is not None,
            "events": page.rows,
            "older": more,
            "first": "before" not in request.query_params,
            "said": _said(request),
        }
        return self._site.render(request, "settings-notifications.html", context, status=200 if typed is None else 422)


def _events(connection: Connection, request: Request, org: int, kinds: tuple[Kind, ...]) -> EventPage:
    """Anything but a cursor of ours begins at the newest."""
    try:
        before = parse_id("evt", request.query_params.get("before", ""))
    except ValueError:
        before = None
    return page_of_events(
        connection, org, kinds, before=None if before is None else min(before, (1 << 63) - 1), most=SHOWN
    )


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if said in _SAID and request.method == "GET" else ""


def _query(member: Member, **named: str) -> str:
    parts = [f"{name}={value}" for name, value in named.items()]
    parts += [f"org={member.org_id}"] if member.others else []
    return "?" + "&".join(parts)


def _back(member: Member, said: str) -> Response:
    return RedirectResponse(PATH + _query(member, said=said), 303)
