"""Every page of the area."""

from starlette.routing import BaseRoute

from puyun.portal.hashing import Hashing
from puyun.portal.security.desk import Desk
from puyun.portal.security.overview import Overview
from puyun.portal.security.password import PasswordPage
from puyun.web.site import Site


def security_routes(site: Site, hashing: Hashing) -> list[BaseRoute]:
    """`hashing`: the turns that sign-in and sign-up take too."""
    desk = Desk(site, hashing)
    return [*Overview(desk).routes(), *PasswordPage(desk).routes()]
