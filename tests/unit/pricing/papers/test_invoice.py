import pytest
from hypothesis import given, strategies as st

from puyun.kit.canonical import decode, encode
from puyun.kit.clock import Instant
from puyun.kit.money import parse_amount
from puyun.pricing.papers.invoice import Sale, Series, Tax, digest, name_of, parse_name, read, write
from puyun.pricing.papers.parties import Buyer, Seller

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
amounts = st.integers(1, 10**17)


@given(words, words, amounts, st.lists(amounts, max_size=3), st.sampled_from(Series))
def test_an_invoice_is_canonical_and_adds_up(seller, buyer, amount, taxes, series):
    sale = Sale(
        org=7, currency="USD", at=Instant(0), reference="r", amount=amount, taxes=tuple(Tax("DE", tax) for tax in taxes)
    )
    parties = Seller(name=seller, address="a;b"), Buyer(name=buyer, address="c\nd")
    content = write(series, 12, sale, parties, Instant(10**15))
    assert content == encode(decode(content)) == write(series, 12, sale, parties, Instant(10**15))
    found = read(content)
    assert (found.number, found.seller["name"], found.buyer["name"]) == (f"{series}-000012", seller.strip(), buyer)
    parts = [found.amount, *(tax["amount"] for tax in found.taxes)]
    assert sum(map(parse_amount, parts)) == parse_amount(found.total) == sale.total
    assert sale.is_said_by(found)
    assert digest(content) != digest(content.replace(b"000012", b"000013"))


@given(st.sampled_from(Series), st.integers(1, 10**17))
def test_numbers_are_read_as_they_are_written(series, number):
    assert parse_name(name_of(series, number)) == (series, number)


@pytest.mark.parametrize(
    "text", ["", "P-1", "X-000001", "P-0000001", "p-000001", "P-000001 ", "P-٠٠٠٠٠١", "P-" + "9" * 19]
)
def test_no_other_text_is_a_number(text):
    with pytest.raises(ValueError, match="no number of an invoice"):
        parse_name(text)
