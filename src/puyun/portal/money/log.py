"""The page of receipts: every call of an organization, newest first, filtered, and one found by its id."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.catalog.model import TIERS
from puyun.identity.access import Permission
from puyun.identity.model import ApiKey
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_request_id
from puyun.kit.money import format_amount
from puyun.portal.board import PriceBoard
from puyun.portal.member import Member, member_of
from puyun.portal.money.logquery import PATH, STATUSES, TEXT_MAX, LogQuery, parse_log
from puyun.portal.pages.home import featured_model
from puyun.storage.engine import reading
from puyun.storage.identity import list_keys
from puyun.storage.receipts import load_receipt
from puyun.storage.reports.calls import call_page, called_models, has_calls
from puyun.web.formats import decimals
from puyun.web.site import Site

KEYS_MAX = 200
"""Keys to choose from, the newest; any other one can be named in the address."""

MODEL_DAYS = 30
"""The models to choose from are those of so many days."""


class CallLog:
    def __init__(self, site: Site, board: PriceBoard) -> None:
        self._site = site
        self._board = board

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.page)]

    def page(self, request: Request) -> Response:
        """Raises what `member_of` raises, and `key_not_found` (404), also for somebody else's."""
        member = member_of(self._site, request, Permission.SEE_USAGE)
        query = parse_log(request.query_params, org=member.org)
        asked = request.query_params.get("id", "").strip()[:TEXT_MAX]
        if asked and self._known(member, asked):
            return RedirectResponse(query.receipt(asked), 303)
        org, end = member.organization.id, query.end or self._site.clock.now()
        with reading(self._site.engine) as connection:
            keys = list_keys(connection, org)
            key = _chosen(keys, query, member)
            found = call_page(connection, org, query.wanted(key))
            models = called_models(connection, org, Instant(end - MODEL_DAYS * DAY), Instant(end))
            ever = bool(found.rows) or has_calls(connection, org)
        context: dict[str, object] = {
            "member": member,
            "query": query,
            "asked": asked,
            "found": found,
            "ever": ever,
            "models": models if not query.model or query.model in models else [query.model, *models],
            "keys": _shown(keys, key),
            "key_names": {each.id: each.name or f"{each.prefix}…" for each in keys},
            "tiers": TIERS,
            "statuses": STATUSES,
            "places": max((decimals(format_amount(row.charge)) for row in found.rows), default=2),
            "example_model": featured_model(self._board.current()),
        }
        return self._site.render(request, "receipts.html", context, status=404 if asked else 200)

    def _known(self, member: Member, asked: str) -> bool:
        try:
            org, call = parse_request_id(asked)
        except ValueError:
            return False
        with reading(self._site.engine) as connection:
            return org == member.organization.id and load_receipt(connection, org, call) is not None


def _chosen(keys: list[ApiKey], query: LogQuery, member: Member) -> int | None:
    if not query.key:
        return None
    found = next((key.id for key in keys if format_id("key", key.id) == query.key), None)
    if found is None:
        raise PuyunError("key_not_found", 404, f"{member.organization.name} has no such key.")
    return found


def _shown(keys: list[ApiKey], chosen: int | None) -> list[ApiKey]:
    listed = keys[-KEYS_MAX:]
    return [*(key for key in keys[:-KEYS_MAX] if key.id == chosen), *listed]
