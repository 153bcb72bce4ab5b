"""`[[oidc]]`: issuers that vouch for who somebody is (OpenID Connect)."""

from typing import Annotated, cast

import msgspec
from msgspec import Meta

from puyun.catalog.field import FieldError, secret_reference

ISSUERS_MAX = 10


class IssuerError(ValueError):
    """What is wrong; `key` is where, such as `oidc[1].issuer`."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` stands in addresses, `title` on buttons. `client_secret`: `env:NAME` or `file:PATH`; empty for a client
    without one. `allow_signup`: whether people whom nobody knows here become owners of new organizations by it.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,29}$")]
    title: Annotated[str, Meta(min_length=1, max_length=60)]
    issuer: Annotated[str, Meta(pattern="^https?://[^ ?#@]+$", max_length=300)]
    client_id: Annotated[str, Meta(min_length=1, max_length=300)]
    client_secret: Annotated[str, Meta(max_length=300)] = ""
    scopes: Annotated[str, Meta(max_length=300)] = "openid email profile"
    allow_signup: bool = False

    @property
    def tls(self) -> bool:
        return self.issuer.startswith("https://")


def read_issuers(values: object) -> tuple[Issuer, ...]:
    """At most ISSUERS_MAX. Raises IssuerError."""
    if not isinstance(values, list):
        raise IssuerError("oidc", "expected a list of tables, each begun with [[oidc]]")
    if len(cast("list[object]", values)) > ISSUERS_MAX:
        raise IssuerError("oidc", f"expected at most {ISSUERS_MAX}")
    found: list[Issuer] = []
    for number, value in enumerate(cast("list[object]", values), 1):
        issuer = _read(value, f"oidc[{number}]")
        if any(issuer.name == other.name or issuer.issuer == other.issuer for other in found):
            raise IssuerError(f"oidc[{number}]", f"name or issuer of {issuer.name!r} stands here twice")
        found.append(issuer)
    return tuple(found)


def _read(value: object, where: str) -> Issuer:
    try:
        issuer = msgspec.convert(value, Issuer)
    except msgspec.ValidationError as error:  # its text names the field and what was expected, never the value
        raise IssuerError(where, str(error)) from error
    if "openid" not in issuer.scopes.split():
        raise IssuerError(f"{where}.scopes", "expected `openid` among them")
    if issuer.client_secret:
        try:
            secret_reference(issuer.client_secret)
        except FieldError as error:
            raise IssuerError(f"{where}.client_secret", str(error)) from error
    return issuer
