"""What the pages under Settings, Security share: who looks, the form that is posted, the password that is asked again."""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from puyun.identity.access import Permission
from puyun.identity.model import User
from puyun.kit.clock import SECOND, Instant
from puyun.portal.hashing import Hashing
from puyun.portal.member import Member, NoOrganizationError, member_of
from puyun.portal.tries import TooManyFailuresError, by_address, by_email, count_try
from puyun.storage.engine import reading, writing
from puyun.storage.identity import password_hash
from puyun.storage.sessions import forgive, uncount_attempt
from puyun.system.passwords import verify_password
from puyun.web import csrf
from puyun.web.forms import read_form
from puyun.web.session import session_secret
from puyun.web.site import Site

PATH = "/portal/settings/security"


class Owner(msgspec.Struct, frozen=True):
    """Whose security it is. `member`: none for somebody without an organization, such as an operator."""

    user: User
    member: Member | None

    def href(self, page: str = "", *, done: str = "") -> str:
        """The address of a page here. `done`: what the overview is to say of it."""
        chosen = [f"org={self.member.org_id}"] if self.member is not None and self.member.others else []
        query = "&".join([*chosen, *([f"done={done}"] if done else [])])
        return PATH + (f"/{page}" if page else "") + (f"?{query}" if query else "")


class Refused(msgspec.Struct, frozen=True):
    """Why a form comes back: a code that its page has words for, and until when to wait."""

    code: str
    status: int = 422
    until: Instant | None = None


class Desk:
    """Every page of the area asks it; it keeps nothing."""

    def __init__(self, site: Site, hashing: Hashing) -> None:
        self.site = site
        self._hashing = hashing

    def owner(self, request: Request) -> Owner:
        """Raises SignInNeededError, and `organization_not_found` (404) where the address names a foreign one."""
        user = self.site.sessions.user(request)
        try:
            return Owner(user, member_of(self.site, request, Permission.SEE_USAGE))
        except NoOrganizationError:
            return Owner(user, None)

    async def posted(self, request: Request, act: Callable[[Request, Owner, dict[str, str]], Response]) -> Response:
        """What `act` makes of the form, in a turn for hashing. Raises `forged_form` (403) and what `owner` raises."""
        form = await read_form(request)

        def work() -> Response:
            owner = self.owner(request)
            csrf.check(request, form, session_secret(request))
            return act(request, owner, form)

        return await self._hashing.run(work)

    def refusal(self, request: Request, owner: Owner, password: str) -> Refused | None:
        """None where this is the user's password. Tries count as those of a sign-in do."""
        now = self.site.clock.now()
        email, address = by_email(owner.user.email), by_address(request.client.host if request.client else "")
        try:
            count_try(self.site.engine, now, email, address)
        except TooManyFailuresError as error:
            return Refused("wait", 429, error.until)
        with reading(self.site.engine) as connection:
            stored = password_hash(connection, owner.user.id)
        if not verify_password(stored, password):
            return Refused("wrong_password")
        with writing(self.site.engine) as connection:
            forgive(connection, email[0])
            uncount_attempt(connection, address[0], now)
        return None

    def page(
        self,
        request: Request,
        owner: Owner,
        template: str,
        context: dict[str, object] | None = None,
        refused: Refused | None = None,
    ) -> Response:
        """A page of the area; nobody keeps it, since some hold secrets and all hold tokens."""
        common: dict[str, object] = {"member": owner.member, "owner": owner, "refused": refused}
        status = 200 if refused is None else refused.status
        response = self.site.render(request, f"security/{template}", common | (context or {}), status=status)
        response.headers["cache-control"] = "no-store"
        if refused is not None and refused.until is not None:
            response.headers["retry-after"] = wait_of(refused.until, self.site.clock.now())
        return response


def wait_of(until: Instant, now: Instant) -> str:
    """Whole seconds, rounded up."""
    return str(max(1, -(-(until - now) // SECOND)))


def to(address: str) -> Response:
    """On to a page after a form was done."""
    response = RedirectResponse(address, 303)
    response.headers["cache-control"] = "no-store"
    return response
