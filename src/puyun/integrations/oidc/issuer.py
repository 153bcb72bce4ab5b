"""One issuer: where its endpoints are, its keys, the way to it and back."""

import base64
import hashlib
import logging
from collections.abc import Callable
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Meta

from puyun.config import Issuer
from puyun.integrations.oidc.fetching import Fetching, UnreachableError
from puyun.integrations.oidc.token import (
    TOKEN_MAX,
    Expected,
    NotVouchedError,
    UnknownKeyError,
    Vouched,
    contact,
    read_id_token,
)
from puyun.kit.clock import HOUR, MINUTE, SECOND, Clock, Instant

ENDPOINTS_FOR = HOUR
KEYS_FOR = 10 * MINUTE
"""As long a key that the issuer has withdrawn may still be believed."""
KEYS_PAUSE = 10 * SECOND
"""Between two looks for keys that a token names and nobody knows: strangers make up such tokens."""

Address = Annotated[str, Meta(min_length=1, max_length=1000)]

log = logging.getLogger("puyun.oidc")

T = TypeVar("T")


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """What discovery says (OpenID Connect Discovery 3), as far as it is used."""

    issuer: Address
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    id_token: Annotated[str, Meta(max_length=TOKEN_MAX)]
    access_token: Annotated[str, Meta(max_length=TOKEN_MAX)] = ""


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in: three secrets of one browser, and where it comes back to."""

    state: str
    nonce: str
    verifier: str
    back: str


class IssuerClient:
    """`secret` gives the client's secret, empty for none, each time anew: it may be renewed."""

    def __init__(self, issuer: Issuer, fetching: Fetching, clock: Clock, secret: Callable[[], str]) -> None:
        self.issuer = issuer
        self._fetching = fetching
        self._clock = clock
        self._secret = secret
        self._endpoints: tuple[Endpoints, Instant] | None = None
        self._keys: tuple[KeySet, Instant] | None = None

    async def way(self, journey: Journey) -> str:
        """The address that the browser is led to. Raises UnreachableError."""
        endpoints = await self._found()
        asked = {
            "response_type": "code",
            "client_id": self.issuer.client_id,
            "redirect_uri": journey.back,
            "scope": self.issuer.scopes,
            "state": journey.state,
            "nonce": journey.nonce,
            "code_challenge": _challenge(journey.verifier),
            "code_challenge_method": "S256",
        }
        mark = "&" if "?" in endpoints.authorization_endpoint else "?"
        return f"{endpoints.authorization_endpoint}{mark}{urlencode(asked)}"

    async def vouched(self, code: str, journey: Journey) -> Vouched:
        """Whom the code stands for. Raises UnreachableError or NotVouchedError."""
        endpoints = await self._found()
        tokens = await self._exchanged(endpoints, code, journey)
        expected = Expected(issuer=self.issuer.issuer, client_id=self.issuer.client_id, nonce=journey.nonce)
        now = self._clock.now()
        try:
            found = read_id_token(tokens.id_token, await self._known_keys(endpoints, KEYS_FOR), expected, now)
        except UnknownKeyError:
            found = read_id_token(tokens.id_token, await self._known_keys(endpoints, KEYS_PAUSE), expected, now)
        if found.contact.email or not (endpoints.userinfo_endpoint and tokens.access_token):
            return found
        return await self._with_address(found, endpoints.userinfo_endpoint, tokens.access_token)

    async def _found(self) -> Endpoints:
        now = self._clock.now()
        if self._endpoints is None or now - self._endpoints[1] >= ENDPOINTS_FOR:
            address = self.issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._read(address, Endpoints)
            if found.issuer != self.issuer.issuer:
                raise UnreachableError(f"{address} speaks for {found.issuer!r}, not for {self.issuer.issuer!r}")
            self._endpoints = found, now
        return self._endpoints[0]

    async def _known_keys(self, endpoints: Endpoints, age: int) -> KeySet:
        """Those that were read at most so long ago."""
        now = self._clock.now()
        if self._keys is None or now - self._keys[1] >= age:
            published = await self._read(endpoints.jwks_uri, dict[str, object])
            try:
                keys = KeySet.import_key_set(published)  # pyright: ignore[reportArgumentType] - it checks what is inside
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise UnreachableError(f"{endpoints.jwks_uri}: no keys: {error}") from error
            self._keys = keys, now
        return self._keys[0]

    async def _exchanged(self, endpoints: Endpoints, code: str, journey: Journey) -> Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": journey.back,
            "client_id": self.issuer.client_id,
            "code_verifier": journey.verifier,
        }
        headers: dict[str, str] = {}
        secret = self._secret()
        if secret and "client_secret_basic" in endpoints.token_endpoint_auth_methods_supported:
            pair = f"{quote(self.issuer.client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749 2.3.1
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        elif secret:
            form["client_secret"] = secret
        status, body = await self._fetching.ask(endpoints.token_endpoint, form=form, headers=headers)
        if status != 200:
            raise NotVouchedError(f"{endpoints.token_endpoint} answers {status}: {body[:200]!r}")
        return _parsed(body, Tokens, endpoints.token_endpoint)

    async def _with_address(self, found: Vouched, address: str, token: str) -> Vouched:
        """Some issuers keep the address out of the token. What is said of another subject is not believed."""
        headers = {"authorization": f"Bearer {token}"}
        status, body = await self._fetching.ask(address, headers=headers)
        if status != 200:
            log.warning("oidc_no_address", extra={"issuer": self.issuer.name, "status": status})
            return found
        claims = _parsed(body, dict[str, object], address)
        if claims.get("sub") != found.subject:
            raise NotVouchedError(f"{address} speaks of another subject")
        return msgspec.structs.replace(found, contact=contact(claims))

    async def _read(self, address: str, kind: type[T]) -> T:
        status, body = await self._fetching.ask(address)
        if status != 200:
            raise UnreachableError(f"{address} answers {status}")
        return _parsed(body, kind, address)


def _parsed(body: bytes, kind: type[T], address: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise UnreachableError(f"{address}: {error}") from error


def _challenge(verifier: str) -> str:
    """RFC 7636 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
