"""How long to wait after failed sign-ins, and after many acts. Pure: the counts lie in the database and are shared by all processes."""

from ipaddress import IPv6Address, ip_address

from puyun.kit.clock import HOUR, MINUTE, SECOND, Instant

FREE_BY_EMAIL = 5
FREE_BY_ADDRESS = 20
FREE_KEYS = 60
"""Keys that a user may create in one go: nobody needs more by hand, and each is a row that every server loads."""
FREE_CODES = 10
"""Codes that a user may mistype."""
FREE_SIGNUPS_BY_ADDRESS = 10
"""Sign-ups that succeed count too: each takes a hash, and may take credit."""
FREE_LETTERS = 3
"""With a link to one person, each at somebody's word that it is them."""
FREE_RESETS_BY_ADDRESS = 10

FORGOTTEN_AFTER = HOUR
"""A subject that was left alone for this long starts afresh."""

_FIRST = 5 * SECOND
_LONGEST = 15 * MINUTE


def locked_until(failures: int, free: int, now: Instant) -> Instant:
    """After the free tries each failure doubles the wait, from 5 seconds to 15 minutes."""
    over = failures - free
    if over < 0:
        return now
    return Instant(now + min(_FIRST << min(over, 16), _LONGEST))


def network_of(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: whoever has one address of it has them all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
