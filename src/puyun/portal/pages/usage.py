"""The Usage page: tokens by bucket and cost, from the rollups that are written in the same transaction as the charge."""

import functools
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.money import format_amount
from puyun.portal.board import PriceBoard
from puyun.portal.member import Member, member_of
from puyun.portal.pages.home import featured_model
from puyun.portal.pages.start import PATH as START
from puyun.portal.period import PRESETS, Period, parse_period
from puyun.portal.statement import columns, shown_buckets, to_csv, total
from puyun.storage.engine import reading
from puyun.storage.identity import list_memberships
from puyun.storage.signup.calls import has_called
from puyun.storage.usage import Grouping, usage_by
from puyun.storage.wallets import load_wallet
from puyun.web.formats import decimals
from puyun.web.site import Site

GROUPINGS = (Grouping.MODEL, Grouping.KEY, Grouping.TIER, Grouping.DAY)
PATH = "/portal/usage"


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
        member = member_of(self._site, request, Permission.SEE_USAGE)
        now = self._site.clock.now()
        period, by = parse_period(request.query_params, now), _grouping(request)
        org = member.organization.id
        over_time = Grouping.HOUR if period.days == 1 else Grouping.DAY
        with reading(self._site.engine) as connection:
            rows = usage_by(connection, org, by, period.start, period.end)
            timed = usage_by(connection, org, over_time, period.start, period.end)
            wallet = load_wallet(connection, org)
        summed = total(rows)
        context: dict[str, object] = {
            "member": member,
            "period": period,
            "presets": PRESETS,
            "by": by,
            "groupings": GROUPINGS,
            "rows": rows,
            "total": summed,
            "places": max(decimals(format_amount(row.charge)) for row in (*rows, summed)),
            "buckets": shown_buckets(summed.usage),
            "columns": columns(timed, period),
            "wallet": wallet if member.may(Permission.SEE_BILLING) else None,
            "address": functools.partial(_address, member, period, by),
            "example_model": featured_model(self._board.current()),
        }
        return self._site.render(request, "usage.html", context)

    def export(self, request: Request) -> Response:
        """The table as CSV, same filter."""
        member = member_of(self._site, request, Permission.SEE_USAGE)
        period, by = parse_period(request.query_params, self._site.clock.now()), _grouping(request)
        with reading(self._site.engine) as connection:
            rows = usage_by(connection, member.organization.id, by, period.start, period.end)
        name = f"usage-by-{by}-{period.first}-{period.last}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}
        body = to_csv(rows, by, self._site.brand.currency)
        return Response(body, headers=headers, media_type="text/csv")


def _grouping(request: Request) -> Grouping:
    by = request.query_params.get("by", "")
    return Grouping(by) if by in GROUPINGS else Grouping.MODEL


def _address(member: Member, period: Period, by: Grouping, /, *, page: str = PATH, **changes: str) -> str:
    """This view with something changed; a view can be shared, so all that it shows stands in its address."""
    parts = {"org": member.org_id if member.others else "", **period.parameters(), "by": str(by), **changes}
    if "period" in changes:
        parts = {name: value for name, value in parts.items() if name not in {"from", "to"}}
    return f"{page}?{urlencode({name: value for name, value in parts.items() if value})}"
