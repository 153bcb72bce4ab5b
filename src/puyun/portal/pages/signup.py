"""Signing up: a stranger becomes the owner of a new organization, where the operator lets strangers in."""

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from puyun.config import Issuer, Signup
from puyun.identity.model import User
from puyun.identity.rules import NAME_MAX, clean_email, clean_name
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.portal.hashing import Hashing
from puyun.portal.letters.entry import Letters
from puyun.portal.pages.signin import HOME
from puyun.portal.pages.start import PATH as START
from puyun.portal.security.code import CodePage
from puyun.portal.tries import TooManyFailuresError, by_email, count_try, signups_by_address
from puyun.storage.engine import reading, writing
from puyun.storage.identity import find_user, password_hash
from puyun.storage.sessions import forgive
from puyun.storage.signup.founding import Founder, found
from puyun.system.entropy import organization_id
from puyun.system.passwords import MAXIMUM, MINIMUM, hash_password, verify_password
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.language import Language
from puyun.web.session import SignInNeededError, form_secret, new_form_secret, remember_form
from puyun.web.site import Site, visitor_of

PATH = "/signup"


class Wish(msgspec.Struct, frozen=True):
    """What somebody typed; `wrong` names the fields that cannot be meant."""

    email: str = ""
    organization: str = ""
    password: str = ""
    wrong: frozenset[str] = frozenset()


class Terms(msgspec.Struct, frozen=True):
    """Whether it is open, what a new organization gets, and who else brings new people."""

    signup: Signup
    issuers: tuple[Issuer, ...] = ()


class SignUp:
    """`code`: whom a password lets in; `letters`: where one asks for a verified address."""

    def __init__(self, site: Site, hashing: Hashing, code: CodePage, letters: Letters, terms: Terms) -> None:
        self._site = site
        self._hashing = hashing
        self._code = code
        self._letters = letters
        self._terms = terms.signup
        self._issuers = [issuer for issuer in terms.issuers if issuer.allow_signup]

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.show, methods=["GET"]), Route(PATH, self.submit, methods=["POST"])]

    def show(self, request: Request) -> Response:
        if self._signed_in(request):
            return RedirectResponse(HOME, 303)
        return self._form(request, Wish(), status=200 if self._terms.open else 403)

    async def submit(self, request: Request) -> Response:
        form = await read_form(request)
        return await self._hashing.run(self._submit, request, form)

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        if not self._terms.open:
            return self._form(request, Wish(), status=403)
        csrf.check(request, form, form_secret(request))
        if self._signed_in(request):
            return RedirectResponse(START, 303)
        wish = read_wish(form)
        if wish.wrong:
            return self._form(request, wish, status=400)
        try:
            user = self._admit(request, wish)
        except TooManyFailuresError as error:
            return self._form(request, wish, until=error.until, status=429, headers=error.headers)
        except PuyunError as error:
            if error.code != "signups_full":
                raise
            return self._form(request, wish, why="full", status=error.status, headers=error.headers)
        if user is None:
            return self._form(request, wish, why="refused", status=409)
        return self._code.welcome(request, user.id, START)

    def _admit(self, request: Request, wish: Wish) -> User | None:
        """The owner of the new organization; None where it cannot be, and nothing says why. Raises
        TooManyFailuresError, and `signups_full`.

        Somebody who is known already, with their own password, is let in: so the second of two posts of one form goes
        where the first does. One hash is worked out either way, so the time does not tell who is known.
        """
        now, tries = self._site.clock.now(), by_email(wish.email)
        address = request.client.host if request.client else ""
        count_try(self._site.engine, now, tries, signups_by_address(address))
        user, new = self._known(wish), None
        if user is None:
            founder = Founder(
                email=wish.email,
                password_hash=hash_password(wish.password),
                name=wish.organization,
                org=organization_id(),
            )
            new = self._found(founder, visitor_of(request).language, now)
            user = new or self._known(wish)  # of two posts at once, the other was quicker
        if user is None or not (new or verify_password(self._stored(user), wish.password)):
            return None
        with writing(self._site.engine) as connection:
            forgive(connection, tries[0])
        return user

    def _found(self, founder: Founder, language: Language, now: Instant) -> User | None:
        """None where the address or the name was taken."""
        verify, currency = self._site.verify, self._site.brand.currency
        try:
            with writing(self._site.engine) as connection:
                user = found(connection, founder, self._terms, verify=verify, currency=currency, now=now)
                if verify:
                    self._letters.verify(connection, user, language, now)
                return user
        except PuyunError as error:
            if error.code not in {"user_exists", "organization_exists"}:
                raise
        return None

    def _known(self, wish: Wish) -> User | None:
        with reading(self._site.engine) as connection:
            return find_user(connection, wish.email)

    def _stored(self, user: User) -> str:
        with reading(self._site.engine) as connection:
            return password_hash(connection, user.id)

    def _signed_in(self, request: Request) -> bool:
        try:
            self._site.sessions.user(request)
        except SignInNeededError:
            return False
        return True

    def _form(  # the answers to a sign-up are one page
        self,
        request: Request,
        wish: Wish,
        *,
        why: str = "",
        until: Instant | None = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        secret = form_secret(request) or new_form_secret()
        context: dict[str, object] = {
            "open": self._terms.open,
            "credit": self._terms.given_credit,
            "credit_days": self._terms.credit_days,
            "issuers": self._issuers,
            "wish": wish,
            "why": why,
            "until": until,
            "name_max": NAME_MAX,
            "password_min": MINIMUM,
            "password_max": MAXIMUM,
        }
        response = self._site.render(request, "signup.html", context, status=status, form=secret)
        response.headers.update(headers or {})
        remember_form(request, response, secret)
        return response


def read_wish(form: dict[str, str]) -> Wish:
    """The fields as they will be stored. What is wrong comes back as it was typed."""
    wrong: set[str] = set()
    kept: dict[str, str] = {}
    for field, clean in (("email", clean_email), ("organization", clean_name)):
        kept[field] = form.get(field, "")[:1000]
        try:
            kept[field] = clean(kept[field])
        except PuyunError:
            wrong.add(field)
    password = form.get("password", "")
    if not MINIMUM <= len(password) <= MAXIMUM:
        wrong.add("password")
    return Wish(kept["email"], kept["organization"], password, frozenset(wrong))
