"""The Usage page: tokens by bucket and cost, from the rollups that are written in the same transaction as the charge."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import TIERS
from puyun.identity.access import Permission
from puyun.kit.clock import Instant
from puyun.kit.money import format_amount
from puyun.portal.board import PriceBoard
from puyun.portal.member import Member, member_of
from puyun.portal.pages.home import featured_model
from puyun.portal.pages.start import PATH as START
from puyun.portal.period import PRESETS
from puyun.portal.statement import csv_lines, shown_buckets, total
from puyun.portal.usage.charts import call_chart, cost_chart, named, token_chart
from puyun.portal.usage.choices import Choices, choices_of
from puyun.portal.usage.figures import ServiceRow, compared, service_row, shortened
from puyun.portal.usage.latency import Latency, latency_of
from puyun.portal.usage.query import PATH, UsageQuery, parse_usage
from puyun.portal.usage.workbook import MEDIA_TYPE, to_workbook
from puyun.portal.usage.zones import COOKIE, parse_zone, shifts_of, zones
from puyun.storage.engine import reading
from puyun.storage.identity import list_memberships
from puyun.storage.service.levels import hours_of, levels_of
from puyun.storage.signup.calls import has_called
from puyun.storage.usage import Grouping, Only, UsageRow, cost_by_model, usage_by, usage_totals
from puyun.storage.wallets import load_wallet
from puyun.web.errors import RETRY_AFTER
from puyun.web.formats import decimals
from puyun.web.site import Site

GROUPINGS = (Grouping.MODEL, Grouping.KEY, Grouping.TIER, Grouping.MEMBER, Grouping.DAY, Grouping.HOUR)

SERVICE_DAYS = 31
"""The tallies of a longer period are too many to add up for a page."""

_YEAR = 365 * 24 * 3600


class View(msgspec.Struct, frozen=True):
    """Who asks for what, and the numbers that stand for it in the database."""

    member: Member
    query: UsageQuery
    choices: Choices
    only: Only

    @property
    def tallied(self) -> bool:
        """The tallies know models and tiers, and neither keys nor members."""
        return not (self.query.key or self.query.member) and self.query.period.days <= SERVICE_DAYS


class UsagePage:
    def __init__(self, site: Site, board: PriceBoard) -> None:
        self._site = site
        self._board = board

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/portal", self.start),
            Route("/portal/", self.start),
            Route(PATH, self.page),
            Route(f"{PATH}.csv", self.export),
            Route(f"{PATH}.xlsx", self.workbook),
        ]

    def start(self, request: Request) -> Response:
        """Where the portal begins: with the first call until there is one. An operator without an organization belongs
        to the other face.
        """
        user = self._site.sessions.user(request)
        with reading(self._site.engine) as connection:
            belongs = [organization.id for organization, _ in list_memberships(connection, user.id)]
            called = not belongs or has_called(connection, belongs[0])
        if user.operator and not belongs:
            return RedirectResponse("/admin", 303)
        return RedirectResponse(PATH if called else START, 303)

    def page(self, request: Request) -> Response:
        """Raises what `member_of` raises, and `key_not_found` or `member_not_found` (404), also for somebody else's."""
        member = member_of(self._site, request, Permission.SEE_USAGE)
        try:
            with reading(self._site.engine) as connection:
                view = self._view(request, connection, member)
                response = self._site.render(request, "usage.html", self._context(connection, view))
        except OperationalError:
            return self._away(request, member)
        if request.query_params.get("zone", "") == view.query.zone:
            secure = request.url.scheme == "https"
            response.set_cookie(
                COOKIE, view.query.zone, max_age=_YEAR, path="/", secure=secure, httponly=True, samesite="lax"
            )
        return response

    def _away(self, request: Request, member: Member) -> Response:
        """The figures cannot be read. What was chosen stands in the address, which the page leads to again."""
        chosen = [value for name, value in request.query_params.items() if name not in {"org", "page"} and value]
        response = self._site.render(request, "usage-away.html", {"member": member, "chosen": chosen}, status=503)
        response.headers["retry-after"] = RETRY_AFTER
        return response

    def _view(self, request: Request, connection: Connection, member: Member) -> View:
        groupings = [by for by in GROUPINGS if by is not Grouping.MEMBER or member.may(Permission.MANAGE_MEMBERS)]
        query = parse_usage(
            request.query_params,
            self._site.clock.now(),
            org=member.org,
            zone=parse_zone(request.query_params, request.cookies),
            groupings=groupings,
        )
        choices = choices_of(connection, member.organization.id, query, groupings)
        return View(member, query, choices, choices.only(query))

    def _context(self, connection: Connection, view: View) -> dict[str, object]:
        query, period, org, now = view.query, view.query.period, view.member.organization.id, self._site.clock.now()
        rows = _rows(connection, view)
        summed, over, shifts = total(rows), query.over, shifts_of(period)
        past = usage_totals(connection, org, *period.before(now), only=view.only)
        timed = usage_by(connection, org, over, period.start, period.end, only=view.only, shifts=shifts)
        stacked = cost_by_model(connection, org, over, period.start, period.end, only=view.only, shifts=shifts)
        shown, rest, left_out = shortened(rows, latest=query.by in {Grouping.DAY, Grouping.HOUR})
        wallet = load_wallet(connection, org) if view.member.may(Permission.SEE_BILLING) else None
        return {
            "member": view.member,
            "query": query,
            "period": period,
            "presets": PRESETS,
            "choices": view.choices,
            "tiers": TIERS,
            "zones": list(zones()),
            "rows": shown,
            "rest": rest,
            "left_out": left_out,
            "total": summed,
            "compared": compared(summed, past),
            "places": max(decimals(format_amount(row.charge)) for row in (*rows, summed)),
            "buckets": shown_buckets(summed.usage),
            "cost_chart": cost_chart(stacked, period, over),
            "token_chart": token_chart(timed, period, over),
            "call_chart": call_chart(timed, period, over),
            "latency": self._latency(connection, view, now),
            "levels": self._levels(connection, view, now),
            "wallet": wallet,
            "example_model": featured_model(self._board.current()),
        }

    def _latency(self, connection: Connection, view: View, now: Instant) -> Latency | None:
        query, period = view.query, view.query.period
        if not view.tallied:
            return None
        end = min(period.end, Instant(now + 1))
        org = view.member.organization.id
        hours = hours_of(connection, org, period.start, end, model=query.model, tier=query.tier)
        return latency_of(hours, period, query.over)

    def _levels(self, connection: Connection, view: View, now: Instant) -> list[ServiceRow]:
        query, period = view.query, view.query.period
        if not view.tallied:
            return []
        end = min(period.end, Instant(now + 1))
        found = levels_of(connection, view.member.organization.id, period.start, end)
        return [
            service_row(each)
            for each in found
            if each.level.calls and query.model in {"", each.model} and query.tier in {None, each.tier}
        ]

    def export(self, request: Request) -> Response:
        """The table as CSV, same filter."""
        query, rows = self._exported(request)
        lines = csv_lines(rows, query.by, self._site.brand.currency)
        return StreamingResponse(lines, headers=_headers(query, "csv"), media_type="text/csv; charset=utf-8")

    def workbook(self, request: Request) -> Response:
        """The table as a workbook, same filter."""
        query, rows = self._exported(request)
        body = to_workbook(rows, query.by, self._site.brand.currency)
        return Response(body, headers=_headers(query, "xlsx"), media_type=MEDIA_TYPE)

    def _exported(self, request: Request) -> tuple[UsageQuery, list[UsageRow]]:
        member = member_of(self._site, request, Permission.SEE_USAGE)
        with reading(self._site.engine) as connection:
            view = self._view(request, connection, member)
            return view.query, _rows(connection, view)


def _rows(connection: Connection, view: View) -> list[UsageRow]:
    query, period = view.query, view.query.period
    rows: Sequence[UsageRow] = usage_by(
        connection,
        view.member.organization.id,
        query.by,
        period.start,
        period.end,
        only=view.only,
        shifts=shifts_of(period),
    )
    return named(rows, query.by, period)


def _headers(query: UsageQuery, kind: str) -> dict[str, str]:
    name = f"usage-by-{query.by}-{query.period.first}-{query.period.last}.{kind}"
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}
