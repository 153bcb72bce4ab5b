"""Reading a catalogue file (DESIGN 4.3): TOML text in, typed nouns or every fault out. `docs/reference/catalogue.md`."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, cast

import msgspec

from puyun.catalog import field
from puyun.catalog.fault import CatalogErrors, Fault, nearest
from puyun.catalog.layout import Layout, Lines, cost_path, price_path
from puyun.catalog.model import (
    METERS,
    CatalogFile,
    Cost,
    Deployment,
    Dialect,
    Engine,
    Kind,
    Model,
    Price,
    Provider,
    Tier,
)

_Named = TypeVar("_Named", Provider, Deployment, Model)
_Readers = Mapping[str, Callable[[object], object]]

_SECTIONS = ("providers", "deployments", "models", "prices", "costs")
_PER_MINUTE = field.whole_number(1, 10**12)
_PROVIDER: _Readers = {
    "name": field.name,
    "dialect": field.one_of(Dialect),
    "base_url": field.base_url,
    "api_key": field.secret_reference,
    "engine": field.one_of(Engine),
}
_DEPLOYMENT: _Readers = {
    "name": field.name,
    "provider": field.name,
    "upstream_model": field.upstream_name,
    "pool": field.pool,
    "seats": field.whole_number(1, 100_000),
    "rpm": _PER_MINUTE,
    "itpm": _PER_MINUTE,
    "otpm": _PER_MINUTE,
    "own": field.yes_or_no,
    "lend": field.yes_or_no,
}
_MODEL: _Readers = {
    "name": field.name,
    "kind": field.one_of(Kind),
    "context_length": field.whole_number(1, 10**9),
    "max_output": field.whole_number(0, 10**9),
    "deployments": field.names,
    "vendor": field.line_of_text(100),
    "label": field.line_of_text(100),
    "description": field.line_of_text(2000),
    "created": field.whole_number(0, 10**11),
}
_PRICE: _Readers = {
    "model": field.name,
    "tier": field.one_of(Tier),
    "from": field.moment,
    **dict.fromkeys(METERS, field.price),
}
_COST: _Readers = {
    "deployment": field.name,
    "from": field.moment,
    **dict.fromkeys(METERS, field.price),
}


def parse(text: str, source: str = "catalogue") -> CatalogFile:
    """The catalogue that `text` states; `source` is how messages call the file.

    Raises CatalogErrors with every fault of the file, each with its line. What only a look at other entries can tell
    (references, prices that cannot be meant) is `validate.check`.
    """
    text = text.removeprefix("\ufeff")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise CatalogErrors(source, [_syntax_fault(error, text)]) from error
    reading = _Reading(document, Layout(text))
    found = CatalogFile(
        providers=reading.named("providers", Provider, _PROVIDER),
        deployments=reading.named("deployments", Deployment, _DEPLOYMENT),
        models=reading.named("models", Model, _MODEL),
        prices=tuple(_price(values, meter) for values, meter in reading.dated("prices", _PRICE, ["model", "tier"])),
        costs=tuple(_cost(values, meter) for values, meter in reading.dated("costs", _COST, ["deployment"])),
    )
    if reading.faults:
        raise CatalogErrors(source, reading.faults)
    return found


def locate(text: str, faults: Iterable[Fault]) -> list[Fault]:
    """The faults `validate.check` found in the catalogue of this text, with their lines. The text is known to parse."""
    text = text.removeprefix("\ufeff")
    reading = _Reading(tomllib.loads(text), Layout(text))
    lines: dict[str, int | None] = {}
    for section in _SECTIONS:
        for table in reading.tables(section):
            lines.setdefault(table.path, table.lines.header)
            for key, line in table.lines.keys.items():
                lines.setdefault(f"{table.path}.{key}", line)
    return [
        msgspec.structs.replace(fault, line=lines.get(fault.where) or lines.get(fault.where.rpartition(".")[0]))
        for fault in faults
    ]


class _Table(msgspec.Struct, frozen=True):
    """One `[[section]]` entry as it stands in the file."""

    path: str
    raw: dict[str, object]
    lines: Lines


class _Reading:
    """One pass over a document; what cannot be read is skipped and remembered in `faults`."""

    def __init__(self, document: dict[str, object], layout: Layout) -> None:
        self.faults: list[Fault] = []
        self._document = document
        self._layout = layout
        for key in document:
            if key not in _SECTIONS:
                message = f'unknown section "{key}"{nearest(key, _SECTIONS)}'
                self.faults.append(Fault(layout.top.of(key), key, message))

    def tables(self, section: str) -> list[_Table]:
        entries = self._document.get(section, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in cast("list[object]", entries)):
            message = f"expected entries that each begin with [[{section}]]"
            self.faults.append(Fault(self._layout.top.of(section), section, message))
            return []
        raws = cast("list[dict[str, object]]", entries)
        return [_Table(_path(section, at, raw), raw, self._layout.entry(section, at)) for at, raw in enumerate(raws)]

    def named(self, section: str, noun: type[_Named], readers: _Readers) -> tuple[_Named, ...]:
        required = [each.name for each in msgspec.structs.fields(noun) if each.required]
        found: list[_Named] = []
        seen: dict[object, int | None] = {}
        for table in self.tables(section):
            values = self._values(table, readers, required)
            name = table.raw.get("name")
            if isinstance(name, str) and name in seen:
                message = f"a second entry of this name; the first is on line {seen[name]}"
                self._fault(table, "name", message)
            elif values is not None:
                found.append(noun(**values))  # pyright: ignore[reportArgumentType] - the readers give the fields' types
            if isinstance(name, str):
                seen.setdefault(name, table.lines.of("name"))
        return tuple(found)

    def dated(self, section: str, readers: _Readers, required: list[str]) -> list[tuple[Mapping[str, object], str]]:
        """The values of an entry once for each of its meters, in the order of the file and of METERS."""
        found: list[tuple[Mapping[str, object], str]] = []
        seen: dict[tuple[object, ...], int | None] = {}
        for table in self.tables(section):
            values = self._values(table, readers, required)
            if values is None:
                continue
            meters = [meter for meter in METERS if meter in values]
            if not meters:
                self._fault(table, "", f"no meter is priced; expected at least one of {', '.join(METERS)}")
            for meter in meters:
                cell = (*(values[key] for key in required), meter, values.get("from"))
                if cell in seen:
                    self._fault(table, meter, f"a second price of this meter; the first is on line {seen[cell]}")
                else:
                    seen[cell] = table.lines.of(meter)
                    found.append((values, meter))
        return found

    def _values(self, table: _Table, readers: _Readers, required: Iterable[str]) -> dict[str, object] | None:
        """The entry's typed values, or None when any of them is at fault."""
        before = len(self.faults)
        for key in required:
            if key not in table.raw:
                self._fault(table, "", f'"{key}" is missing')
        values: dict[str, object] = {}
        for key, value in table.raw.items():
            reader = readers.get(key)
            if reader is None:
                self._fault(table, key, f'unknown key "{key}"{nearest(key, readers)}')
                continue
            try:
                values[key] = reader(value)
            except ValueError as error:
                self._fault(table, key, str(error))
        return values if len(self.faults) == before else None

    def _fault(self, table: _Table, key: str, message: str) -> None:
        where = f"{table.path}.{key}" if key else table.path
        self.faults.append(Fault(table.lines.of(key), where, message))


