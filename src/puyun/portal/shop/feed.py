"""Price changes for feed readers and programs: RSS 2.0 and JSON. Pure."""

import re
from collections.abc import Sequence
from email.utils import format_datetime
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec

from puyun.kit.clock import Instant, format_instant, to_datetime
from puyun.kit.money import format_price
from puyun.portal.shop.changes import PriceChange
from puyun.web.language import Language, translations

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold (XML 1.0, production 2), not even escaped."""

ATOM = "http://www.w3.org/2005/Atom"


class Publisher(msgspec.Struct, frozen=True):
    """Whose feed it is, and in which language. `origin`: the address of the site, without a slash at its end."""

    brand: str
    currency: str
    origin: str
    language: Language = Language.ENGLISH

    def say(self, text: str, **values: str) -> str:
        """A text of the catalogue, filled in."""
        said = translations(self.language).gettext(text)
        return said % values if values else said


class PublicRow(msgspec.Struct, frozen=True, kw_only=True, rename={"effective_from": "from"}):
    """A change as `/prices.json` has it. `from` and `published`: ISO 8601, UTC. A price of null: none."""

    id: int
    model: str
    tier: str
    meter: str
    before: str | None
    price: str | None
    effective_from: str
    published: str
    announced: bool


class PublicChanges(msgspec.Struct, frozen=True, kw_only=True):
    """`left_out`: changes of the period that did not fit, older than those that are there."""

    currency: str
    unit: str
    since: str
    left_out: int
    changes: list[PublicRow]


def rss(changes: Sequence[PriceChange], publisher: Publisher, now: Instant) -> bytes:
    """An item a price row, whose guid is the row's number and stays."""
    ET.register_namespace("atom", ATOM)
    root = ET.Element("rss", version="2.0")
    head = ET.SubElement(root, "channel")
    _ = publisher.say
    _say(head, "title", _("%(brand)s: price changes", brand=publisher.brand))
    _say(head, "link", f"{publisher.origin}/#prices")
    about = _("%(currency)s per million tokens: what changed and what is announced.", currency=publisher.currency)
    _say(head, "description", about)
    _say(head, "language", publisher.language.tag)
    address = _legal(f"{publisher.origin}/prices.rss?lang={publisher.language}")
    ET.SubElement(head, f"{{{ATOM}}}link", href=address, rel="self", type="application/rss+xml")
    for change in changes:
        row = change.row
        item = ET.SubElement(head, "item")
        _say(item, "title", _title(change, publisher, now))
        _say(item, "link", f"{publisher.origin}/models/{quote(row.model, safe='/', errors='replace')}")
        _say(item, "description", _description(change, publisher, now))
        guid = ET.SubElement(item, "guid", isPermaLink="false")
        guid.text = f"price-{row.id}"
        _say(item, "pubDate", format_datetime(to_datetime(row.created_at)))
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def as_json(
    changes: Sequence[PriceChange], currency: str, since: Instant, now: Instant, *, left_out: int
) -> PublicChanges:
    return PublicChanges(
        currency=currency,
        unit="per million tokens",
        since=format_instant(since),
        left_out=left_out,
        changes=[_public(change, now) for change in changes],
    )


def _public(change: PriceChange, now: Instant) -> PublicRow:
    row = change.row
    return PublicRow(
        id=row.id,
        model=row.model,
        tier=row.tier,
        meter=row.meter,
        before=_price(change.before),
        price=_price(row.amount),
        effective_from=format_instant(row.effective_from),
        published=format_instant(row.created_at),
        announced=row.effective_from > now,
    )


def _title(change: PriceChange, publisher: Publisher, now: Instant) -> str:
    row, _ = change.row, publisher.say
    title = f"{row.model}, {row.tier}, {row.meter}: {_step(change, publisher)}"
    if row.effective_from <= now:
        return title
    return _("%(change)s from %(time)s", change=title, time=format_instant(row.effective_from))


def _description(change: PriceChange, publisher: Publisher, now: Instant) -> str:
    row, _ = change.row, publisher.say
    what = _(
        "%(meter)s tokens of %(model)s at the tier %(tier)s: %(step)s per million tokens.",
        meter=row.meter,
        model=row.model,
        tier=row.tier,
        step=_step(change, publisher),
    )
    time = format_instant(row.effective_from)
    ahead = row.effective_from > now
    then = _("The new price will apply from %(time)s on.") if ahead else _("The new price applies from %(time)s on.")
    return f"{what} {then % {'time': time}}"


def _step(change: PriceChange, publisher: Publisher) -> str:
    before, after, _ = _price(change.before), _price(change.row.amount), publisher.say
    if after is None:
        return _("%(price)s, withdrawn", price=f"{before} {publisher.currency}")
    if before is None:
        return _("%(price)s, new", price=f"{after} {publisher.currency}")
    return f"{before} → {after} {publisher.currency}"


def _price(amount: int | None) -> str | None:
    return None if amount is None else format_price(amount)


def _say(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _legal(text)


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
