"""Signing in with a passkey: the device has checked its owner, so that neither password nor code is asked."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.identity.model import User
from puyun.portal.security.ceremony import challenge_of, place_of, read_sign_in, signed_in, to_sign_in
from puyun.portal.security.challenge import Challenges
from puyun.portal.security.desk import Refused, to, wait_of
from puyun.portal.tries import TooManyFailuresError, by_address, count_try
from puyun.storage.engine import reading, writing
from puyun.storage.security.passkeys import find_passkey, use_passkey
from puyun.storage.sessions import uncount_attempt
from puyun.web import csrf
from puyun.web.forms import local_path, read_form
from puyun.web.session import form_secret, new_form_secret, remember_form, remember_session
from puyun.web.site import Site

PATH = "/login/passkey"
HOME = "/portal"


class PasskeySignIn:
    """The page is of its own, since whoever signs in by password needs no script."""

    def __init__(self, site: Site, challenges: Challenges) -> None:
        self._site = site
        self._challenges = challenges

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.show, methods=["GET"]), Route(PATH, self.submit, methods=["POST"])]

    def show(self, request: Request) -> Response:
        return self._page(request, local_path(request.query_params.get("next", ""), HOME), None)

    async def submit(self, request: Request) -> Response:
        return await run_in_threadpool(self._submit, request, await read_form(request))

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        csrf.check(request, form, form_secret(request))
        back = local_path(form.get("next", ""), HOME)
        now = self._site.clock.now()
        address = by_address(request.client.host if request.client else "")
        try:
            count_try(self._site.engine, now, address)
        except TooManyFailuresError as error:
            return self._page(request, back, Refused("wait", 429, error.until))
        user = self._user(request, form.get("answer", ""))
        if user is None:
            return self._page(request, back, Refused("passkey_unknown", 401))
        with writing(self._site.engine) as connection:
            uncount_attempt(connection, address[0], now)
        response = to(back)
        remember_session(request, response, self._site.sessions.open(request, user.id))
        return response

    def _user(self, request: Request, text: str) -> User | None:
        """Whose passkey has signed the challenge of this browser's page, for the first time."""
        now = self._site.clock.now()
        answer = read_sign_in(text)
        challenge = b"" if answer is None else challenge_of(answer)
        if answer is None or not self._challenges.ours(challenge, _purpose(form_secret(request)), now):
            return None
        with reading(self._site.engine) as connection:
            passkey = find_passkey(connection, answer.raw_id)
        signs = None if passkey is None else signed_in(answer, passkey, challenge, place_of(request))
        if passkey is None or signs is None:
            return None
        with writing(self._site.engine) as connection:
            if not self._challenges.use(connection, challenge, now):
                return None
            return passkey.user if use_passkey(connection, passkey.id, signs, now) else None

    def _page(self, request: Request, back: str, refused: Refused | None) -> Response:
        secret = form_secret(request) or new_form_secret()
        now = self._site.clock.now()
        challenge = self._challenges.new(_purpose(secret), now)
        context: dict[str, object] = {"next": back, "refused": refused}
        context["options"] = to_sign_in(place_of(request), challenge)
        status = 200 if refused is None else refused.status
        response = self._site.render(request, "security/passkey-sign-in.html", context, status=status, form=secret)
        response.headers["cache-control"] = "no-store"
        if refused is not None and refused.until is not None:
            response.headers["retry-after"] = wait_of(refused.until, now)
        remember_form(request, response, secret)
        return response


def _purpose(form: str) -> str:
    return f"sign in {form}"
