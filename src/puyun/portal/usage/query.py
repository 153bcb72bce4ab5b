"""What the address of the Usage page asks for. Pure; a view can be shared, so all that it shows stands in its address."""

from collections.abc import Collection, Mapping
from urllib.parse import urlencode

import msgspec

from puyun.catalog.model import TIERS, Tier
from puyun.kit.clock import Instant
from puyun.portal.period import Period, parse_period
from puyun.portal.usage.zones import zones
from puyun.storage.usage import Grouping

PATH = "/portal/usage"
TEXT_MAX = 200
NOBODY = "none"
"""The member whose keys are nobody's."""


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`org`, `key`, `member`: ids as people see them, empty for the only organization and for any."""

    org: str
    period: Period
    by: Grouping
    zone: str
    model: str = ""
    key: str = ""
    tier: Tier | None = None
    member: str = ""

    @property
    def narrow(self) -> bool:
        """Whether anything is asked for but all calls."""
        return bool(self.model or self.key or self.tier or self.member)

    @property
    def over(self) -> Grouping:
        """What a chart has a bar for."""
        return Grouping.HOUR if self.period.days == 1 else Grouping.DAY

    def parts(self, *without: str) -> dict[str, str]:
        """What stands in an address for it; empty values and the names in `without` are left out."""
        found = {
            "org": self.org,
            **self.period.parameters(),
            "by": str(self.by),
            "model": self.model,
            "key": self.key,
            "tier": self.tier or "",
            "member": self.member,
            "zone": self.zone,
        }
        return {name: value for name, value in found.items() if value and name not in without}

    def href(self, path: str = PATH, **changes: str) -> str:
        """The address of this view with something changed; another period forgets the days of a custom one."""
        kept = self.parts(*(("from", "to") if "period" in changes else ()))
        return f"{path}?{urlencode({name: value for name, value in (kept | changes).items() if value})}"

    def clear(self) -> str:
        """The address without any filter."""
        return self.href(model="", key="", tier="", member="")


def parse_usage(
    parameters: Mapping[str, str], now: Instant, *, org: str, zone: str, groupings: Collection[Grouping]
) -> UsageQuery:
    """From an address; what is no tier, period or one of `groupings` counts as not there."""
    by, tier = parameters.get("by", ""), parameters.get("tier", "")
    return UsageQuery(
        org=org,
        period=parse_period(parameters, now, zones()[zone]),
        by=Grouping(by) if by in groupings else Grouping.MODEL,
        zone=zone,
        model=_text(parameters, "model"),
        key=_text(parameters, "key"),
        tier=Tier(tier) if tier in TIERS else None,
        member=_text(parameters, "member") if Grouping.MEMBER in groupings else "",
    )


def _text(parameters: Mapping[str, str], name: str) -> str:
    return parameters.get(name, "")[:TEXT_MAX].strip()
