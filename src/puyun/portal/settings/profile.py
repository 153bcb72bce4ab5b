"""Profile: who one is here, where one belongs, and how the pages look."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.access import Permission
from puyun.portal.member import member_of
from puyun.storage.engine import reading
from puyun.storage.identity import list_memberships
from puyun.web.site import Site

PATH = "/portal/settings"


class ProfilePage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.page, methods=["GET"])]

    def page(self, request: Request) -> Response:
        member = member_of(self._site, request, Permission.SEE_USAGE)
        with reading(self._site.engine) as connection:
            memberships = list_memberships(connection, member.user.id)
        return self._site.render(request, "settings-profile.html", {"member": member, "memberships": memberships})
