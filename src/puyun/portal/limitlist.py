"""What the Limits page shows: which models, and every figure that moves as text, for the page and its stream. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from puyun.arbiter.rows import LimitRow, ModelRow
from puyun.catalog.model import PREFERRED, Tier
from puyun.catalog.snapshot import SoldModel
from puyun.identity.model import ApiKey
from puyun.limits.rule import Metric
from puyun.portal.pricelist import TEXT_MAX, fits_text
from puyun.web.formats import count, countdown, duration

PATH = "/portal/limits"
STREAM = f"{PATH}/stream"

SHOWN_MAX = 50
"""Models on a page."""

USUAL = (Metric.RPM, Metric.ITPM, Metric.OTPM, Metric.IN_FLIGHT)
"""What is said to have no limit where it has none; the other metrics are named only where somebody set one."""


Figures = dict[str, str | int]
"""What moves in one line of the page, by name."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the page's address. `org`, `key`: ids as people see them, empty for the only organization and for
    no key; `after`: the last model of the page before.
    """

    tier: Tier
    org: str = ""
    key: str = ""
    text: str = ""
    after: str = ""

    def href(self, path: str = PATH, **changes: str) -> str:
        """The address of this view with something changed."""
        parts = {"org": self.org, "tier": self.tier, "key": self.key, "q": self.text, "after": self.after} | changes
        return f"{path}?{urlencode({name: value for name, value in parts.items() if value})}"


class Selection(msgspec.Struct, frozen=True):
    """The models of one page. `found`: how many fit the search in all; `place`: how many of them stand before."""

    models: list[SoldModel]
    found: int
    place: int

    @property
    def more(self) -> bool:
        return self.place + len(self.models) < self.found


def parse_query(parameters: Mapping[str, str], *, org: str, key: str, tiers: Sequence[Tier], usual: Tier) -> Query:
    """From an address; a tier that is not open to the organization is the usual one, for addresses are typed and cut."""
    tier = parameters.get("tier", "")
    return Query(
        tier=Tier(tier) if tier in tiers else usual,
        org=org,
        key=key,
        text=" ".join(parameters.get("q", "")[:TEXT_MAX].split()),
        after=parameters.get("after", "")[:TEXT_MAX],
    )


def usual_tier(tiers: Sequence[Tier], keys: Iterable[ApiKey]) -> Tier:
    """What a page is about where nobody says: the tier of most keys, else the one for daily use."""
    calls = Counter(key.tier for key in keys)
    return max(tiers, key=lambda tier: (calls[tier], -PREFERRED.index(tier)))


def select(sold: Iterable[SoldModel], query: Query) -> Selection:
    """The models that fit the search, by name, from the one after `after` on."""
    found = sorted((each for each in sold if fits_text(each.model, query.text)), key=lambda each: each.model.name)
    place = sum(each.model.name <= query.after for each in found)
    return Selection(found[place : place + SHOWN_MAX], len(found), place)


def unlimited(row: ModelRow) -> list[Metric]:
    """Of the usual metrics those that have no limit."""
    limited = {limit.metric for limit in row.limits}
    return [metric for metric in USUAL if metric not in limited]


def line(row: ModelRow, limit: LimitRow) -> str:
    """The name of a limit's line. Of one metric there is one limit for each scope."""
    return f"{row.model} {limit.metric} {limit.source}"


def figures(rows: Iterable[ModelRow]) -> dict[str, Figures]:
    """By line; a model's own line has its name."""
    found: dict[str, Figures] = {}
    for row in rows:
        wait = row.predicted_wait_ms
        unknown = "–" if row.queued else "0 s"  # while nobody can tell how long a seat is held
        found[row.model] = {
            "in_flight": count(row.in_flight),
            "queued": count(row.queued),
            "wait": duration(wait * 1000) if wait else unknown,
        }
        for limit in row.limits:
            found[line(row, limit)] = {
                "used": count(limit.used),
                "gauge": min(limit.used, limit.burst) if limit.burst else 1,
                "remaining": count(limit.remaining),
                "reset": countdown(limit.reset_ms) if limit.window_seconds else "–",
            }
    return found


def shape(rows: Sequence[ModelRow]) -> str:
    """Changes whenever anything but a figure does; a page of another shape has to be fetched again."""
    still = [
        msgspec.structs.replace(
            row,
            in_flight=0,
            queued=0,
            predicted_wait_ms=0,
            limits=[msgspec.structs.replace(limit, used=0, remaining=0, reset_ms=0) for limit in row.limits],
        )
        for row in rows
    ]
    return hashlib.sha256(msgspec.json.encode(still)).hexdigest()[:12]
