"""An invoice as PDF, from its stored document alone."""

from puyun.pricing.papers.invoice import Invoice, Series, digest, read
from puyun.web.formats import grouped
from puyun.web.language import Language, translations
from puyun.web.papers.heads import facts, head, parties
from puyun.web.papers.layout import MUTED, SMALL, Column, Layout
from puyun.web.papers.pdf import draw
from puyun.web.papers.words import Words


def invoice_pdf(content: bytes, language: Language) -> bytes:
    """The same bytes for the same document and language."""
    _, words, invoice = translations(language).gettext, Words(language), read(content)
    title, seller = _("Invoice"), str(invoice.seller["name"])
    layout = Layout(f"{seller} · {title} {invoice.number}")
    head(layout, seller, title, invoice.number)
    parties(layout, (_("Issued by"), _lines(invoice.seller)), (_("Issued to"), _lines(invoice.buyer)))
    facts(layout, _facts(invoice, language))
    _amounts(layout, invoice, language)
    for line in invoice.seller["tax"]:
        layout.paragraph(line)
    layout.down(6)
    note = {
        Series.PAYMENT: _("Paid. Credit for calls to models, used as it goes; each month's statement says for what."),
        Series.CREDIT: _("For calls to models; each month's statement says which."),
    }
    layout.paragraph(note[invoice.series], color=MUTED)
    layout.down(10)
    layout.paragraph(
        _("SHA-256 of this invoice's document: %(sum)s") % {"sum": digest(content)}, size=SMALL, color=MUTED
    )
    return draw(layout, f"{title} {invoice.number}", seller, words.page, language=language.tag)


def _lines(party: dict[str, str | list[str]]) -> list[str]:
    found = [party["name"], *party["address"], party["tax_id"], party.get("email", "")]
    return [str(line) for line in found if line]


def _facts(invoice: Invoice, language: Language) -> list[tuple[str, str]]:
    _ = translations(language).gettext
    rows = [
        (_("Number"), invoice.number),
        (_("Date of issue"), invoice.issued[:10]),
        (_("Organization"), invoice.organization),
    ]
    if invoice.series is Series.PAYMENT:
        return [*rows, (_("Paid on"), invoice.at[:10]), (_("Payment"), invoice.reference)]
    return [*rows, (_("Reference"), invoice.reference), (_("Due on"), (invoice.due or invoice.issued)[:10])]


def _amounts(layout: Layout, invoice: Invoice, language: Language) -> None:
    _ = translations(language).gettext
    what = {Series.PAYMENT: _("Prepaid credit"), Series.CREDIT: _("Calls used on credit")}
    rows = [(what[invoice.series], grouped(invoice.amount))]
    rows += [(_("Tax %(area)s") % {"area": tax["area"]}, grouped(tax["amount"])) for tax in invoice.taxes]
    rows.append((_("Total"), grouped(invoice.total)))
    amount = Column(title=f"{_('Amount')} ({invoice.currency})", width=179, kind="amount")
    layout.table([Column(title=_("Item"), width=320), amount], rows, last=1)
