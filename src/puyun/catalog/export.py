"""Writing a catalogue as a file: the same catalogue always gives the same bytes, and reading them gives it back."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from puyun.catalog.diff import starts
from puyun.catalog.field import WITHDRAWN
from puyun.catalog.layout import cost_path, price_path
from puyun.catalog.model import METERS, TIERS, CatalogFile, Cost, Deployment, Model, Price, Provider, Tier
from puyun.kit.clock import Instant, format_instant
from puyun.kit.money import format_price


def canonical(file: CatalogFile) -> CatalogFile:
    """The same catalogue in the order in which it is written: by name; prices and costs by start and meter."""
    return CatalogFile(
        providers=tuple(sorted(file.providers, key=lambda entry: entry.name)),
        deployments=tuple(sorted(file.deployments, key=lambda entry: entry.name)),
        models=tuple(sorted(file.models, key=lambda entry: entry.name)),
        prices=tuple(sorted(file.prices, key=_price_order)),
        costs=tuple(sorted(file.costs, key=lambda cost: (cost.deployment, starts(cost), METERS.index(cost.meter)))),
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
        head = {"model": _literal(model), "tier": _literal(tier)}
        blocks.append(_block("prices", notes.get(price_path(model, tier, since)), _dated_pairs(head, prices)))
    costs: defaultdict[tuple[str, int | None], list[Cost]] = defaultdict(list)
    for cost in file.costs:
        costs[cost.deployment, cost.effective_from].append(cost)
    for (deployment, since), rows in costs.items():
        head = {"deployment": _literal(deployment)}
        blocks.append(_block("costs", notes.get(cost_path(deployment, since)), _dated_pairs(head, rows)))
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


def _dated_pairs(head: Mapping[str, str], rows: Sequence[Price | Cost]) -> dict[str, str]:
    """The entry of rows that differ in their meters alone."""
    pairs = dict(head)
    for row in rows:
        pairs[row.meter] = _literal(WITHDRAWN if row.amount is None else format_price(row.amount))
    if rows[0].effective_from is not None:
        pairs["from"] = format_instant(Instant(rows[0].effective_from))
    return pairs


def _literal(value: object) -> str:
    """JSON's strings, whole numbers and arrays are TOML's too; DEL, the exception, is in no catalogue."""
    return json.dumps(value, ensure_ascii=False)
