"""Billing details: who an organization is on the invoices to come."""

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.portal.member import Member, member_of, name_of, posting_member
from puyun.pricing.papers.parties import ADDRESS_LINES, Buyer, Seller, parse_buyer
from puyun.storage.engine import reading, writing
from puyun.storage.papers.details import load_details, save_details
from puyun.web.forms import read_form
from puyun.web.site import Site

PATH = "/portal/billing/details"

_TEXT_MAX = 2_000


class DetailsPage:
    def __init__(self, site: Site, seller: Seller) -> None:
        self._site = site
        self._seller = seller

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.show, methods=["GET"]), Route(PATH, self.save, methods=["POST"])]

    def show(self, request: Request) -> Response:
        return self._page(request, member_of(self._site, request, Permission.TOP_UP))

    async def save(self, request: Request) -> Response:
        return await run_in_threadpool(self._save, request, await read_form(request))

    def _save(self, request: Request, form: dict[str, str]) -> Response:
        member = posting_member(self._site, request, form, Permission.TOP_UP)
        typed = {field: form.get(field, "")[:_TEXT_MAX] for field in Buyer.__struct_fields__}
        parsed = parse_buyer(typed)
        if not isinstance(parsed, Buyer):
            return self._page(request, member, typed=typed, faults=list(parsed))
        with writing(self._site.engine) as connection:
            save_details(connection, member.organization.id, parsed, by=member.user_id, now=self._site.clock.now())
        return RedirectResponse(member.href(PATH, said="saved"), 303)

    def _page(
        self,
        request: Request,
        member: Member,
        *,
        typed: Mapping[str, str] | None = None,
        faults: list[str] | None = None,
    ) -> Response:
        with reading(self._site.engine) as connection:
            kept = load_details(connection, member.organization.id)
            who = "" if kept is None else name_of(connection, member, kept.changed_by)
        filled: Mapping[str, str] = {"name": member.organization.name}
        if kept is not None:
            filled = {field: str(getattr(kept.buyer, field)) for field in Buyer.__struct_fields__}
        context: dict[str, object] = {
            "member": member,
            "kept": kept,
            "who": who,
            "filled": filled if typed is None else typed,
            "faults": faults or [],
            "saved": request.query_params.get("said") == "saved" and request.method == "GET",
            "needed": "needed" in request.query_params and kept is None,
            "issues": self._seller.issues,
            "address_lines": ADDRESS_LINES,
            "path": PATH,
        }
        return self._site.render(request, "billing-details.html", context, status=400 if faults else 200)
