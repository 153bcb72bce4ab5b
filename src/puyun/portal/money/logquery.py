"""What the page of receipts shows: the filters of its address. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from urllib.parse import urlencode

import msgspec

from puyun.catalog.model import TIERS, Tier
from puyun.kit.clock import Instant
from puyun.kit.ids import CALL_MAX
from puyun.ledger.hold import Status
from puyun.portal.period import midnight, parse_day
from puyun.storage.reports.calls import Wanted

PATH = "/portal/receipts"
TEXT_MAX = 200
STATUSES = (Status.COMPLETED, Status.CANCELLED, Status.CUT, Status.FAILED)
"""Those that receipts show and a log is filtered by."""

FILTERS = ("model", "key", "tier", "status", "from", "to")


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`org`, `key`: ids as people see them, empty for the only organization and for any key; `before`: a call."""

    org: str = ""
    model: str = ""
    key: str = ""
    tier: Tier | None = None
    status: Status | None = None
    first: date | None = None
    last: date | None = None
    before: int = CALL_MAX

    @property
    def narrow(self) -> bool:
        """Whether anything is asked for but all calls."""
        return any(self._parts()[name] for name in FILTERS)

    @property
    def further(self) -> bool:
        """Whether this is not the first page."""
        return self.before < CALL_MAX

    @property
    def start(self) -> Instant:
        return Instant(0) if self.first is None else midnight(self.first)

    @property
    def end(self) -> Instant | None:
        return None if self.last is None else midnight(self.last + timedelta(days=1))

    def href(self, path: str = PATH, **changes: str) -> str:
        """The address of this view with something changed; another filter begins at the newest call again."""
        parts = self._parts() | {"before": ""} | changes
        shown = urlencode({name: value for name, value in parts.items() if value})
        return f"{path}?{shown}" if shown else path

    def following(self, before: int) -> str:
        """The address of the page that begins before a call."""
        return self.href(before=f"{before:x}")

    def clear(self, path: str = PATH) -> str:
        """The address without any filter."""
        return self.href(path, **dict.fromkeys(FILTERS, ""))

    def receipt(self, call: str) -> str:
        """The address of one call's receipt."""
        return self.clear(f"{PATH}/{call}")

    def wanted(self, key: int | None) -> Wanted:
        """What the storage is asked for."""
        return Wanted(
            model=self.model or None,
            key=key,
            tier=self.tier,
            status=self.status,
            start=self.start,
            end=self.end,
            before=self.before,
        )

    def _parts(self) -> dict[str, str]:
        return {
            "org": self.org,
            "model": self.model,
            "key": self.key,
            "tier": self.tier or "",
            "status": self.status or "",
            "from": "" if self.first is None else self.first.isoformat(),
            "to": "" if self.last is None else self.last.isoformat(),
        }


def parse_log(parameters: Mapping[str, str], *, org: str) -> LogQuery:
    """From an address; what is no tier, status, day or place counts as not there. A reversed pair of days is turned."""
    tier, status = parameters.get("tier", ""), parameters.get("status", "")
    first, last = parse_day(parameters.get("from", "")), parse_day(parameters.get("to", ""))
    if first is not None and last is not None:
        first, last = sorted((first, last))
    return LogQuery(
        org=org,
        model=parameters.get("model", "")[:TEXT_MAX].strip(),
        key=parameters.get("key", "")[:TEXT_MAX].strip(),
        tier=Tier(tier) if tier in TIERS else None,
        status=Status(status) if status in STATUSES else None,
        first=first,
        last=last,
        before=_call(parameters.get("before", "")),
    )


def _call(text: str) -> int:
    try:
        call = int(text[:TEXT_MAX], 16)
    except ValueError:
        return CALL_MAX
    return call if 0 <= call <= CALL_MAX else CALL_MAX
