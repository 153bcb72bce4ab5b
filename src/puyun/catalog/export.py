"""Writing a catalogue as a file: the same catalogue always gives the same bytes, and reading them gives it back."""

import json
from collections import defaultdict
from collections.abc import Mapping

import msgspec

from puyun.catalog.diff import starts
from puyun.catalog.field import WITHDRAWN
from puyun.catalog.layout import price_path
from puyun.catalog.model import METERS, TIERS, CatalogFile, Deployment, Model, Price, Provider, Tier
from puyun.kit.clock import Instant, format_instant
from puyun.kit.money import format_price


def canonical(file: CatalogFile) -> CatalogFile:
    """The same catalogue in the order in which it is written: by name; prices by offer, start and meter."""
    return CatalogFile(
        providers=tuple(sorted(file.providers, key=lambda entry: entry.name)),
        deployments=tuple(sorted(file.deployments, key=lambda entry: entry.name)),
        models=tuple(sorted(file.models, key=lambda entry: entry.name)),
        prices=tuple(sorted(file.prices, key=_price_order)),
    )


def to_toml(file: CatalogFile, notes: Mapping[str, str] | None = None) -> str:
    """TOML that `parse` reads back as `canonical(file)`. Values that are the default are left out.

    `notes` are comments to stand above entries, by the paths that faults use: `models.gpt-4o`, `prices.gpt-4o.flex`.
    """
    notes = notes or {}
    file = canonical(file)
    named = (("providers", file.providers), ("deployments", file.deployments), ("models", file.models))
    blocks = [
        _block(section, notes.get(f"{section}.{entry.name}"), _pairs(entry))
        for section, entries in named
        for entry in entries
    ]
    offers: defaultdict[tuple[str, Tier, int | None], list[Price]] = defaultdict(list)
    for price in file.prices:
        offers[price.model, price.tier, price.effective_from].append(price)
    for (model, tier, since), prices in offers.items():
        blocks.append(_block("prices", notes.get(price_path(model, tier, since)), _price_pairs(prices)))
    return "\n".join(blocks)


def _price_order(price: Price) -> tuple[str, int, int, int]:
    return price.model, TIERS.index(price.tier), starts(price), METERS.index(price.meter)


def _block(section: str, note: str | None, pairs: dict[str, str]) -> str:
    comment = "".join(f"# {line}\n" for line in (note or "").splitlines())
    body = "".join(f"{key} = {value}\n" for key, value in pairs.items())
    return f"{comment}[[{section}]]\n{body}"


def _pairs(entry: Provider | Deployment | Model) -> dict[str, str]:
    values = msgspec.structs.asdict(entry)
    return {
        each.name: _literal(values[each.name])
        for each in msgspec.structs.fields(entry)
        if each.required or values[each.name] != each.default
    }


def _price_pairs(prices: list[Price]) -> dict[str, str]:
    first = prices[0]
    pairs = {"model": _literal(first.model), "tier": _literal(first.tier)}
    for price in prices:
        pairs[price.meter] = _literal(WITHDRAWN if price.amount is None else format_price(price.amount))
    if first.effective_from is not None:
        pairs["from"] = format_instant(Instant(first.effective_from))
    return pairs


def _literal(value: object) -> str:
    """JSON's strings, whole numbers and arrays are TOML's too; DEL, the exception, is in no catalogue."""
    return json.dumps(value, ensure_ascii=False)
