"""The Keys page: an organization's keys, what each may do, when it was last used and what it cost this month."""

import functools

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.kit.clock import DAY, to_datetime
from puyun.portal.keys.listing import PATH, address, ago, may_change, number_of, parse_query
from puyun.portal.member import member_of
from puyun.portal.period import preset
from puyun.storage import schema
from puyun.storage.engine import reading
from puyun.storage.identity import read_keys
from puyun.storage.keys.listing import LOOK_BACK, page_of_keys
from puyun.web.site import Site


class KeysPage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.page)]

    def page(self, request: Request) -> Response:
        member = member_of(self._site, request, Permission.SEE_USAGE)
        now = self._site.clock.now()
        query = parse_query(request.query_params, org=member.org)
        month = preset("month", to_datetime(now).date()).start
        with reading(self._site.engine) as connection:
            found = page_of_keys(connection, member.organization.id, query.wanted, since=month, now=now)
            number = number_of(request.query_params.get("key", ""))
            mine = (schema.api_key.c.org == member.organization.id) & (schema.api_key.c.id == number)
            about = read_keys(connection, mine) if number is not None else []
        context: dict[str, object] = {
            "member": member,
            "query": query,
            "page": found,
            "revoked": next((key for key in about if key.revoked_at is not None), None),
            "repeated": "repeated" in request.query_params,
            "address": functools.partial(address, member),
            "may_create": member.may(Permission.MANAGE_OWN_KEYS),
            "may_change": functools.partial(may_change, member),
            "ago": functools.partial(ago, now=now),
            "look_back": LOOK_BACK // DAY,
        }
        return self._site.render(request, "keys.html", context)
