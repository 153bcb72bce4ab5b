"""Invoices, billing details and the rule of automatic top-ups, as browsers use them."""

import re

import pytest
from stage.visitor import signed_in

from puyun.identity.access import ALLOWED, Permission
from puyun.identity.model import Role
from puyun.kit.money import NANO
from puyun.ledger.autotopup import Rule
from puyun.pricing.papers.parties import Seller
from puyun.storage.engine import reading, writing
from puyun.storage.papers.autotopup import load_rule
from puyun.storage.papers.details import load_details
from puyun.storage.papers.issuing import page_of_papers
from puyun.storage.wallets import MoneyKind, top_up
from puyun.web.language import Language
from puyun.web.papers.invoice import invoice_pdf

BILLING, INVOICES, DETAILS, AUTO = (f"/portal/billing{part}" for part in ("", "/invoices", "/details", "/auto"))
SELLER = Seller(name="Puyun Ltd", address="1 Road;Singapore")
WHO = {"name": "Acme GmbH", "address": "Lange Straße 5\r\n10115 Berlin", "tax_id": "DE1", "email": "a@b.example"}
RULE = {"below": "10", "amount": "50.00", "month_max": "200"}


@pytest.fixture
def seller():
    return SELLER


def token(client, path=BILLING):
    return re.search(r'name="csrf" value="(\w*)"', client.get(path).text)[1]


def post(client, path, shown=DETAILS, **fields):
    return client.post(path, data={"csrf": token(client, shown)} | fields)


def asked(page):
    """What the buttons of a page ask for: (series, number)."""
    return re.findall(r'name="series" value="(\w)"><input type="hidden" name="number" value="(\d+)"', page)


def papers(shop):
    with reading(shop.engine) as connection:
        return page_of_papers(connection, 7)[0]


def test_a_top_up_gets_one_invoice_by_its_button(client, shop):
    [(series, number)] = asked(client.get(BILLING).text)
    assert post(client, DETAILS, **WHO).headers["location"] == f"{DETAILS}?said=saved"
    links = {post(client, INVOICES, series=series, number=number).headers["location"] for _ in range(2)}
    assert links == {f"{INVOICES}/P-000001.pdf"}
    page = client.get(BILLING).text
    assert asked(page) == []
    assert f'href="{INVOICES}/P-000001.pdf"' in page
    answer = client.get(f"{INVOICES}/P-000001.pdf")
    [paper] = papers(shop)
    assert answer.headers["content-type"] == "application/pdf"
    assert 'filename="invoice-P-000001.pdf"' in answer.headers["content-disposition"]
    assert answer.content == invoice_pdf(paper.content, Language.ENGLISH)
    assert b"Acme GmbH" in paper.content
    chinese = client.get(f"{INVOICES}/P-000001.pdf", headers={"accept-language": "zh"}).content
    assert chinese == invoice_pdf(paper.content, Language.CHINESE)
    assert 'data-invoice="P-000001"' in client.get(INVOICES).text


def test_without_details_the_button_leads_to_them(client, shop):
    [(series, number)] = asked(client.get(BILLING).text)
    answer = post(client, INVOICES, series=series, number=number)
    assert answer.headers["location"] == f"{DETAILS}?needed=1"
    assert "then ask for the invoice again" in client.get(answer.headers["location"]).text
    assert papers(shop) == []


@pytest.mark.parametrize("seller", [Seller()])
def test_an_operator_who_said_nothing_offers_none(client, shop, seller):
    assert asked(client.get(BILLING).text) == []
    assert "has not set who sells" in client.get(INVOICES).text
    post(client, DETAILS, **WHO)
    assert post(client, INVOICES, series="P", number="1").status_code == 409
    assert papers(shop) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"series": "P", "number": "2"}, 404),  # a bonus
        ({"series": "P", "number": "99999"}, 404),
        ({"series": "I", "number": "1"}, 404),
        ({"series": "X", "number": "1"}, 400),
        ({"series": "P", "number": "-1"}, 400),
        ({"series": "P", "number": "9" * 30}, 400),
        ({}, 400),
    ],
)
def test_what_is_no_payment_gets_no_invoice(client, shop, fields, status):
    post(client, DETAILS, **WHO)
    assert post(client, INVOICES, **fields).status_code == status
    assert papers(shop) == []


