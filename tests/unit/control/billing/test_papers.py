"""Papers, details, rules and budgets by the API: the services of the pages, within the token's scopes and the role."""

from hashlib import sha256

import pytest
from stage.control import token
from stage.pages import Site

from puyun.config import Brand
from puyun.identity.model import Membership, Role
from puyun.identity.tokens import Scope
from puyun.kit.clock import ManualClock, parse_instant
from puyun.kit.ids import format_id
from puyun.kit.money import NANO
from puyun.pricing.papers.parties import Seller
from puyun.pricing.statement import parse_month
from puyun.storage.engine import reading, writing
from puyun.storage.identity import set_membership
from puyun.storage.reports.statements import load_statement
from puyun.storage.wallets import MoneyKind, top_up
from puyun.web.language import Language
from puyun.web.papers.invoice import invoice_pdf
from puyun.web.papers.statement import issue_of, statement_pdf

SELLER = Seller(name="Puyun Ltd", address="1 Road;Singapore")
WHO = {"name": "Acme", "address": "2 Street\nBerlin", "tax_id": "DE1", "email": "a@b.example"}
RULE = {"below": "10.00", "amount": "50.00", "month_max": "200.00"}


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(parse_instant("2026-03-15T12:30:00Z")), seller=SELLER)
    yield site
    site.close()


@pytest.fixture
def write(client):
    numbers = iter(range(1000))

    def send(method, path, body=None, secret="", key=""):
        headers = {"idempotency-key": key or f"write-{next(numbers)}"}
        if secret:
            headers["authorization"] = f"Bearer {secret}"
        return client.request(method, path, json=body, headers=headers)

    return send


def code(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def pay(pages, organization, ref):
    with writing(pages.engine) as connection:
        top_up(connection, organization.id, 20 * NANO, kind=MoneyKind.PAID, ref=ref, now=pages.clock.now())


def test_an_invoice_is_issued_once_listed_and_read(write, client, pages, engines, ada):
    pay(pages, engines, "wire 1")
    assert code(write("POST", "/invoices", {"ref": "wire 1"})) == (409, "billing_details_missing", None)
    assert write("PUT", "/billing-details", WHO).json()["changed_by"] == format_id("user", ada.id)
    first = write("POST", "/invoices", {"ref": "wire 1"})
    assert first.status_code == 201
    assert write("POST", "/invoices", {"ref": "wire 1"}).json() == first.json()
    assert client.get("/invoices").json() == {"data": [first.json()], "next_cursor": None}
    found = client.get("/invoices/P-000001")
    assert sha256(found.content).hexdigest() == first.json()["sha256"]
    assert found.json()["buyer"]["name"] == "Acme"
    for language in Language:
        pdf = client.get("/invoices/P-000001.pdf", params={"language": language})
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.content == invoice_pdf(found.content, language)


def test_what_is_no_payment_of_ours_gets_none(write, client, pages):
    write("PUT", "/billing-details", WHO)
    looms = pages.organization("Looms")
    pay(pages, looms, "theirs")
    assert code(write("POST", "/invoices", {"ref": "theirs"})) == (404, "nothing_to_invoice", "ref")
    assert code(client.get("/invoices/P-000001")) == (404, "invoice_not_found", None)
    assert code(client.get("/invoices", params={"cursor": "x"})) == (422, "invalid_cursor", "cursor")


def test_a_statement_as_pdf_is_the_portals(client, pages, engines):
    month = parse_month("2026-03")
    with reading(pages.engine) as connection:
        made = load_statement(connection, engines.id, month)
        issue = issue_of(connection, engines, month, (Brand(), SELLER))
    assert client.get("/statements/2026-03.pdf").content == statement_pdf(made, issue, Language.ENGLISH)
    chinese = client.get("/statements/2026-03.pdf", params={"language": "zh"})
    assert chinese.content == statement_pdf(made, issue, Language.CHINESE)
    assert client.get("/statements/2026-04.pdf").status_code == 404
    assert client.get("/statements/x.pdf").status_code == 422


def test_details_are_checked(write, client):
    assert code(client.get("/billing-details")) == (404, "billing_details_not_found", None)
    assert code(write("PUT", "/billing-details", WHO | {"address": ""})) == (400, "invalid_details", "address")
    write("PUT", "/billing-details", WHO)
    told = client.get("/billing-details").json()
    assert {name: told[name] for name in WHO} == WHO


def test_a_rule_is_set_told_and_ended(write, client):
    assert client.get("/auto-top-up").status_code == 404
    assert code(write("PUT", "/auto-top-up", RULE | {"amount": "0.5"})) == (400, "invalid_rule", "amount")
    assert code(write("PUT", "/auto-top-up", RULE | {"below": "ten"})) == (400, "invalid_rule", "below")
    assert write("PUT", "/auto-top-up", RULE).status_code == 200
    told = client.get("/auto-top-up").json()
    assert ({name: told[name] for name in RULE}, told["waits"]) == (RULE, True)
    assert write("DELETE", "/auto-top-up").json() == {"ended": True}
    assert client.get("/auto-top-up").status_code == 404


def test_a_members_budget_is_set_told_and_ended(write, client, pages, engines):
    mel = format_id("user", pages.person("mel@example.com", engines, role=Role.MEMBER).id)
    body = {"amount": "5.00", "period": "month"}
    made = write("PUT", f"/members/{mel}/budgets", body).json()
    assert (made["of"], made["amount"], made["period"], made["hard"]) == (mel, "5.00", "month", True)
    assert client.get("/budgets").json()["data"] == [made]
    path = f"/members/{mel}/budgets/{made['id']}"
    assert write("DELETE", path).json() == {"id": made["id"]}
    assert code(write("DELETE", path)) == (404, "budget_not_found", None)
    assert client.get("/budgets").json()["data"] == []
    assert code(write("PUT", f"/members/{mel}/budgets", body | {"amount": "0"})) == (400, "invalid_budget", "amount")
    assert code(write("PUT", "/members/user_zzz/budgets", body)) == (404, "member_not_found", None)


def test_scopes_and_roles_hold(write, pages, engines, ada):
    reader = token(pages, engines, ada, Scope.BILLING_READ).secret
    for method, path, body in (
        ("PUT", "/billing-details", WHO),
        ("PUT", "/auto-top-up", RULE),
        ("DELETE", "/auto-top-up", None),
        ("POST", "/invoices", {"ref": "x"}),
        ("PUT", "/members/user_1/budgets", {"amount": "1", "period": "day"}),
    ):
        assert code(write(method, path, body, reader))[:2] == (403, "scope_missing")
    clerk = pages.person("pay@example.com", engines, role=Role.ADMIN)
    secret = token(pages, engines, clerk, Scope.BILLING_WRITE, Scope.BUDGETS_WRITE).secret
    with writing(pages.engine) as connection:
        set_membership(connection, Membership(org=engines.id, user=clerk.id, role=Role.BILLING))
    assert write("PUT", "/billing-details", WHO, secret).status_code == 200
    refused = write("PUT", "/members/user_1/budgets", {"amount": "1", "period": "day"}, secret)
    assert code(refused)[:2] == (403, "not_permitted")


def test_the_same_write_acts_once(write, pages, engines, client):
    pay(pages, engines, "wire 1")
    write("PUT", "/billing-details", WHO)
    first = write("POST", "/invoices", {"ref": "wire 1"}, key="once")
    again = write("POST", "/invoices", {"ref": "wire 1"}, key="once")
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert code(write("POST", "/invoices", {"ref": "wire 2"}, key="once"))[1] == "idempotency_key_reused"
