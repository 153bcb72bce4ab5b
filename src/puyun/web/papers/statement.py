"""A statement as PDF, from the value that its page, its CSV and its JSON are made of."""

import msgspec
from sqlalchemy import Connection

from puyun.config import Brand
from puyun.identity.model import Organization
from puyun.kit.clock import Instant, format_instant
from puyun.kit.ids import format_id
from puyun.kit.money import PICO_PER_NANO, format_amount, format_pico, format_price
from puyun.pricing.papers.parties import Buyer, Seller
from puyun.pricing.statement import Month, Statement, digest
from puyun.storage.papers.details import load_details
from puyun.storage.reports.statements import Closed, load_closed
from puyun.web.formats import count, grouped
from puyun.web.language import Language, translations
from puyun.web.papers.heads import facts, head, parties
from puyun.web.papers.layout import MUTED, SMALL, Column, Layout
from puyun.web.papers.pdf import draw
from puyun.web.papers.words import Words


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Whose statement it is, and from whom. `closed`: what was kept when the month was closed, None before."""

    brand: Brand
    seller: Seller
    organization: str
    buyer: Buyer | None
    closed: Closed | None


def statement_pdf(made: Statement, issue: Issue, language: Language) -> bytes:
    """The same bytes for the same statement, issue and language. Raises `too_long_for_paper` (409)."""
    _, words = translations(language).gettext, Words(language)
    title = _("Statement")
    brand, month = issue.brand.name, made.month.name
    layout = Layout(f"{brand} · {title} {month} · {issue.organization}")
    head(layout, brand, title, month)
    parties(layout, (_("Issued by"), _seller(issue)), (_("Issued to"), _buyer(issue)))
    facts(
        layout,
        [
            (_("Organization"), f"{issue.organization} ({format_id('org', made.org)})"),
            (
                _("Period (UTC)"),
                f"{format_instant(made.month.start)[:10]} – {format_instant(Instant(made.month.end - 1))[:10]}",
            ),
            (_("Currency"), made.currency),
        ],
    )
    _balance(layout, made, words)
    _usage(layout, made, words)
    _document(layout, made, issue, words)
    return draw(layout, f"{title} {month} {issue.organization}", brand, words.page, language=language.tag)


def issue_of(connection: Connection, organization: Organization, month: Month, parties: tuple[Brand, Seller]) -> Issue:
    """As things are now: the operator's settings and the organization's billing details."""
    brand, seller = parties
    details = load_details(connection, organization.id)
    return Issue(
        brand=brand,
        seller=seller,
        organization=organization.name,
        buyer=None if details is None else details.buyer,
        closed=load_closed(connection, organization.id, month),
    )


def _seller(issue: Issue) -> list[str]:
    seller = issue.seller
    named = [seller.name, *seller.address_lines, seller.tax_id]
    return [line for line in named if line] or [issue.brand.name]


def _buyer(issue: Issue) -> list[str]:
    buyer = issue.buyer
    if buyer is None:
        return [issue.organization]
    return [line for line in (buyer.name, *buyer.address_lines, buyer.tax_id, buyer.email) if line]


def _balance(layout: Layout, made: Statement, words: Words) -> None:
    _ = translations(words.language).gettext
    rows = [(_("Opening"), _signed(made.opening.total, plus=False))]
    rows += [(words.entry(each.entry), _signed(each.amounts.total)) for each in made.movements]
    rows.append((_("Calls of the month"), _signed(-made.charge)))
    if made.carried_in:
        rows.append((_("Begun before, settled in it"), _signed(-made.carried_in)))
    if made.carried_out:
        rows.append((_("Begun in it, settled later"), _signed(made.carried_out)))
    rows.append((_("Closing"), _signed(made.closing.total, plus=False)))
    layout.heading(_("The balance"))
    amount = Column(title=f"{_('Amount')} ({made.currency})", width=179, kind="amount")
    layout.table([Column(title=_("Item"), width=320), amount], rows, last=1)


def _usage(layout: Layout, made: Statement, words: Words) -> None:
    _ = translations(words.language).gettext
    if not made.offers:
        layout.paragraph(_("No calls in this month."), color=MUTED)
        layout.down(10)
        return
    layout.heading(_("By model and tier"))
    calls, cost = sum(offer.calls for offer in made.offers), f"{_('Cost')} ({made.currency})"
    sold = [
        (each.model, words.tier(each.tier), count(each.calls), count(each.failures), _amount(each.charge))
        for each in made.offers
    ]
    failures = sum(offer.failures for offer in made.offers)
    sold.append((_("Total"), "", count(calls), count(failures), _amount(made.charge)))
    layout.table(
        [
            Column(title=_("Model"), width=180),
            Column(title=_("Tier"), width=70),
            Column(title=_("Requests"), width=70, kind="number"),
            Column(title=_("Not charged"), width=70, kind="number"),
            Column(title=cost, width=109, kind="amount"),
        ],
        sold,
        last=1,
    )
    layout.heading(_("By meter and price"))
    layout.table(
        [
            Column(title=_("Model"), width=150),
            Column(title=_("Tier"), width=58),
            Column(title=_("Meter"), width=80),
            Column(title=_("Tokens"), width=70, kind="number"),
            Column(title=_("Per million"), width=58, kind="amount"),
            Column(title=f"{_('Amount')} ({made.currency})", width=83, kind="amount"),
        ],
        [
            (
                line.model,
                words.tier(line.tier),
                words.meter(line.meter),
                count(line.tokens),
                grouped(format_price(line.price)),
                grouped(format_pico(line.exact)),
            )
            for line in made.lines
        ],
    )


def _document(layout: Layout, made: Statement, issue: Issue, words: Words) -> None:
    _ = translations(words.language).gettext
    favour = sum(offer.exact for offer in made.offers) - made.charge * PICO_PER_NANO
    if favour:
        text = _("Each call is rounded down. Rounded in your favour: %(amount)s %(currency)s")
        layout.paragraph(text % {"amount": format_pico(favour), "currency": made.currency}, size=SMALL, color=MUTED)
    closed = issue.closed
    if closed is None:
        layout.paragraph(_("This month is not closed yet: its figures may still change."), size=SMALL, color=MUTED)
    else:
        moment = format_instant(closed.closed_at)
        layout.paragraph(_("Closed %(moment)s") % {"moment": moment}, size=SMALL, color=MUTED)
    layout.paragraph(
        _("SHA-256 of the canonical document (JSON): %(sum)s") % {"sum": digest(made)}, size=SMALL, color=MUTED
    )


def _amount(nano: int) -> str:
    return grouped(format_amount(nano))


def _signed(nano: int, *, plus: bool = True) -> str:
    text = grouped(format_amount(abs(nano)))
    return f"−{text}" if nano < 0 else f"+{text}" if nano and plus else text
