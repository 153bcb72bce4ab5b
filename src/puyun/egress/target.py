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

    candidate: Candidate
    echo: bool
    host: str
    port: int
    tls: bool
    path: str
    head: bytes
    secrets: tuple[str, ...]

    @property
    def origin(self) -> tuple[str, int, bool]:
        return (self.host, self.port, self.tls)

    @property
    def id(self) -> int:
        return self.candidate.id

    def at(self, candidate: Candidate) -> "Target":
        """The same place for another deployment."""
        return msgspec.structs.replace(self, candidate=candidate)


def target_of(candidate: Candidate) -> Target:
    """Raises Secretless."""
    provider = candidate.provider
    if provider.dialect is Dialect.ECHO:
        return Target(candidate, True, "", 0, False, "", b"", ())
    url = urlsplit(provider.base_url)
    tls = url.scheme == "https"
    secret = read_secret(provider.api_key)
    host = url.hostname or ""
    authority = url.netloc.rpartition("@")[2]
    head = f"host: {authority}\r\nuser-agent: puyun\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
    if secret:
        head += f"authorization: Bearer {secret}\r\n"
    port = url.port or (443 if tls else 80)
    return Target(candidate, False, host, port, tls, url.path.rstrip("/"), head.encode("latin-1"), (secret, authority))


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
