"""Every page of the area."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from puyun.config import Signup
from puyun.integrations.oidc.issuer import IssuerClient
from puyun.portal.entry.identities import IdentityPages
from puyun.portal.entry.issuers import IssuerPages
from puyun.portal.entry.journey import Tickets
from puyun.portal.entry.newcomer import Newcomers
from puyun.portal.entry.reset import ResetPages
from puyun.portal.entry.verify import VerifyPages
from puyun.portal.hashing import Hashing
from puyun.portal.letters.entry import Letters
from puyun.portal.security.challenge import Challenges
from puyun.portal.security.code import CodePage
from puyun.portal.security.desk import Desk
from puyun.system.vault import Vault
from puyun.web.site import Site


def entry_routes(
    site: Site,
    hashing: Hashing,
    code: CodePage,
    letters: Letters,
    *,
    clients: Sequence[IssuerClient],
    terms: Signup,
    vault: Vault,
) -> list[BaseRoute]:
    """`clients`: the issuers that are asked; the pages themselves only need what these are called."""
    tickets = Tickets(site.engine, Challenges(vault))
    desk = Desk(site, hashing)
    return [
        *ResetPages(site, hashing, code, letters, terms).routes(),
        *VerifyPages(site, letters, terms).routes(),
        *IssuerPages(site, clients, tickets, code, Newcomers(site, terms)).routes(),
        *IdentityPages(desk, [client.issuer for client in clients], tickets).routes(),
    ]
