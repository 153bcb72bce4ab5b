"""The way of one browser to an issuer and back: bound to its cookie, short, and gone once."""

import base64
import binascii
import hashlib
import hmac
from enum import StrEnum

import msgspec
from sqlalchemy import Engine

from puyun.integrations.oidc.issuer import Journey
from puyun.kit.clock import SECOND, Instant
from puyun.portal.security.challenge import LASTS, Challenges
from puyun.storage.engine import writing

SECONDS = LASTS // SECOND
_BACK_MAX = 1000


class Aim(StrEnum):
    """What it is for."""

    IN = "in"
    """Signing in as whom the issuer is connected with."""
    UP = "up"
    """Signing up, for whom nobody knows."""
    CONNECT = "connect"
    """Connecting the issuer with the user who is signed in."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """`issuer`: its name; `user`: who connects, else 0; `back`: a path of this site to go on to."""

    issuer: str
    aim: Aim
    back: str
    user: int = 0

    @property
    def purpose(self) -> str:
        return f"oidc {self.issuer} {self.aim} {self.user} {self.back}"


class Tickets:
    """Nothing of a journey is stored: the cookie carries it, signed by us, and makes its three secrets."""

    def __init__(self, engine: Engine, challenges: Challenges) -> None:
        self._engine = engine
        self._challenges = challenges

    def sell(self, ticket: Ticket, now: Instant) -> str:
        """The value of the cookie."""
        back = ticket.back if len(ticket.back) <= _BACK_MAX else "/portal"
        ticket = msgspec.structs.replace(ticket, back=back)
        challenge = self._challenges.new(ticket.purpose, now)
        return ".".join((_text(challenge), ticket.aim, str(ticket.user), _text(back.encode())))

    def read(self, cookie: str, issuer: str, now: Instant) -> Ticket | None:
        """None where it is not ours, for another issuer, or too old."""
        parts = _parts(cookie, issuer)
        if parts is None or not self._challenges.ours(parts[0], parts[1].purpose, now):
            return None
        return parts[1]

    def use(self, cookie: str, issuer: str, now: Instant) -> bool:
        """Of one that `read` gave: it is gone now. False where it was gone before."""
        parts = _parts(cookie, issuer)
        if parts is None:
            return False
        with writing(self._engine) as connection:
            return self._challenges.use(connection, parts[0], now)


def journey_of(cookie: str, back: str) -> Journey:
    """`back`: where the issuer sends the browser to. Each secret comes from the cookie, and tells nothing about it."""
    return Journey(
        state=_derived(cookie, b"state"),
        nonce=_derived(cookie, b"nonce"),
        verifier=_derived(cookie, b"verifier"),
        back=back,
    )


def same_state(cookie: str, state: str) -> bool:
    return hmac.compare_digest(_derived(cookie, b"state").encode(), state.encode("utf-8", "surrogatepass"))


def _parts(cookie: str, issuer: str) -> tuple[bytes, Ticket] | None:
    try:
        challenge, aim, user, back = cookie.split(".")
        ticket = Ticket(issuer=issuer, aim=Aim(aim), user=int(user), back=_bytes(back).decode())
        return _bytes(challenge), ticket
    except (ValueError, binascii.Error):  # a UnicodeError is a ValueError
        return None


def _derived(cookie: str, use: bytes) -> str:
    return _text(hmac.new(cookie.encode("utf-8", "surrogatepass"), use, hashlib.sha256).digest())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
