"""What is typed into the form of a new key, and what is wrong with it: everything at once, by field. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec

from puyun.catalog.model import Tier
from puyun.identity.model import KeySpec, Organization
from puyun.identity.rules import key_faults
from puyun.kit.clock import Instant, from_datetime, to_datetime
from puyun.kit.money import MoneyError, parse_amount

IPS_MAX = 50
MODELS_MAX = 500
"""Models to choose from, and to choose."""

_TEXT_MAX = 4000
_YEARS = range(1970, 9999)

USUAL_OVERLAP = "24h"


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """The fields as they were typed, so that a refused form comes back as it was sent. `limited`: only `models`."""

    name: str = ""
    tier: str = ""
    limited: bool = False
    models: tuple[str, ...] = ()
    expires: str = ""
    ips: str = ""
    budget: str = ""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a field; `code` as of `PuyunError`, `value` the one of several values that is meant."""

    code: str
    value: str = ""


Faults = dict[str, Fault]
"""By field, the first of each, in the order of the fields."""

_FIELDS = ("name", "tier", "models", "expires", "budget", "ips")


def read(form: Mapping[str, Sequence[str]]) -> Filled:
    """From a post; too long text is cut, as the page's own fields cut it."""

    def text(field: str) -> str:
        return form[field][-1][:_TEXT_MAX].strip() if form.get(field) else ""

    return Filled(
        name=text("name"),
        tier=text("tier"),
        limited=text("scope") == "chosen",
        models=tuple(dict.fromkeys(form.get("model", ()))),
        expires=text("expires"),
        ips=text("ips"),
        budget=text("budget"),
    )


def usual(organization: Organization) -> Filled:
    """An empty form: Flex where it is open, as with the command line."""
    return Filled(tier=Tier.FLEX if Tier.FLEX in organization.tiers else organization.tiers[0])


def parse(
    filled: Filled, organization: Organization, models: Collection[str], now: Instant, *, member: int | None
) -> tuple[KeySpec, Faults]:
    """The key that is asked for, and what is wrong with it; with faults the key is not to be made.

    `models`: those in the catalogue.
    """
    faults: Faults = {}
    tier = filled.tier if filled.tier in organization.tiers else ""
    if not tier:
        faults["tier"] = Fault("tier_not_allowed")
    chosen = filled.models if filled.limited else ()
    if filled.limited and not chosen:
        faults["models"] = Fault("none_chosen")
    elif len(chosen) > MODELS_MAX:
        faults["models"] = Fault("too_many", str(MODELS_MAX))
    ips = tuple(dict.fromkeys(part for part in re.split(r"[\s,;，；、]+", filled.ips) if part))
    if len(ips) > IPS_MAX:
        faults["ips"] = Fault("too_many", str(IPS_MAX))
    spec = KeySpec(
        tier=Tier(tier) if tier else organization.tiers[0],
        name=filled.name,
        models=chosen,
        ips=ips,
        budget=_budget(filled.budget, faults),
        expires_at=expiry(filled.expires, faults),
        member=member,
    )
    for error in key_faults(spec, organization, models, now):
        faults.setdefault(error.param or "", Fault(error.code, error.details.get("value", "")))
    return spec, {field: faults[field] for field in _FIELDS if field in faults}


def expiry(text: str, faults: Faults) -> Instant | None:
    """The end of a day (UTC): the key works on the day that is named. None: no end, or a fault."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.max
    if day.year not in _YEARS:
        faults["expires"] = Fault("no_date")
        return None
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1))


def last_day(expires_at: Instant | None) -> str:
    """What `expiry` reads back: the last day on which a key works; empty for no end."""
    return "" if expires_at is None else to_datetime(Instant(expires_at - 1)).date().isoformat()


def _budget(text: str, faults: Faults) -> int | None:
    if not text:
        return None
    try:
        return parse_amount(text)
    except MoneyError:
        faults["budget"] = Fault("no_amount")
        return None
