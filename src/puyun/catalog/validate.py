"""What only a look at the whole catalogue can tell: references, offers that cannot be sold, prices that look like slips."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from puyun.catalog.diff import Step, amount_at, dated_steps, starts
from puyun.catalog.fault import Fault, FaultKind
from puyun.catalog.layout import cost_path, price_path
from puyun.catalog.model import CatalogFile, Dialect, Kind, Model, Price, Tier
from puyun.kit.clock import Instant, format_instant
from puyun.kit.money import format_price

PLAUSIBLE = 10
"""A price this many times dearer or cheaper than before is more likely per token instead of per million, or in cents."""

_EMPTY = CatalogFile()
_Timeline = list[tuple[int, int | None]]
_Offer = tuple[str, Tier]


def check(file: CatalogFile, existing: CatalogFile | None, now: Instant) -> list[Fault]:
    """Faults of `file` on top of what is already in the catalogue (None: nothing), without lines; see `file.locate`.

    `existing.prices` as for `diff.diff`. An entry may refer to one that the file does not repeat.
    """
    known = existing or _EMPTY
    steps = dated_steps(known.prices, file.prices, now)
    models = {model.name: model for model in (*known.models, *file.models)}
    return [
        *_references(file, known),
        *_addresses(file),
        *_unsold(file, known),
        *_incomplete_offers(file, known, models, steps, now),
        *_implausible(steps),
    ]


def _references(file: CatalogFile, known: CatalogFile) -> Iterator[Fault]:
    providers = {provider.name: provider for provider in (*known.providers, *file.providers)}
    deployments = {deployment.name for deployment in (*known.deployments, *file.deployments)}
    models = {model.name for model in (*known.models, *file.models)}
    for deployment in file.deployments:
        if deployment.provider not in providers:
            where = f"deployments.{deployment.name}.provider"
            yield Fault(None, where, _missing("provider", deployment.provider))
        provider = providers.get(deployment.provider)
        own = deployment.own or (provider is not None and provider.engine is not None)
        if deployment.lend and (not own or deployment.pool == "shared"):
            text = "only seats that are set apart, on an engine of your own (own = true), can be lent and taken back"
            yield Fault(None, f"deployments.{deployment.name}.lend", text)
    for model in file.models:
        for name in model.deployments:
            if name not in deployments:
                yield Fault(None, f"models.{model.name}.deployments", _missing("deployment", name))
    for offer, since in dict.fromkeys(((price.model, price.tier), price.effective_from) for price in file.prices):
        if offer[0] not in models:
            yield Fault(None, f"{price_path(*offer, since)}.model", _missing("model", offer[0]))
    for name, since in dict.fromkeys((cost.deployment, cost.effective_from) for cost in file.costs):
        if name not in deployments:
            yield Fault(None, f"{cost_path(name, since)}.deployment", _missing("deployment", name))


def _addresses(file: CatalogFile) -> Iterator[Fault]:
    for provider in file.providers:
        if not provider.base_url and provider.dialect is not Dialect.ECHO:
            message = '"base_url" is missing; only the echo provider answers without an address'
            yield Fault(None, f"providers.{provider.name}", message)
        if provider.engine is not None and provider.dialect is Dialect.ECHO:
            yield Fault(None, f"providers.{provider.name}.engine", "the echo provider is no engine that could be asked")


def _unsold(file: CatalogFile, known: CatalogFile) -> Iterator[Fault]:
    priced = {price.model for price in (*known.prices, *file.prices) if price.amount is not None}
    for model in file.models:
        where = f"models.{model.name}"
        if not model.deployments:
            yield Fault(None, where, "no deployment serves it, so every call of it fails", FaultKind.WARNING)
        if model.name not in priced:
            yield Fault(None, where, "no price at any tier, so nobody can buy it", FaultKind.WARNING)


def _incomplete_offers(
    file: CatalogFile, known: CatalogFile, models: dict[str, Model], steps: list[Step[Price]], now: Instant
) -> Iterator[Fault]:
    """Each offer the file prices, looked at now and whenever one of its prices changes."""
    offers: defaultdict[_Offer, defaultdict[str, _Timeline]] = defaultdict(lambda: defaultdict(list))
    asked = {(price.model, price.tier): price for price in reversed(file.prices)}
    for row in known.prices:
        offers[row.model, row.tier][row.meter].append((starts(row), row.amount))
    for step in steps:
        offers[step.wanted.model, step.wanted.tier][step.wanted.meter].append((step.effective_from, step.wanted.amount))
    for offer, price in asked.items():
        model = models.get(price.model)
        if model is None:
            continue
        meters = offers[offer]
        moments = {now, *(start for timeline in meters.values() for start, _ in timeline if start > now)}
        for moment in sorted(moments):
            priced = {meter for meter, timeline in meters.items() if amount_at(timeline, moment) is not None}
            if lacking := _lacking(model.kind, priced):
                since = f" from {format_instant(Instant(moment))} on" if moment > now else ""
                needs = "a chat model needs both" if model.kind is Kind.CHAT else "it cannot be sold"
                message = f"priced for {', '.join(sorted(priced))} but not for {lacking}{since}; {needs}"
                yield Fault(None, price_path(*offer, price.effective_from), message)
                break


def _lacking(kind: Kind, priced: set[str]) -> str:
    """The meter without which an offer of this kind cannot be billed; nothing when it is not offered at all."""
    if not priced:
        return ""
    if "input" not in priced and not (kind is Kind.IMAGE and "image" in priced):
        return "input"
    return "output" if kind is Kind.CHAT and "output" not in priced else ""


def _implausible(steps: Iterable[Step[Price]]) -> Iterator[Fault]:
    for step in steps:
        old, new = step.before, step.wanted.amount
        if old is None or new is None or (new <= old * PLAUSIBLE and old <= new * PLAUSIBLE):
            continue
        price = step.wanted
        where = f"{price_path(price.model, price.tier, price.effective_from)}.{price.meter}"
        message = (
            f"{format_price(old)} → {format_price(new)} is a change by more than {PLAUSIBLE} times; "
            "prices are per million tokens. If it is meant, apply it with --force"
        )
        yield Fault(None, where, message, FaultKind.IMPLAUSIBLE)


def _missing(noun: str, name: str) -> str:
    return f'there is no {noun} "{name}", neither in this file nor in the catalogue'
