"""What applying a catalogue file would change. Applying is an upsert: what the file does not mention stays as it is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar, cast

import msgspec

from puyun.catalog.model import CatalogFile, Cost, Deployment, Model, Price, Provider
from puyun.kit.clock import Instant, format_instant
from puyun.kit.money import format_price

_Named = TypeVar("_Named", Provider, Deployment, Model)
_Dated = TypeVar("_Dated", Price, Cost)


class FieldChange(msgspec.Struct, frozen=True):
    """Old and new value as a person reads them."""

    name: str
    old: str
    new: str


class Change(msgspec.Struct, frozen=True):
    """One entry of the catalogue that is new (no `fields`) or has other values than before."""

    noun: str
    name: str
    fields: tuple[FieldChange, ...] = ()


class Step(msgspec.Struct, Generic[_Dated], frozen=True):
    """A wanted price or cost with its start resolved, and the amount of its cell just before that start (None: none)."""

    wanted: _Dated
    effective_from: Instant
    before: int | None

    @property
    def changes(self) -> bool:
        return self.wanted.amount != self.before


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What to write: whole entries to insert or overwrite by name, price rows to add; and the same for people."""

    providers: tuple[Provider, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    models: tuple[Model, ...] = ()
    changes: tuple[Change, ...] = ()
    """One for each of the entries above."""
    steps: tuple[Step[Price], ...] = ()
    """One for each price row to add."""
    cost_steps: tuple[Step[Cost], ...] = ()
    """One for each row of the operator's own costs to add."""

    @property
    def prices(self) -> tuple[Price, ...]:
        """The rows to add; `effective_from` is never None and never in the past."""
        return tuple(msgspec.structs.replace(step.wanted, effective_from=step.effective_from) for step in self.steps)

    @property
    def costs(self) -> tuple[Cost, ...]:
        """The same of costs."""
        return tuple(
            msgspec.structs.replace(step.wanted, effective_from=step.effective_from) for step in self.cost_steps
        )

    @property
    def empty(self) -> bool:
        return not self.changes and not self.steps and not self.cost_steps


def diff(current: CatalogFile, wanted: CatalogFile, now: Instant) -> Diff:
    """`current.prices` and `.costs` hold, per cell, the row in force and the announced ones, in the order they take effect."""
    providers, provider_changes = _upserts("provider", current.providers, wanted.providers)
    deployments, deployment_changes = _upserts("deployment", current.deployments, wanted.deployments)
    models, model_changes = _upserts("model", current.models, wanted.models)
    return Diff(
        providers=providers,
        deployments=deployments,
        models=models,
        changes=(*provider_changes, *deployment_changes, *model_changes),
        steps=tuple(step for step in dated_steps(current.prices, wanted.prices, now) if step.changes),
        cost_steps=tuple(step for step in dated_steps(current.costs, wanted.costs, now) if step.changes),
    )


def dated_steps(current: Iterable[_Dated], wanted: Iterable[_Dated], now: Instant) -> list[Step[_Dated]]:
    """What the wanted prices or costs mean from `now` on, cell by cell, in time order.

    One without a start holds until the first dated one of its cell; of those whose start has passed only the
    latest still counts, and it counts from now: what was sold yesterday was sold at yesterday's price.
    """
    booked: defaultdict[tuple[str, ...], list[_Dated]] = defaultdict(list)
    for row in current:
        booked[cell(row)].append(row)
    asked: defaultdict[tuple[str, ...], list[_Dated]] = defaultdict(list)
    for price in wanted:
        asked[cell(price)].append(price)
    steps: list[Step[_Dated]] = []
    for key, prices in asked.items():
        timeline = [(starts(row), row.amount) for row in booked[key]]
        for effective_from, price in _still_to_come(prices, now):
            before = amount_at(timeline, effective_from)
            steps.append(Step(price, effective_from, before))
            timeline.append((effective_from, price.amount))
    return steps


def cell(entry: Price | Cost) -> tuple[str, ...]:
    """What a row replaces another one of."""
    return (entry.model, entry.tier, entry.meter) if isinstance(entry, Price) else (entry.deployment, entry.meter)


def starts(price: Price | Cost) -> int:
    """When a price takes effect; one without a start has always been in force."""
    return -1 if price.effective_from is None else price.effective_from


def amount_at(timeline: Sequence[tuple[int, int | None]], moment: int) -> int | None:
    """The amount in force among (start, amount) pairs; of two with the same start the later pair wins."""
    started = sorted((pair for pair in timeline if pair[0] <= moment), key=lambda pair: pair[0])
    return started[-1][1] if started else None


def describe(changes: Diff) -> list[str]:
    """One line per change: `+ model gpt-4o`, `~ price gpt-4o flex input 2.50 → 2.75 from 2026-12-01T00:00:00Z`."""
    return [_entry_line(change) for change in changes.changes] + [
        _dated_line(step) for step in (*changes.steps, *changes.cost_steps)
    ]


def _still_to_come(prices: Iterable[_Dated], now: Instant) -> list[tuple[Instant, _Dated]]:
    ordered = sorted(prices, key=starts)
    begun = [(now, price) for price in ordered if starts(price) <= now]
    return begun[-1:] + [(Instant(starts(price)), price) for price in ordered if starts(price) > now]


def _upserts(
    noun: str, current: Iterable[_Named], wanted: Iterable[_Named]
) -> tuple[tuple[_Named, ...], tuple[Change, ...]]:
    known = {entry.name: entry for entry in current}
    entries: list[_Named] = []
    changes: list[Change] = []
    for entry in wanted:
        old = known.get(entry.name)
        if entry != old:
            entries.append(entry)
            changes.append(Change(noun, entry.name, () if old is None else _field_changes(old, entry)))
    return tuple(entries), tuple(changes)


def _field_changes(old: Provider | Deployment | Model, new: Provider | Deployment | Model) -> tuple[FieldChange, ...]:
    before, after = msgspec.structs.asdict(old), msgspec.structs.asdict(new)
    return tuple(
        FieldChange(name, _readable(before[name]), _readable(value))
        for name, value in after.items()
        if value != before[name]
    )


def _readable(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in cast("tuple[object, ...]", value)) or "none"
    return "none" if value in {None, ""} else str(value)


def _entry_line(change: Change) -> str:
    if not change.fields:
        return f"+ {change.noun} {change.name}"
    fields = ", ".join(f"{field.name} {field.old} → {field.new}" for field in change.fields)
    return f"~ {change.noun} {change.name} {fields}"


def _dated_line(step: Step[Price] | Step[Cost]) -> str:
    wanted = step.wanted
    what = " ".join(("price" if isinstance(wanted, Price) else "cost", *cell(wanted)))
    announced = wanted.effective_from is not None and wanted.effective_from == step.effective_from
    since = f" from {format_instant(step.effective_from)}" if announced else ""
    if wanted.amount is None:
        return f"- {what} {format_price(step.before or 0)} withdrawn{since}"
    if step.before is None:
        return f"+ {what} {format_price(wanted.amount)}{since}"
    return f"~ {what} {format_price(step.before)} → {format_price(wanted.amount)}{since}"
