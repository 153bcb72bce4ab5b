"""Whom an issuer vouches for and nobody knows: the owner of a new organization, where the issuer may bring such people."""

from puyun.config import Issuer, Signup
from puyun.identity.model import User
from puyun.identity.rules import NAME_MAX, clean_email
from puyun.integrations.oidc.token import Vouched
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.portal.tries import count_try, signups_by_address
from puyun.storage.engine import writing
from puyun.storage.identity import find_organization, find_user
from puyun.storage.security.acts import Kind, record
from puyun.storage.security.identities import connect, find_identity
from puyun.storage.signup.founding import Founder, found
from puyun.system.entropy import organization_id
from puyun.web.site import Site


class Newcomers:
    """`terms`: what a new organization gets."""

    def __init__(self, site: Site, terms: Signup) -> None:
        self._site = site
        self._terms = terms

    def admit(self, issuer: Issuer, vouched: Vouched, *, visitor: str) -> User:
        """The owner of a new organization, called after the address until they give it a name. `visitor`: the network
        address that they come from.

        An address that has a user is never enough to be let in as that user: whoever was there first has to connect the
        issuer. Raises PuyunError `signup_closed`, `email_not_vouched` (403), `user_exists` (409), `too_many_failures` or
        `signups_full` (429).
        """
        if not issuer.allow_signup:
            raise PuyunError("signup_closed", 403, "This issuer brings no new people here.")
        if not vouched.contact.verified:
            raise PuyunError("email_not_vouched", 403, "The issuer does not say whose address this is.")
        try:
            email = clean_email(vouched.contact.email)
        except PuyunError as error:
            raise PuyunError("email_not_vouched", 403, "The issuer does not say whose address this is.") from error
        now = self._site.clock.now()
        count_try(self._site.engine, now, signups_by_address(visitor))
        return self._found(issuer, vouched, email, now)

    def _found(self, issuer: Issuer, vouched: Vouched, email: str, now: Instant) -> User:
        currency = self._site.brand.currency
        with writing(self._site.engine) as connection:
            known = find_identity(connection, vouched.issuer, vouched.subject)
            if known is not None:  # of two at once, the other was quicker
                return known.user
            if find_user(connection, email) is not None:
                raise PuyunError("user_exists", 409, f"There is a user with the address {email} already.")
            org, name = organization_id(), email[:NAME_MAX]
            if find_organization(connection, name) is not None:
                name = f"{email[: NAME_MAX - 20]} {org}"
            founder = Founder(email=email, password_hash="", name=name, org=org, verified=True)
            user = found(connection, founder, self._terms, verify=self._site.verify, currency=currency, now=now)
            connect(connection, user.id, vouched.issuer, vouched.subject, email=email, now=now)
            record(connection, Kind.IDENTITY_CONNECTED, at=now, actor=user.id, user=user.id, detail=issuer.title)
        return user
