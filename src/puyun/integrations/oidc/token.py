"""What an ID token has to be before it says anything: signed by the issuer, for us, for this sign-in, and still good.

Signatures and claims are joserfc's to check; here stands what is expected of them (OpenID Connect Core 3.1.3.7).
"""

from collections.abc import Mapping

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from puyun.kit.clock import SECOND, Instant

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Those with a public key. One with a shared secret, or none, would let whoever knows the public key sign."""

TOKEN_MAX = 16 * 1024
LEEWAY_SECONDS = 60
"""How far an issuer's clock may be from ours."""

SUBJECT_MAX = 255
EMAIL_MAX = 254


class NotVouchedError(Exception):
    """The token says nothing. The text is for the operator, not for people on a page."""


class UnknownKeyError(NotVouchedError):
    """It names a key that the issuer did not have when it was asked; perhaps it has it now."""


class Contact(msgspec.Struct, frozen=True):
    """`email`: as the issuer has it, or empty; `verified`: whether it says that it is theirs."""

    email: str
    verified: bool


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the issuer vouches for."""

    issuer: str
    subject: str
    contact: Contact


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Of one sign-in."""

    issuer: str
    client_id: str
    nonce: str


def read_id_token(token: str, keys: KeySet, expected: Expected, now: Instant) -> Vouched:
    """Raises NotVouchedError, and of these UnknownKeyError where newer keys might help."""
    if len(token) > TOKEN_MAX:
        raise NotVouchedError("the ID token is too long")
    try:
        claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
        _registry(claims, expected, now).validate(claims)
    except InvalidKeyIdError as error:
        raise UnknownKeyError(str(error)) from error
    except (JoseError, ValueError, TypeError) as error:
        raise NotVouchedError(f"the ID token is refused: {error}") from error
    subject = claims["sub"]
    if not 0 < len(subject) <= SUBJECT_MAX:
        raise NotVouchedError(f"the subject has {len(subject)} characters")
    return Vouched(issuer=expected.issuer, subject=subject, contact=contact(claims))


def contact(claims: Mapping[str, object]) -> Contact:
    """The address among claims; some issuers write the truth as text."""
    email, verified = claims.get("email"), claims.get("email_verified")
    fits = isinstance(email, str) and len(email) <= EMAIL_MAX and email.isprintable()
    return Contact(str(email) if fits else "", verified is True or verified == "true")


def _registry(claims: Mapping[str, object], expected: Expected, now: Instant) -> JWTClaimsRegistry:
    audience = claims.get("aud")
    shared = isinstance(audience, list) and audience != [expected.client_id]
    return JWTClaimsRegistry(
        now=now // SECOND,
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": expected.issuer},
        sub={"essential": True},
        aud={"essential": True, "value": expected.client_id},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "values": [expected.nonce]},
        azp={"essential": shared, "value": expected.client_id},
    )