def test_another_organization_sees_and_gets_nothing(counter, client, shop):
    post(client, DETAILS, **WHO)
    post(client, INVOICES, series="P", number="1")
    counter.pages.person("eve@example.com", counter.pages.organization("Looms"))
    eve = signed_in(counter.pages, "eve@example.com")
    assert eve.get(f"{INVOICES}/P-000001.pdf").status_code == 404
    assert "P-000001" not in eve.get(INVOICES).text
    post(eve, DETAILS, **WHO)
    assert post(eve, INVOICES, series="P", number="1").status_code == 404
    assert eve.get(f"{INVOICES}/P-000001.pdf?org=org_7").status_code == 404


def test_details_are_kept_and_come_back_as_typed_when_refused(client, shop):
    answer = post(client, DETAILS, **(WHO | {"name": "", "email": "nobody"}))
    assert answer.status_code == 400
    assert {"fault-name", "fault-email"} == set(re.findall(r'id="(fault-\w+)"', answer.text))
    assert 'value="nobody"' in answer.text
    assert "Lange Straße 5" in answer.text
    with reading(shop.engine) as connection:
        assert load_details(connection, 7) is None
    post(client, DETAILS, **WHO)
    page = client.get(DETAILS).text
    assert 'value="Acme GmbH"' in page
    assert "Last changed by ada@example.com" in page


def test_a_rule_is_kept_and_says_that_it_waits(client, shop):
    assert "There is no rule." in client.get(BILLING).text
    assert post(client, AUTO, **RULE).headers["location"] == f"{AUTO}?said=saved"
    with reading(shop.engine) as connection:
        kept = load_rule(connection, 7)
    assert kept is not None
    assert (kept.rule, kept.changed_by) == (
        Rule(below=10 * NANO, amount=50 * NANO, month_max=200 * NANO),
        "user_1",
    )
    page = client.get(AUTO).text
    assert "data-waits" in page
    assert 'value="200.00"' in page
    assert "Below $10.00 top up by $50.00, at most $200.00 a month. The rule waits" in client.get(BILLING).text
    assert post(client, f"{AUTO}/end").headers["location"] == f"{AUTO}?said=ended"
    with reading(shop.engine) as connection:
        assert load_rule(connection, 7) is None


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("below", "-1"),
        ("below", "1e3"),
        ("amount", "0.99"),
        ("amount", ""),
        ("amount", "1.0000000001"),
        ("month_max", "49.99"),
        ("month_max", "ten"),
        ("month_max", "999999999999"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_at_its_field(client, shop, field, text):
    answer = post(client, AUTO, **(RULE | {field: text}))
    assert answer.status_code == 400
    assert re.findall(r'id="fault-(\w+)"', answer.text) == [field]
    assert f'value="{text}"' in answer.text
    with reading(shop.engine) as connection:
        assert load_rule(connection, 7) is None


@pytest.mark.parametrize("role", Role)
def test_roles(counter, client, shop, role):
    counter.pages.person("mel@example.com", shop.org, role=role)
    other = signed_in(counter.pages, "mel@example.com")
    form = {"csrf": token(other, "/portal/settings/security/password")} | WHO | RULE | {"series": "P", "number": "1"}
    may_see = Permission.SEE_BILLING in ALLOWED[role]
    may_pay = Permission.TOP_UP in ALLOWED[role]
    assert (other.get(INVOICES).status_code == 200) is may_see
    for path in (DETAILS, AUTO):
        assert (other.get(path).status_code == 200) is may_pay
    for path in (DETAILS, AUTO, INVOICES, f"{AUTO}/end"):
        assert other.post(path, data=form).status_code == (303 if may_pay else 403)


@pytest.mark.parametrize("path", [DETAILS, AUTO, INVOICES, f"{AUTO}/end"])
def test_a_forged_form_changes_nothing(client, shop, path):
    assert client.post(path, data=WHO | RULE | {"series": "P", "number": "1", "csrf": "0" * 64}).status_code == 403
    assert papers(shop) == []


def test_a_list_goes_on(counter, client, shop, monkeypatch):
    monkeypatch.setattr("puyun.storage.papers.issuing.PAGE", 1)
    with writing(shop.engine) as connection:
        top_up(connection, 7, NANO, kind=MoneyKind.PAID, ref="more", now=shop.clock.now())
    post(client, DETAILS, **WHO)
    for series, number in asked(client.get(BILLING).text):
        post(client, INVOICES, series=series, number=number)
    first = client.get(INVOICES).text
    older = re.search(r'rel="next" href="([^"]+)"', first)[1]
    second = client.get(older).text
    numbers = re.findall(r'data-invoice="([^"]+)"', first + second)
    assert numbers == ["P-000002", "P-000001"]
    assert 'rel="next"' not in second
    assert "There is nothing older" in client.get(f"{INVOICES}?before=1").text
