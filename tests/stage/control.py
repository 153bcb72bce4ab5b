"""The control API over the pages' database, and the tokens that open it."""

from starlette.types import ASGIApp

from puyun.config import Brand
from puyun.control.access import ControlDeps
from puyun.control.app import control_face
from puyun.identity.model import Organization, User
from puyun.identity.tokens import Scope, TokenSpec
from puyun.kit.clock import DAY, Instant
from puyun.portal.board import PriceBoard
from puyun.storage.control.tokens import IssuedToken, issue_token
from puyun.storage.engine import writing
from puyun.storage.webhooks.webhooks import Keeper
from puyun.system.entropy import token_entropy, webhook_entropy
from puyun.web.app import create_app
from puyun.web.site import Site as Shared
from stage.pages import Site


def serve_control(pages: Site) -> ASGIApp:
    """The API and its reference, as they stand in the application of pages."""
    face = control_face(
        ControlDeps(
            engine=pages.engine,
            clock=pages.clock,
            currency="USD",
            offers=PriceBoard(lambda: pages.prices, pages.clock).current,
            catalogue=pages.catalogue,
            arbiter=pages.arbiter,
            signer=pages.signer,
            seller=pages.seller,
            keeper=Keeper(pages.vault, webhook_entropy, private=False),
        )
    )
    site = Shared(pages.engine, pages.clock, Brand(), ("puyun.portal", face.package))
    return create_app(site, face.routes(site))


def token(pages: Site, organization: Organization, user: User, *scopes: Scope, days: int = 30) -> IssuedToken:
    """With these scopes, or with every one."""
    now = pages.clock.now()
    spec = TokenSpec(name="ci", scopes=scopes or tuple(Scope), expires_at=Instant(now + days * DAY))
    with writing(pages.engine) as connection:
        return issue_token(connection, organization.id, user.id, spec, entropy=token_entropy, now=now)
