"""Every page of the area."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from puyun.config import Issuer
from puyun.portal.hashing import Hashing
from puyun.portal.letters.entry import Letters
from puyun.portal.security.challenge import Challenges
from puyun.portal.security.desk import Desk
from puyun.portal.security.overview import Overview
from puyun.portal.security.passkeys import PasskeyPages
from puyun.portal.security.passkeysignin import PasskeySignIn
from puyun.portal.security.password import PasswordPage
from puyun.portal.security.second import SecondStepPages
from puyun.system.vault import Vault
from puyun.web.site import Site


def security_routes(
    site: Site, hashing: Hashing, vault: Vault, letters: Letters, issuers: Sequence[Issuer]
) -> list[BaseRoute]:
    """`hashing`: the turns that sign-in and sign-up take too; `vault` keeps secrets; `letters` tell of changes;
    `issuers` may be connected.
    """
    desk = Desk(site, hashing)
    challenges = Challenges(vault)
    return [
        *Overview(desk, issuers).routes(),
        *PasswordPage(desk, letters).routes(),
        *SecondStepPages(desk, vault).routes(),
        *PasskeyPages(desk, challenges).routes(),
        *PasskeySignIn(site, challenges).routes(),
    ]
