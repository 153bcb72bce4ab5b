import pytest

from puyun.pricing.papers.parties import ADDRESS_LINES, Buyer, Seller, parse_buyer

TYPED = {
    "name": " Acme GmbH ",
    "address": "Lange Straße 5\r\n\r\n 10115 Berlin ",
    "tax_id": "DE1",
    "email": "A@b.example",
}


def test_what_was_typed_is_tidied():
    buyer = parse_buyer(TYPED)
    assert buyer == Buyer(name="Acme GmbH", address="Lange Straße 5\n10115 Berlin", tax_id="DE1", email="a@b.example")
    assert buyer.address_lines == ("Lange Straße 5", "10115 Berlin")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("name", "a\x00b"),
        ("address", " \n "),
        ("address", "\n".join("abcdefghi"[: ADDRESS_LINES + 1])),
        ("address", "x" * 601),
        ("address", "a\x1bb"),
        ("tax_id", "x" * 61),
        ("email", "nobody"),
    ],
)
def test_what_cannot_stand_on_an_invoice_is_named_by_its_field(field, text):
    found = parse_buyer(TYPED | {field: text})
    assert isinstance(found, dict)
    assert [fault.param for fault in found.values()] == list(found) == [field]


def test_every_fault_is_told_at_once():
    assert set(parse_buyer({})) == {"name", "address"}


def test_a_seller_without_an_address_issues_nothing():
    assert not Seller().issues
    assert not Seller(name="Us").issues
    seller = Seller(name="Us", address="12 Harbour Road; 018936 Singapore\n\n", tax="One.\nTwo;")
    assert seller.issues
    assert seller.address_lines == ("12 Harbour Road", "018936 Singapore")
    assert seller.tax_lines == ("One.", "Two")
