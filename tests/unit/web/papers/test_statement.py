"""PDFs are the same bytes whenever they are made of the same, and say every figure; read back from the bytes."""

import base64
import re
import zlib

import pytest

from puyun.catalog.model import Tier
from puyun.config import Brand
from puyun.kit.clock import Instant, parse_instant
from puyun.kit.money import format_pico
from puyun.pricing.papers.invoice import Sale, Series, write
from puyun.pricing.papers.parties import Buyer, Seller
from puyun.pricing.statement import Amounts, Movement, Sold, Statement, Used, digest, parse_month
from puyun.storage.reports.statements import Closed
from puyun.web.language import Language
from puyun.web.papers.invoice import invoice_pdf
from puyun.web.papers.statement import Issue, statement_pdf

SELLER = Seller(name="浦云智能 Ltd", address="1 Road;Singapore", tax_id="GST 1", tax="Includes 9% GST.")
BUYER = Buyer(name="云上 Robotics", address="2 Street\nBerlin", tax_id="DE1")


def said(pdf: bytes) -> list[str]:
    """The texts of all pages, each as it was drawn; Chinese is UTF-16 in parentheses of its own."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    content = b"".join(map(_read, streams))
    latin = set(re.findall(rb"/BaseFont /Helvetica[^>]*?/Name /(F\d+)", pdf))
    return [_text(part, latin) for part in re.findall(rb"BT(.*?)ET", content, re.DOTALL)]


def _read(part: bytes) -> bytes:
    return zlib.decompress(base64.a85decode(b"<~" + part.strip(), adobe=True))


def _text(block: bytes, latin: set[bytes]) -> str:
    """The pieces of one text object."""
    found = ""
    for font, raw in re.findall(rb"/(F\d+)[^(]*?\(((?:\\.|[^\\)])*)\) Tj", block, re.DOTALL):
        piece = re.sub(rb"\\([0-7]{3}|.)", lambda mark: _escaped(mark[1]), raw, flags=re.DOTALL)
        found += piece.decode("cp1252" if font in latin else "utf-16-be")
    return found


def _escaped(mark: bytes) -> bytes:
    if mark.isdigit():
        return bytes([int(mark, 8)])
    return {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}.get(mark, mark)


def statement(models: int = 3) -> Statement:
    lines, offers = [], []
    for number in range(models):
        name, price, tokens = f"model-{number:04d}", 2_500_000 + number, 1_234_567 + number
        lines.append(Used(Tier.FLEX, name, "input", number + 1, price, tokens, price * tokens))
        offers.append(Sold(Tier.FLEX, name, 12, 1, price * tokens, price * tokens // 1000))
    charge = sum(offer.charge for offer in offers)
    return Statement(
        org=7,
        currency="USD",
        month=parse_month("2026-10"),
        opening=Amounts(12_340_000_000, 1_000_000),
        movements=(Movement("topup", 1, Amounts(2_000_000_000_000, 0)),),
        settled=Amounts(charge - 76, 0),
        carried_in=1,
        carried_out=77,
        lines=tuple(lines),
        offers=tuple(offers),
        keys=(),
    )


def issue(closed: Closed | None = None, buyer: Buyer | None = BUYER) -> Issue:
    return Issue(brand=Brand(name="Acme AI"), seller=SELLER, organization="Robotics", buyer=buyer, closed=closed)


@pytest.mark.parametrize("language", Language)
def test_a_statement_is_the_same_bytes_again(language):
    first = statement_pdf(statement(), issue(), language)
    assert first == statement_pdf(statement(), issue(), language)
    assert first.startswith(b"%PDF-")
    assert b"/CreationDate (D:2000" in first


def test_it_says_every_figure_to_the_last_unit():
    made = statement()
    closed = Closed("2026-10", digest(made), parse_instant("2026-11-01T00:10:00Z"))
    texts = said(statement_pdf(made, issue(closed), Language.ENGLISH))
    assert {"12.341", "+2,000.00", "1,234,567", "2.50", "+0.000000077", "–0.000000001"} <= set(texts)
    for line in made.lines:
        assert format_pico(line.exact) in texts
    assert any(digest(made) in text for text in texts)
    assert any("2026-11-01T00:10:00Z" in text for text in texts)
    assert {"浦云智能 Ltd", "云上 Robotics", "Page 1 of 1"} <= set(texts)


def test_in_chinese_its_own_words_are_chinese():
    texts = said(statement_pdf(statement(), issue(buyer=None), Language.CHINESE))
    assert {"月结单", "销售方", "购买方", "Robotics", "第 1 页，共 1 页"} <= set(texts)
    assert any("尚未结账" in text for text in texts)


def test_a_long_one_numbers_its_pages():
    texts = said(statement_pdf(statement(1000), issue(), Language.ENGLISH))
    pages = [text for text in texts if text.startswith("Page ")]
    assert pages == [f"Page {number} of {len(pages)}" for number in range(1, len(pages) + 1)]
    assert len(pages) > 30
    assert {f"model-{number:04d}" for number in range(1000)} <= set(texts)


@pytest.mark.parametrize("series", Series)
def test_an_invoice_is_made_of_its_document_alone(series):
    sale = Sale(org=7, currency="EUR", at=parse_instant("2026-10-03"), reference="wire 42", amount=10**11)
    content = write(series, 12, sale, (SELLER, BUYER), Instant(1_790_000_000_000_000))
    pdf = invoice_pdf(content, Language.ENGLISH)
    assert pdf == invoice_pdf(content, Language.ENGLISH)
    texts = said(pdf)
    assert {"Invoice", f"{series}-000012", "100.00", "wire 42", "云上 Robotics", "GST 1", "Includes 9% GST."} <= set(
        texts
    )
    assert invoice_pdf(content.replace(b"100.00", b"900.00"), Language.ENGLISH) != pdf
