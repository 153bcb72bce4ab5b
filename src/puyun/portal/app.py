"""Everything that is not the data plane: the public pages and the portal, in one application."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from puyun.arbiter.interface import Arbiter
from puyun.arbiter.rows import Catalogue
from puyun.config import Brand, Mail, Signup, Webhooks
from puyun.kit.clock import Clock
from puyun.portal.board import PriceBoard, PriceSource
from puyun.portal.hashing import Hashing
from puyun.portal.levels import LevelBoard
from puyun.portal.members.join import JoinPage
from puyun.portal.members.page import MembersPage
from puyun.portal.money.billing import BillingPage
from puyun.portal.money.log import CallLog
from puyun.portal.money.receipt import ReceiptPage
from puyun.portal.money.statements import StatementPages
from puyun.portal.pages.home import Home
from puyun.portal.pages.keychange import KeyChanges
from puyun.portal.pages.keys import KeysPage
from puyun.portal.pages.limits import LimitsPage
from puyun.portal.pages.model import ModelPage
from puyun.portal.pages.prices import PriceFeed
from puyun.portal.pages.signin import SignIn
from puyun.portal.pages.signup import SignUp
from puyun.portal.pages.start import StartPage
from puyun.portal.pages.status import StatusPage
from puyun.portal.pages.usage import UsagePage
from puyun.portal.playground.page import Playground
from puyun.portal.security.code import CodePage
from puyun.portal.security.routes import security_routes
from puyun.portal.settings.data import DataPage
from puyun.portal.settings.notifications import NotificationsPage
from puyun.portal.settings.profile import ProfilePage
from puyun.portal.shop.changefeed import ChangeFeed
from puyun.portal.shop.compare import ComparePage
from puyun.portal.tokens.pages import TokensPage
from puyun.portal.webhooks.pages import WebhookPages
from puyun.storage.reports.signatures import Signer
from puyun.storage.webhooks.webhooks import Keeper
from puyun.system.entropy import webhook_entropy
from puyun.system.vault import Vault
from puyun.web.app import Face, create_app
from puyun.web.site import Site


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class PageDeps:
    """What the pages need. `prices` and `catalogue` give the snapshot that the data plane works from at this moment;
    `signer` signs receipts as the API does; `vault` seals what the database must not give away; `stopping` turns true
    when the server wants to go, and ends the open streams.
    """

    engine: Engine
    clock: Clock
    brand: Brand
    prices: Callable[[], PriceSource]
    catalogue: Callable[[], Catalogue]
    arbiter: Arbiter
    signer: Signer
    vault: Vault
    signup: Signup = field(default_factory=Signup)
    mail: Mail = field(default_factory=Mail)
    webhooks: Webhooks = field(default_factory=Webhooks)
    stopping: Callable[[], bool] = _never


def create_pages(deps: PageDeps, *others: Face) -> ASGIApp:
    """The public pages and the portal, and what `others` add to them, as one application."""
    site = Site(deps.engine, deps.clock, deps.brand, ("puyun.portal", *(face.package for face in others)))
    return create_app(site, [*_routes(site, deps), *(route for face in others for route in face.routes(site))])


def _routes(site: Site, deps: PageDeps) -> list[BaseRoute]:
    board = PriceBoard(deps.prices, deps.clock)
    levels = LevelBoard(deps.engine, deps.clock)
    hashing = Hashing()
    code = CodePage(site, deps.vault)
    keeper = Keeper(deps.vault, webhook_entropy, deps.webhooks.allow_private)
    return [
        *Home(site, board, levels, signup=deps.signup.open).routes(),
        *ModelPage(site, board).routes(),
        *ComparePage(site, board).routes(),
        *ChangeFeed(site, board).routes(),
        *PriceFeed(board, deps.clock, deps.brand.currency, deps.stopping).routes(),
        *StatusPage(site, board, levels).routes(),
        *SignIn(site, hashing, code, signup=deps.signup.open).routes(),
        *SignUp(site, hashing, deps.signup).routes(),
        *StartPage(site, board, deps.catalogue, deps.stopping).routes(),
        *UsagePage(site, board).routes(),
        *KeysPage(site).routes(),
        *KeyChanges(site, deps.catalogue).routes(),
        *Playground(site, deps.catalogue).routes(),
        *LimitsPage(site, deps.catalogue, deps.arbiter, deps.stopping).routes(),
        *CallLog(site, board).routes(),
        *ReceiptPage(site, deps.signer).routes(),
        *StatementPages(site).routes(),
        *ProfilePage(site).routes(),
        *DataPage(site, hashing).routes(),
        *BillingPage(site, deps.stopping).routes(),
        *code.routes(),
        *security_routes(site, hashing, deps.vault),
        *TokensPage(site).routes(),
        *MembersPage(site, deps.mail).routes(),
        *NotificationsPage(site, mail=bool(deps.mail.host)).routes(),
        *WebhookPages(site, keeper).routes(),
        *JoinPage(site, hashing).routes(),
    ]
