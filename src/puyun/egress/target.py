"""Where a deployment is: its address taken apart, its secret read, its request head prepared. Worked out once."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from puyun.catalog.model import Dialect
from puyun.catalog.snapshot import Candidate


class Secretless(Exception):  # noqa: N818 - not a fault of the code: the operator has not set the secret yet
    """The provider's api_key names an environment variable or file that is not there."""


class Target(msgspec.Struct, frozen=True):
    """`origin` is what pooled connections are shared by; `secrets` are what must never reach a customer."""

    id: int
    candidate: Candidate
    echo: bool
    host: str
    port: int
    tls: bool
    path: str
    head: bytes
    secrets: tuple[str, ...]
    origin: tuple[str, int, bool]

    def at(self, candidate: Candidate) -> "Target":
        """The same place for another deployment."""
        return msgspec.structs.replace(self, id=candidate.id, candidate=candidate)


def target_of(candidate: Candidate) -> Target:
    """Where the catalogue says that a deployment is. Raises Secretless."""
    provider = candidate.provider
    if provider.dialect is Dialect.ECHO:
        return Target(candidate.id, candidate, True, "", 0, False, "", b"", (), ("", 0, False))
    return target_at(candidate, provider.base_url, read_secret(provider.api_key))


def target_at(candidate: Candidate, base_url: str, secret: str) -> Target:
    """A deployment at an address, spoken to with this secret (empty for none)."""
    url = urlsplit(base_url)
    tls = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if tls else 80)
    authority = url.netloc.rpartition("@")[2]
    head = f"host: {authority}\r\nuser-agent: puyun\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
    if secret:
        head += f"authorization: Bearer {secret}\r\n"
    return Target(
        id=candidate.id,
        candidate=candidate,
        echo=False,
        host=host,
        port=port,
        tls=tls,
        path=url.path.rstrip("/"),
        head=head.encode("latin-1"),
        secrets=(secret, authority),
        origin=(host, port, tls),
    )


def read_secret(reference: str) -> str:
    """`env:NAME` or `file:PATH` -> the secret; empty for none. Raises Secretless."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(place, "")
    elif kind == "file":
        path = Path(place)
        secret = path.read_text("utf-8").strip() if path.is_file() else ""
    else:
        return ""
    if not secret or not secret.isascii() or not secret.isprintable():
        raise Secretless(f"{reference} holds no secret")
    return secret
