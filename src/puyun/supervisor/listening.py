"""One port for several processes.

Each worker listens on a socket of its own (SO_REUSEPORT), and the kernel spreads connections over them by their
addresses: of 64 connections in one burst two workers got 28 and 36. On one socket that they share, whoever wakes first
took up to all 64. The parent holds the address without listening: it reserves the port while a worker is down, and
fails where another program listens already.
"""

import socket
from collections.abc import Sequence

Address = tuple[socket.AddressFamily, tuple[str | int, ...]]

BACKLOG = 2048


def reserve(host: str, port: int) -> list[socket.socket]:
    """A bound socket for each address of the host, all with the same port; 0 takes a free one. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    reserved: list[socket.socket] = []
    try:
        for family, _, _, _, (name, _, *rest) in dict.fromkeys(found):
            reserved.append(_bound(family, (name, port, *rest), shared=False))
            port = port or reserved[0].getsockname()[1]
    except BaseException:
        release(reserved)
        raise
    return reserved


def open_shared(reserved: Sequence[socket.socket]) -> list[socket.socket]:
    """This process's own sockets on reserved addresses, not yet listening. Raises OSError."""
    return [_bound(place.family, place.getsockname(), shared=True) for place in reserved]


def listen_locally(path: str) -> socket.socket:
    """A socket in the file system that listens already, so that whoever connects waits for the one that will accept.

    Raises OSError.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(path)
    made.listen(BACKLOG)
    return made


def release(sockets: Sequence[socket.socket]) -> None:
    for place in sockets:
        place.close()


def _bound(family: int, address: tuple[str | int, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made
