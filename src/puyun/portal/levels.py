"""The service levels that everybody may see: the last hour and the last 90 days, read at most once in a few seconds."""

import threading
from collections.abc import Sequence

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from puyun.catalog.model import TIERS, Tier
from puyun.kit.clock import DAY, HOUR, SECOND, Clock, Instant
from puyun.pricing.offers import OfferList
from puyun.service.histogram import Kind, merged, quantile
from puyun.service.level import share
from puyun.service.verdict import INTERVAL, WAIT_MS
from puyun.storage.engine import reading
from puyun.storage.service.levels import Day, ModelLevel, days_of_all, levels_of_all

KEPT = 10 * SECOND
"""How old what is shown may be, beside the two seconds until it is added up."""

DAYS = 90


class Times(msgspec.Struct, frozen=True):
    """Of the last hour, in microseconds; None where nothing was observed."""

    wait_p50: int | None = None
    wait_p95: int | None = None
    first_token_p50: int | None = None


class TierStatus(msgspec.Struct, frozen=True):
    """A tier over all its models. `promised`: the longest wait, in microseconds; `available` in ten-thousandths."""

    tier: Tier
    times: Times
    promised: int
    available: int | None


class Run(msgspec.Struct, frozen=True):
    """Days one after another that look alike: the first's place among DAYS, how many, `none`, `ok`, `low` or `bad`."""

    place: int
    days: int
    looks: str


class OfferStatus(msgspec.Struct, frozen=True):
    """A model at a tier. `available` of all its days together; `troubled` are the days that were not wholly good."""

    model: str
    tier: Tier
    times: Times
    calls: int
    available: int | None
    runs: list[Run]
    troubled: list[Day]


class Status(msgspec.Struct, frozen=True):
    """What is known at a moment. `since`: the first of the days."""

    at: Instant
    since: Instant
    tiers: list[TierStatus]
    offers: list[OfferStatus]

    def of(self, tier: Tier) -> TierStatus:
        return self.tiers[TIERS.index(tier)]


class LevelBoard:
    """Asked by several threads."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[Instant, int, Status] | None = None

    def current(self, offers: OfferList) -> Status:
        """What was read last, while another thread reads anew, and while the database cannot be read. Raises
        SQLAlchemyError where nothing was ever read.
        """
        known = self._known
        if not self._lock.acquire(blocking=known is None) and known is not None:
            return known[2]
        try:
            now, known = self._clock.now(), self._known
            if known is None or known[1] != offers.revision or not 0 <= now - known[0] < KEPT:
                known = self._known = now, offers.revision, self._read(offers, now)
        except SQLAlchemyError:
            if known is None:
                raise
        finally:
            self._lock.release()
        return known[2]

    def tiers(self, offers: OfferList) -> list[TierStatus]:
        """The same for pages that can do without: nothing where nothing was ever read."""
        try:
            return self.current(offers).tiers
        except SQLAlchemyError:
            return []

    def _read(self, offers: OfferList, now: Instant) -> Status:
        since = Instant((now // DAY - DAYS + 1) * DAY)
        with reading(self._engine) as connection:
            hour = levels_of_all(connection, Instant(now - HOUR + INTERVAL), Instant(now + 1))
            days = days_of_all(connection, since, now)
        by_tier = [_tier(tier, hour, days) for tier in TIERS]
        return Status(now, since, by_tier, _offers(offers, hour, days, since))


def _offers(offers: OfferList, hour: list[ModelLevel], days: list[Day], since: Instant) -> list[OfferStatus]:
    """Of what is sold now, in the order of the price list."""
    levels = {(each.model, each.tier): each for each in hour}
    past: dict[tuple[str, Tier], list[Day]] = {}
    for day in days:
        past.setdefault((day.model, day.tier), []).append(day)
    found: list[OfferStatus] = []
    for offer in offers.offers:
        place = offer.model.name, offer.tier
        mine, level = past.get(place, []), levels.get(place)
        found.append(
            OfferStatus(
                model=place[0],
                tier=place[1],
                times=_times([level] if level else []),
                calls=level.level.calls if level else 0,
                available=_available(mine),
                runs=runs(mine, since // DAY),
                troubled=[day for day in mine if day.good < day.calls][::-1],
            )
        )
    return found


def _tier(tier: Tier, hour: list[ModelLevel], days: list[Day]) -> TierStatus:
    levels = [each for each in hour if each.tier is tier]
    available = _available([day for day in days if day.tier is tier])
    return TierStatus(tier, _times(levels), WAIT_MS[tier] * 1000, available)


def _times(levels: Sequence[ModelLevel]) -> Times:
    waits = merged(*(each.level.histograms[Kind.WAIT] for each in levels))
    first = merged(*(each.level.histograms[Kind.FIRST_TOKEN] for each in levels))
    return Times(quantile(waits, 500), quantile(waits, 950), quantile(first, 500))


def _available(days: Sequence[Day]) -> int | None:
    return share(sum(day.good for day in days), sum(day.calls for day in days))


def runs(days: Sequence[Day], first: int) -> list[Run]:
    """DAYS days from `first` on, those that look alike put together."""
    looks = ["none"] * DAYS
    for day in days:
        looks[day.day - first] = looks_of(day.availability)
    found: list[Run] = []
    for place, look in enumerate(looks):
        if found and found[-1].looks == look:
            found[-1] = Run(found[-1].place, found[-1].days + 1, look)
        else:
            found.append(Run(place, 1, look))
    return found


def looks_of(available: int | None) -> str:
    """99.9 percent is what Enterprise is promised, 99 is where it becomes bad."""
    if available is None:
        return "none"
    return "ok" if available >= 9_990 else "low" if available >= 9_900 else "bad"