def _price(values: Mapping[str, object], meter: str) -> Price:
    return Price(
        model=cast("str", values["model"]),
        tier=cast("Tier", values["tier"]),
        meter=meter,
        amount=cast("int | None", values[meter]),
        effective_from=cast("int | None", values.get("from")),
    )


def _cost(values: Mapping[str, object], meter: str) -> Cost:
    return Cost(
        deployment=cast("str", values["deployment"]),
        meter=meter,
        amount=cast("int | None", values[meter]),
        effective_from=cast("int | None", values.get("from")),
    )


def _path(section: str, at: int, raw: Mapping[str, object]) -> str:
    """`models.gpt-4o` when the entry says its name, else its number."""
    try:
        since = field.moment(raw["from"]) if "from" in raw else None
        if section == "costs":
            return cost_path(field.name(raw["deployment"]), since)
        if section != "prices":
            return f"{section}.{field.name(raw['name'])}"
        return price_path(field.name(raw["model"]), str(_PRICE["tier"](raw["tier"])), since)
    except (KeyError, ValueError):
        return f"{section}[{at + 1}]"


def _syntax_fault(error: Exception, text: str) -> Fault:
    """The reader of TOML stops at its first error, and tells the place in words."""
    if isinstance(error, RecursionError):
        return Fault(None, "", "nested too deeply to be a catalogue")
    message = str(error)
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if place is None:
        return Fault(None, "", message)
    line = int(place[1]) if place[1] else text.count("\n") + 1
    return Fault(line, "", f"not TOML: {message[: place.start()]}")
