"""Redeeming a code in the portal: what was printed on a card or mailed becomes credit, once."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.errors import PuyunError
from puyun.portal.member import Member, member_of, posting_member
from puyun.portal.tries import TooManyFailuresError, codes_by_address, codes_by_user, count_try
from puyun.storage.engine import writing
from puyun.storage.money.codes import use_code
from puyun.storage.sessions import uncount_attempt
from puyun.web.forms import read_form
from puyun.web.site import Site

PATH = "/portal/billing/redeem"

_CODE_MAX = 60
_REFUSALS = frozenset({"code_not_found", "code_used", "code_expired", "currency_differs", "too_many_failures"})
"""What the form itself shows; others are a page of their own."""


class RedeemPage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.show, methods=["GET"]), Route(PATH, self.submit, methods=["POST"])]

    def show(self, request: Request) -> Response:
        return self._page(request, member_of(self._site, request, Permission.TOP_UP))

    async def submit(self, request: Request) -> Response:
        return await run_in_threadpool(self._submit, request, await read_form(request))

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        member = posting_member(self._site, request, form, Permission.TOP_UP)
        code, address = form.get("code", "").strip(), request.client.host if request.client else ""
        try:
            self._credit(member, code, address)
        except PuyunError as error:
            if error.code not in _REFUSALS:
                raise
            return self._page(request, member, code[:_CODE_MAX], error)
        return RedirectResponse(member.href("/portal/billing", said="redeemed"), 303)

    def _credit(self, member: Member, code: str, address: str) -> None:
        """The try is counted before it is made, so that nobody guesses codes; one that credits does not count.

        Raises PuyunError, one of `_REFUSALS`.
        """
        if not 0 < len(code) <= _CODE_MAX:
            raise PuyunError("code_not_found", 422, "This is no code.")
        now, tried = self._site.clock.now(), (codes_by_user(member.user.id), codes_by_address(address))
        count_try(self._site.engine, now, *tried)
        with writing(self._site.engine) as connection:
            use_code(connection, member.organization.id, code, by=member.user_id, now=now)
            for subject, _ in tried:
                uncount_attempt(connection, subject, now)

    def _page(self, request: Request, member: Member, code: str = "", fault: PuyunError | None = None) -> Response:
        context: dict[str, object] = {
            "member": member,
            "code": code,
            "fault": fault.code if fault else "",
            "until": fault.until if isinstance(fault, TooManyFailuresError) else None,
            "path": PATH,
        }
        response = self._site.render(request, "redeem.html", context, status=fault.status if fault else 200)
        response.headers.update(fault.headers if fault else {})
        return response
