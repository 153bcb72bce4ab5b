"""Which keys the Keys page shows, as its address says it, and how long ago one was used. Pure."""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from puyun.identity import access
from puyun.identity.model import ApiKey
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.kit.ids import format_id, parse_id
from puyun.portal.member import Member
from puyun.portal.pricelist import TEXT_MAX
from puyun.storage.keys.listing import Wanted

PATH = "/portal/keys"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the page's address. `org`: as people see it, empty for the only organization; `show`: `all`, or
    empty for the active keys; `before`: the last key of the page before.
    """

    org: str = ""
    show: str = ""
    text: str = ""
    before: str = ""

    def href(self, path: str = PATH, **changes: str) -> str:
        """The address of this view with something changed, as short as it goes."""
        parts = {"org": self.org, "show": self.show, "q": self.text, "before": self.before} | changes
        encoded = urlencode({name: value for name, value in parts.items() if value})
        return f"{path}?{encoded}" if encoded else path

    @property
    def wanted(self) -> Wanted:
        return Wanted(active=not self.show, text=self.text, before=number_of(self.before))


class Ago(msgspec.Struct, frozen=True):
    """How long since the hour of a key's last use: `hours` below two days, `days` above; the other one is 0."""

    hours: int
    days: int


def parse_query(parameters: Mapping[str, str], *, org: str) -> Query:
    """From an address; what makes no sense is left out, for addresses are typed, cut and shared."""
    before = parameters.get("before", "")
    return Query(
        org=org,
        show="all" if parameters.get("show") == "all" else "",
        text=" ".join(parameters.get("q", "")[:TEXT_MAX].split()),
        before=before if number_of(before) is not None else "",
    )


def number_of(text: str) -> int | None:
    """The number of a key as people see it (`key_…`); None for anything else, and for what no database can hold."""
    try:
        number = parse_id("key", text)
    except ValueError:
        return None
    return number if number < 1 << 63 else None


def address(member: Member, key: ApiKey | None, act: str) -> str:
    """Of a page that changes a key, or that makes one."""
    path = f"{PATH}/{act}" if key is None else f"{PATH}/{format_id('key', key.id)}/{act}"
    return Query(org=member.org).href(path)


def may_change(member: Member, key: ApiKey) -> bool:
    """Whether a member may rotate and revoke a key: any one, or only their own."""
    return access.may_change(member.role, member.user.id, key)


def ago(used_at: Instant, now: Instant) -> Ago:
    """`used_at`: the beginning of an hour."""
    hours = max(now // HOUR - used_at // HOUR, 0)
    days = hours * HOUR // DAY
    return Ago(0, days) if days > 1 else Ago(hours, 0)
