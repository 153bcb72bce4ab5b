"""The statement of a month, as `puyun statement` makes it: to read, and as PDF, CSV and JSON."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.clock import Instant, to_datetime
from puyun.kit.errors import PuyunError
from puyun.kit.money import PICO_PER_NANO
from puyun.portal.member import Member, member_of
from puyun.pricing.papers.parties import Seller
from puyun.pricing.statement import Month, Statement, digest, months_before, parse_month, render, to_csv
from puyun.storage.engine import reading
from puyun.storage.identity import list_keys
from puyun.storage.reports.statements import CLOSED_MAX, load_closed, load_statement
from puyun.web.papers.pdf import MEDIA_TYPE
from puyun.web.papers.statement import issue_of, statement_pdf
from puyun.web.site import Site, visitor_of

PATH = "/portal/billing/statements"


class StatementPages:
    def __init__(self, site: Site, seller: Seller) -> None:
        self._site = site
        self._seller = seller

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PATH}/{{month}}.csv", self.csv),
            Route(f"{PATH}/{{month}}.json", self.json),
            Route(f"{PATH}/{{month}}.pdf", self.pdf),
            Route(f"{PATH}/{{month}}", self.page),
        ]

    def page(self, request: Request) -> Response:
        """Raises what `member_of` raises, and `statement_not_found` (404)."""
        member, made = self._load(request)
        with reading(self._site.engine) as connection:
            closed = load_closed(connection, member.organization.id, made.month)
            keys = list_keys(connection, member.organization.id)
        sums = digest(made)
        context: dict[str, object] = {
            "member": member,
            "statement": made,
            "closed": closed,
            "sha256": sums,
            "changed": closed is not None and closed.sha256 != sums,
            "over": self._site.clock.now() >= made.month.end,
            "favour": sum(offer.exact for offer in made.offers) - made.charge * PICO_PER_NANO,
            "key_names": {key.id: key.name or f"{key.prefix}…" for key in keys},
            "org": member.query,
        }
        return self._site.render(request, "statement.html", context)

    def csv(self, request: Request) -> Response:
        _, made = self._load(request)
        return _file(to_csv(made).encode(), f"statement-{made.month.name}.csv", "text/csv")

    def json(self, request: Request) -> Response:
        """The canonical document, whose hash is kept when the month is closed."""
        _, made = self._load(request)
        return _file(render(made), f"statement-{made.month.name}.json", "application/json")

    def pdf(self, request: Request) -> Response:
        """In the language of the reader. Raises `too_long_for_paper` (409) too."""
        member, made = self._load(request)
        with reading(self._site.engine) as connection:
            issue = issue_of(connection, member.organization, made.month, (self._site.brand, self._seller))
        body = statement_pdf(made, issue, visitor_of(request).language)
        return _file(body, f"statement-{made.month.name}.pdf", MEDIA_TYPE)

    def _load(self, request: Request) -> tuple[Member, Statement]:
        member = member_of(self._site, request, Permission.SEE_BILLING)
        month = _month(request.path_params["month"])
        if month is None or month.start > self._site.clock.now():
            raise PuyunError("statement_not_found", 404, "There is no statement of this month.")
        with reading(self._site.engine) as connection:
            return member, load_statement(connection, member.organization.id, month)


def months_since(since: Instant, now: Instant) -> list[Month]:
    """The months that have statements, newest first, this one included; at most CLOSED_MAX."""
    past = [month for month in months_before(now, CLOSED_MAX - 1) if month.end > since]
    return [parse_month(f"{to_datetime(now):%Y-%m}"), *reversed(past)]


def _month(text: str) -> Month | None:
    try:
        return parse_month(text)
    except ValueError:
        return None


def _file(body: bytes, name: str, media_type: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}
    return Response(body, headers=headers, media_type=media_type)
