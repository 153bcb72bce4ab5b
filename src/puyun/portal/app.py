"""Everything that is not the data plane: the public pages and the portal, in one application."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from puyun.arbiter.interface import Arbiter
from puyun.arbiter.rows import Catalogue
from puyun.config import Brand, Mail, Signup, Webhooks
from puyun.integrations.oidc.issuer import IssuerClient
from puyun.kit.clock import Clock
from puyun.portal.board import PriceBoard, PriceSource
from puyun.portal.docs.page import DocsPage
from puyun.portal.entry.routes import entry_routes
from puyun.portal.hashing import Hashing
from puyun.portal.letters.entry import Letters
from puyun.portal.levels import LevelBoard
from puyun.portal.members.budget import MemberBudgetPage
from puyun.portal.members.join import JoinPage
from puyun.portal.members.page import MembersPage
from puyun.portal.money.autotopup import AutoTopUpPage
from puyun.portal.money.billing import BillingPage
from puyun.portal.money.details import DetailsPage
from puyun.portal.money.invoices import InvoicePages
from puyun.portal.money.log import CallLog
from puyun.portal.money.receipt import ReceiptPage
from puyun.portal.money.redeem import RedeemPage
from puyun.portal.money.statements import StatementPages
from puyun.portal.pages.home import Home
from puyun.portal.pages.keychange import KeyChanges
from puyun.portal.pages.keys import KeysPage
from puyun.portal.pages.limits import LimitsPage
from puyun.portal.pages.model import ModelPage
from puyun.portal.pages.prices import PriceFeed
from puyun.portal.pages.signin import SignIn
from puyun.portal.pages.signup import SignUp, Terms
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
from puyun.portal.wishes.page import WishesPage
from puyun.pricing.papers.parties import Seller
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
    `signer` signs receipts as the API does; `issuers` vouch for people who sign in by them; `vault` seals what the database must not give away; `stopping` turns true
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
    issuers: tuple[IssuerClient, ...] = ()
    seller: Seller = field(default_factory=Seller)
    webhooks: Webhooks = field(default_factory=Webhooks)
    stopping: Callable[[], bool] = _never


def create_pages(deps: PageDeps, *others: Face) -> ASGIApp:
    """The public pages and the portal, and what `others` add to them, as one application."""
    faces = ("puyun.portal", *(face.package for face in others))
    site = Site(deps.engine, deps.clock, deps.brand, faces, verify=bool(deps.mail.host) and deps.signup.verify)
    return create_app(site, [*_routes(site, deps), *(route for face in others for route in face.routes(site))])


def _routes(site: Site, deps: PageDeps) -> list[BaseRoute]:
    board = PriceBoard(deps.prices, deps.clock)
    levels = LevelBoard(deps.engine, deps.clock)
    hashing = Hashing()
    code = CodePage(site, deps.vault)
    letters = Letters(site, deps.mail)
    issuers = tuple(client.issuer for client in deps.issuers)
    keeper = Keeper(deps.vault, webhook_entropy, deps.webhooks.allow_private)
    return [
        *Home(site, board, levels, signup=deps.signup.open).routes(),
        *ModelPage(site, board).routes(),
        *ComparePage(site, board).routes(),
        *ChangeFeed(site, board).routes(),
        *PriceFeed(board, deps.clock, deps.brand.currency, deps.stopping).routes(),
        *StatusPage(site, board, levels).routes(),
        *SignIn(site, hashing, code, issuers, signup=deps.signup.open, reset=letters.go_out).routes(),
        *SignUp(site, hashing, code, letters, Terms(deps.signup, issuers)).routes(),
        *DocsPage(site, board, deps.catalogue).routes(),
        *StartPage(site, board, deps.catalogue, deps.stopping).routes(),
        *UsagePage(site, board).routes(),
        *KeysPage(site).routes(),
        *KeyChanges(site, deps.catalogue).routes(),
        *Playground(site, deps.catalogue).routes(),
        *LimitsPage(site, deps.catalogue, deps.arbiter, deps.stopping).routes(),
        *WishesPage(site, deps.catalogue, deps.mail).routes(),
        *CallLog(site, board).routes(),
        *ReceiptPage(site, deps.signer).routes(),
        *StatementPages(site, deps.seller).routes(),
        *ProfilePage(site).routes(),
        *DataPage(site, hashing).routes(),
        *BillingPage(site, deps.stopping, deps.seller).routes(),
        *InvoicePages(site, deps.seller).routes(),
        *DetailsPage(site, deps.seller).routes(),
        *AutoTopUpPage(site).routes(),
        *RedeemPage(site).routes(),
        *code.routes(),
        *security_routes(site, hashing, deps.vault, letters, issuers),
        *TokensPage(site).routes(),
        *MembersPage(site, deps.mail).routes(),
        *JoinPage(site, hashing, deps.mail, deps.signup).routes(),
        *entry_routes(site, hashing, code, letters, clients=deps.issuers, terms=deps.signup, vault=deps.vault),
        *MemberBudgetPage(site).routes(),
        *NotificationsPage(site, mail=bool(deps.mail.host)).routes(),
        *WebhookPages(site, keeper).routes(),
    ]
