"""What is typed into the form for a higher limit, and what is wrong with it: everything at once, by field. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from puyun.catalog.model import Tier
from puyun.limits.rule import AMOUNT_MAX, Metric
from puyun.portal.keys.form import Fault, Faults
from puyun.storage.limits.wishes import Wanted

METRICS = (Metric.RPM, Metric.ITPM, Metric.OTPM, Metric.IN_FLIGHT, Metric.RPD, Metric.TPD)
"""What can be asked for."""

WHY_MAX = 1000

_TEXT_MAX = 200
_FIELDS = ("tier", "model", "metric", "amount", "why")
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000}


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """The fields as they were typed, so that a refused form comes back as it was sent."""

    tier: str = ""
    model: str = ""
    metric: str = Metric.RPM
    amount: str = ""
    why: str = ""


def read(form: Mapping[str, str], usual: Tier) -> Filled:
    """From a post or an address; too long text is cut, but for the reason, whose end somebody may have meant."""

    def text(field: str, otherwise: str = "") -> str:
        return form.get(field, otherwise)[:_TEXT_MAX].strip()

    return Filled(
        tier=text("tier", usual),
        model=text("model"),
        metric=text("metric", Metric.RPM),
        amount=text("amount"),
        why=form.get("why", "").strip(),
    )


def parse(filled: Filled, tiers: Sequence[Tier], models: Collection[str]) -> Wanted | Faults:
    """What is asked for, or what is wrong with it. `models`: those that are sold."""
    faults: Faults = {}
    if filled.tier not in tiers:
        faults["tier"] = Fault("tier_not_allowed")
    if filled.model and filled.model not in models:
        faults["model"] = Fault("model_not_found", filled.model)
    if filled.metric not in METRICS:
        faults["metric"] = Fault("none_chosen")
    amount = _amount(filled.amount)
    if amount is None:
        faults["amount"] = Fault("no_number")
    if not filled.why or len(filled.why) > WHY_MAX:
        faults["why"] = Fault("no_reason", str(WHY_MAX))
    if faults or amount is None:
        return {field: faults[field] for field in _FIELDS if field in faults}
    return Wanted(
        tier=Tier(filled.tier), model=filled.model, metric=Metric(filled.metric), amount=amount, why=filled.why
    )


def _amount(text: str) -> int | None:
    """`600`, `12,000`, `600k` or `5M`; None for anything else, and for nothing at all."""
    found = re.fullmatch(r"([0-9]{1,13})([km]?)", re.sub(r"[\s,_，]", "", text).lower())
    if found is None:
        return None
    amount = int(found[1]) * _SCALE[found[2]]
    return amount if 0 < amount <= AMOUNT_MAX else None
