"""The operator's face, to be served beside the portal."""

from collections.abc import Callable

from starlette.routing import BaseRoute

from puyun.admin.overview import Overview
from puyun.storage.snapshots import Snapshot
from puyun.web.app import Face
from puyun.web.site import Site


def admin_face(snapshot: Callable[[], Snapshot]) -> Face:
    """`snapshot` gives what the data plane sells at this moment."""

    def routes(site: Site) -> list[BaseRoute]:
        return [*Overview(site, snapshot).routes()]

    return Face("puyun.admin", routes)
