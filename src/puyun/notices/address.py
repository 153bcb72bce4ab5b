"""Where a webhook may go (N6): its URL taken apart, and whether an address may be connected to."""

from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import msgspec

from puyun.kit.errors import PuyunError

URL_MAX = 1_000

_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""A translator turns the last 32 bits of these into an IPv4 address."""


class Place(msgspec.Struct, frozen=True):
    """Where to connect, and what to ask for. `authority`: for the Host header."""

    tls: bool
    host: str
    port: int
    authority: str
    path: str


def parse_url(text: str, *, private: bool) -> Place:
    """Raises PuyunError `invalid_url` or `url_not_public` (400). `private`: the operator allows http and private places."""
    if not 0 < len(text) <= URL_MAX or not text.isascii() or not text.isprintable() or " " in text:
        raise _invalid(f"A URL has at most {URL_MAX} characters, all of them printable ASCII.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _invalid("This is no URL.") from None
    if parts.scheme not in ({"http", "https"} if private else {"https"}):
        raise _invalid("A webhook has an address that begins with https://.")
    if not host or "@" in parts.netloc or parts.fragment or port == 0:
        raise _invalid("A URL names a host, and neither a user nor a fragment.")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = Place(tls, host, port or (443 if tls else 80), parts.netloc, path)
    if not private and not _may_be_public(host):
        raise PuyunError("url_not_public", 400, "This address is not public. Webhooks go to public ones.", param="url")
    return place


def allowed(address: str, *, private: bool) -> bool:
    """Whether an address that a name led to may be connected to. Anything else than an address is not."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if found.is_multicast or found.is_unspecified:
        return False
    return private or _public(address)


def _public(address: str) -> bool:
    """What is written inside another form counts: ::ffff:127.0.0.1, 2002:7f00:1::, 64:ff9b::7f00:1."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.scope_id is not None or any(found in network for network in _NAT64):
            return False
        inner = found.ipv4_mapped
        if inner is not None:
            return _public(str(inner))
        if found.sixtofour is not None or found.teredo is not None:
            return False
        if int(found) >> 32 == 0:  # ::a.b.c.d, which nobody may use any more
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _may_be_public(host: str) -> bool:
    """By its looks alone; a name is looked up at each delivery."""
    if host.rstrip(".").lower() in {"localhost", "local"} or host.rstrip(".").lower().endswith(
        (".localhost", ".local")
    ):
        return False
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.rstrip(".").rpartition(".")[2].isdecimal()  # 127.1 and 2130706433 are addresses
    return _public(host)


def _invalid(text: str) -> PuyunError:
    return PuyunError("invalid_url", 400, text, param="url")
