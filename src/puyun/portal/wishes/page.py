"""`/portal/limits/requests`: a form for a higher limit, and what was asked for before."""

from collections.abc import Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.arbiter.rows import Asker, Catalogue, offered
from puyun.config import Mail
from puyun.identity.access import Permission
from puyun.kit.errors import PuyunError
from puyun.portal.keys.form import Fault, Faults
from puyun.portal.limitlist import PATH as LIMITS, usual_tier
from puyun.portal.member import Member, member_of
from puyun.portal.tries import TooManyFailuresError, Tried, count_try
from puyun.portal.wishes import form as wishform
from puyun.portal.wishes.form import METRICS, WHY_MAX, Filled
from puyun.storage.engine import reading, writing
from puyun.storage.identity import list_keys
from puyun.storage.limits.wishes import Wanted, Wish, add_wish, wishes_of
from puyun.storage.mail.post import Letter, post
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.language import Language
from puyun.web.session import session_secret
from puyun.web.site import Site

PATH = f"{LIMITS}/requests"

SHOWN_MAX = 100

_FREE = 30
"""Requests of one organization in one go; each may be a letter to the operator."""

_SUBJECT_MAX = 200


class WishesPage:
    """`mail`: whether letters go out, and to whom."""

    def __init__(self, site: Site, catalogue: Callable[[], Catalogue], mail: Mail) -> None:
        self._site = site
        self._catalogue = catalogue
        self._mail = mail

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.page, methods=["GET"]), Route(PATH, self.submit, methods=["POST"])]

    def page(self, request: Request) -> Response:
        member = member_of(self._site, request, Permission.SEE_USAGE)
        with reading(self._site.engine) as connection:
            usual = usual_tier(member.organization.tiers, list_keys(connection, member.organization.id))
        return self._page(request, member, wishform.read(request.query_params, usual), {})

    async def submit(self, request: Request) -> Response:
        return await run_in_threadpool(self._submit, request, await read_form(request))

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        member = member_of(self._site, request, Permission.MANAGE_OWN_KEYS)
        csrf.check(request, form, session_secret(request))
        tiers = member.organization.tiers
        filled = wishform.read(form, tiers[0])
        wanted = wishform.parse(filled, tiers, self._models(member))
        if not isinstance(wanted, Wanted):
            return self._page(request, member, filled, wanted, status=422)
        try:
            self._ask(member, wanted)
        except TooManyFailuresError as error:
            return self._page(request, member, filled, {"": Fault(error.code)}, status=429)
        except PuyunError as error:
            if error.code not in {"limit_asked", "too_many_wishes"}:
                raise
            return self._page(request, member, filled, {"": Fault(error.code)}, status=409)
        return RedirectResponse(member.href(PATH, asked="1"), 303)

    def _ask(self, member: Member, wanted: Wanted) -> None:
        """One transaction with the letter. Raises TooManyFailuresError and what `add_wish` raises."""
        org, now = member.organization.id, self._site.clock.now()
        tried: Tried = (f"limit requests {org}", _FREE)
        count_try(self._site.engine, now, tried)
        with writing(self._site.engine) as connection:
            made = add_wish(connection, org, member.user.id, wanted, now)
            if self._mail.host and self._mail.operator:
                post(connection, self._letter(made), now)

    def _letter(self, wish: Wish) -> Letter:
        text = self._site.text("letters/limit-request.txt", Language.ENGLISH, {"wish": wish})
        subject, _, body = text.partition("\n")
        return Letter(
            recipient=self._mail.operator,
            subject=subject[:_SUBJECT_MAX],
            body=body.lstrip("\n"),
            language=Language.ENGLISH.tag,
        )

    def _models(self, member: Member) -> list[str]:
        """Those that are sold at any tier the organization has, by name."""
        catalogue, now = self._catalogue(), self._site.clock.now()
        tiers = member.organization.tiers
        sold = [each for tier in tiers for each in offered(catalogue, Asker(member.organization.id, tier), now)]
        return sorted({each.model.name for each in sold})

    def _page(self, request: Request, member: Member, filled: Filled, faults: Faults, *, status: int = 200) -> Response:
        with reading(self._site.engine) as connection:
            wishes = wishes_of(connection, member.organization.id, SHOWN_MAX)
        models = self._models(member)
        context: dict[str, object] = {
            "member": member,
            "filled": filled if filled.model in models else msgspec.structs.replace(filled, model=""),
            "faults": faults,
            "wishes": wishes,
            "models": models,
            "metrics": METRICS,
            "why_max": WHY_MAX,
            "asked": "asked" in request.query_params,
            "address": PATH + member.query,
            "may_ask": member.may(Permission.MANAGE_OWN_KEYS),
        }
        return self._site.render(request, "limit-requests.html", context, status=status)
