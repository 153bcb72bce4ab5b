"""Invoices under Billing: the list, each as PDF, and asking for one."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.errors import PuyunError
from puyun.portal.member import member_of, posting_member
from puyun.portal.money.details import PATH as DETAILS
from puyun.pricing.papers.invoice import Series, read
from puyun.pricing.papers.parties import Seller
from puyun.storage.engine import reading, writing
from puyun.storage.papers.issuing import Basis, find_paper, issue, page_of_papers
from puyun.web.forms import read_form
from puyun.web.papers.invoice import invoice_pdf
from puyun.web.papers.pdf import MEDIA_TYPE
from puyun.web.site import Site, visitor_of

PATH = "/portal/billing/invoices"

_DIGITS = 18


class InvoicePages:
    def __init__(self, site: Site, seller: Seller) -> None:
        self._site = site
        self._seller = seller

    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self.page, methods=["GET"]),
            Route(PATH, self.issue, methods=["POST"]),
            Route(f"{PATH}/{{number}}.pdf", self.pdf, methods=["GET"]),
        ]

    def page(self, request: Request) -> Response:
        member = member_of(self._site, request, Permission.SEE_BILLING)
        before = _number(request.query_params.get("before", ""))
        with reading(self._site.engine) as connection:
            papers, after = page_of_papers(connection, member.organization.id, before)
        context: dict[str, object] = {
            "member": member,
            "invoices": [read(paper.content) for paper in papers],
            "after": after,
            "first": before is None,
            "issues": self._seller.issues,
            "path": PATH,
            "details": DETAILS,
        }
        return self._site.render(request, "invoices.html", context)

    async def issue(self, request: Request) -> Response:
        return await run_in_threadpool(self._issue, request, await read_form(request))

    def _issue(self, request: Request, form: dict[str, str]) -> Response:
        """Leads to the PDF, or to the billing details where there are none yet."""
        member = posting_member(self._site, request, form, Permission.TOP_UP)
        number = _number(form.get("number", ""))
        if form.get("series") not in set(Series) or number is None:
            raise PuyunError("bad_form", 400, "This is not a form as our page sends it.")
        basis, now = Basis(Series(form["series"]), number), self._site.clock.now()
        try:
            with writing(self._site.engine) as connection:
                by = member.user_id
                made = issue(connection, member.organization.id, basis, self._seller, by=by, now=now)
        except PuyunError as error:
            if error.code != "billing_details_missing":
                raise
            return RedirectResponse(member.href(DETAILS, needed="1"), 303)
        return RedirectResponse(f"{PATH}/{made.name}.pdf{member.query}", 303)

    def pdf(self, request: Request) -> Response:
        """Raises `invoice_not_found` (404), also for somebody else's."""
        member = member_of(self._site, request, Permission.SEE_BILLING)
        with reading(self._site.engine) as connection:
            paper = find_paper(connection, member.organization.id, request.path_params["number"])
        body = invoice_pdf(paper.content, visitor_of(request).language)
        headers = {
            "content-disposition": f'inline; filename="invoice-{paper.name}.pdf"',
            "cache-control": "private, no-store",
        }
        return Response(body, headers=headers, media_type=MEDIA_TYPE)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
