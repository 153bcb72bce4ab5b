"""Invoices are issued once, under numbers without a gap, on both engines and by several processes at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shop import Shop
from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.exc import DBAPIError

import puyun
from puyun.kit.clock import DAY
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.acts.topup import Payment
from puyun.ledger.command import Act
from puyun.metering.usage import Usage
from puyun.pricing.papers.invoice import Series, read
from puyun.pricing.papers.parties import Buyer, Seller
from puyun.storage import schema
from puyun.storage.audit import Counts, audit
from puyun.storage.engine import Database, reading, writing
from puyun.storage.money.invoices import issue_invoice
from puyun.storage.money.payments import take_payment
from puyun.storage.papers import issuing
from puyun.storage.papers.details import load_details, save_details
from puyun.storage.papers.issuing import Basis, bases_of, find_paper, issue, issued_of, page_of_papers
from puyun.storage.papers.tables import paper
from puyun.storage.wallets import MoneyKind, set_credit_limit, top_up

SELLER = Seller(name="Puyun Ltd", address="1 Road; Singapore", tax_id="GST 1", tax="The amount includes 9% GST.")
BUYER = Buyer(name="Acme", address="2 Street\nBerlin", tax_id="DE1", email="a@b.example")


@pytest.fixture
def told(shop: Shop) -> Shop:
    """With billing details."""
    with writing(shop.engine) as connection:
        save_details(connection, 7, BUYER, by="ada@example.com", now=shop.clock.now())
    return shop


def transaction(shop: Shop, ref: str) -> int:
    key = schema.posting_key
    with reading(shop.engine) as connection:
        return connection.execute(select(key.c.number).where(key.c.org == 7, key.c.ref == ref)).scalar_one()


def pay(shop: Shop, ref: str, amount: int = NANO, tax: int = 0) -> Basis:
    payment = Payment(amount=amount, tax=tax, area="SG" if tax else "")
    with writing(shop.engine) as connection:
        take_payment(connection, 7, payment, Act(ref), shop.clock.now())
    return Basis(Series.PAYMENT, transaction(shop, ref))


def get(shop: Shop, basis: Basis, org: int = 7, seller: Seller = SELLER) -> issuing.Paper:
    with writing(shop.engine) as connection:
        return issue(connection, org, basis, seller, by="ada@example.com", now=shop.clock.now())


def faults(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [str(finding) for finding in audit(connection, Counts(), lambda _done, _all: None)]


def test_a_payment_has_one_invoice_whatever_is_asked_later(told: Shop) -> None:
    basis = pay(told, "wire 1", 100 * NANO, tax=9 * NANO)
    first = get(told, basis)
    said = read(first.content)
    assert (said.number, said.amount, said.total, said.reference) == ("P-000001", "100.00", "109.00", "wire 1")
    assert said.taxes == [{"area": "SG", "amount": "9.00"}]
    assert (said.buyer["name"], said.seller["tax"]) == ("Acme", ["The amount includes 9% GST."])
    told.clock.advance(DAY)
    with writing(told.engine) as connection:
        save_details(connection, 7, Buyer(name="Other", address="x"), by="eve", now=told.clock.now())
    assert get(told, basis, seller=Seller(name="Else", address="y")) == first
    assert get(told, basis, seller=Seller()) == first
    assert read(get(told, pay(told, "wire 2")).content).buyer["name"] == "Other"
    assert faults(told.engine) == []


def test_what_is_refused_takes_no_number(told: Shop) -> None:
    basis = pay(told, "wire 1")
    bonus, usage = transaction(told, "second"), 10_000
    for asked, org, seller, code in (
        (basis, 7, Seller(), "invoices_not_offered"),
        (Basis(Series.PAYMENT, bonus), 7, SELLER, "nothing_to_invoice"),
        (Basis(Series.PAYMENT, usage), 7, SELLER, "nothing_to_invoice"),
        (Basis(Series.CREDIT, 1), 7, SELLER, "nothing_to_invoice"),
    ):
        with pytest.raises(PuyunError) as error:
            get(told, asked, org, seller)
        assert error.value.code == code
    with writing(told.engine) as connection:
        told.organization(connection, "looms", 8)
        top_up(connection, 8, NANO, kind=MoneyKind.PAID, ref="theirs", now=told.clock.now())
    with pytest.raises(PuyunError, match="billing details"):
        get(told, Basis(Series.PAYMENT, 1), 8)
    assert get(told, basis).name == "P-000001"


def test_a_rollback_gives_the_number_back(told: Shop) -> None:
    basis = pay(told, "wire 1")

    def broken() -> None:
        with writing(told.engine) as connection:
            assert issue(connection, 7, basis, SELLER, by="", now=told.clock.now()).name == "P-000001"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert get(told, pay(told, "wire 2")).name == "P-000001"
    assert faults(told.engine) == []


def test_an_invoice_of_the_ledger_keeps_its_number(told: Shop) -> None:
    with writing(told.engine) as connection:
        set_credit_limit(connection, 7, 100 * NANO)
        told.key = told.api_key(connection, told.org, seed=2)
    call, _ = told.hold(20 * NANO)
    told.settle(call, Usage(output=1_000_000), held=20 * NANO)
    with writing(told.engine) as connection:
        claim = issue_invoice(connection, 7, None, due_at=None, act=Act("2026-11"), now=told.clock.now())
    number = transaction(told, "issue:2026-11")
    with reading(told.engine) as connection:
        bases = bases_of(connection, 7, [number, transaction(told, "first"), transaction(told, "second")])
    assert bases == {
        number: Basis(Series.CREDIT, claim.number),
        transaction(told, "first"): Basis(Series.PAYMENT, transaction(told, "first")),
    }
    made = get(told, bases[number])
    said = read(made.content)
    assert (made.name, said.amount) == ("I-000001", "4.999")
    assert said.due == said.at
    with reading(told.engine) as connection:
        assert issued_of(connection, 7, list(bases.values())) == {"invoice:1": "I-000001"}
    assert faults(told.engine) == []


def test_an_invoice_is_found_by_its_own_alone(told: Shop) -> None:
    made = get(told, pay(told, "wire 1"))
    with writing(told.engine) as connection:
        told.organization(connection, "looms", 8)
        assert find_paper(connection, 7, made.name) == made
        for org, name in ((8, made.name), (7, "P-000002"), (7, "I-000001"), (7, "../x")):
            with pytest.raises(PuyunError) as error:
                find_paper(connection, org, name)
            assert error.value.code == "invoice_not_found"


def test_a_list_comes_in_pages(told: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "PAGE", 2)
    names = [get(told, pay(told, f"wire {number}")).name for number in range(5)]
    found: list[str] = []
    before = None
    with reading(told.engine) as connection:
        for _ in range(3):
            part, before = page_of_papers(connection, 7, before)
            found += [each.name for each in part]
    assert (found, before) == (names[::-1], None)


def test_the_database_refuses_to_change_or_to_lose_one(told: Shop) -> None:
    get(told, pay(told, "wire 1"))
    for statement in (update(paper).values(sha256="x"), delete(paper)):
        with pytest.raises(DBAPIError), writing(told.engine) as connection:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("act", "where"),
    [
        ("UPDATE paper SET content = replace(content, '1.00', '9.00')", "invoice P-000001"),
        ("UPDATE paper SET content = replace(content, 'Acme', 'Evil')", "invoice P-000001"),
        ("DELETE FROM paper WHERE number = 1", "numbers of invoices"),
        ("UPDATE paper SET number = 3, content = replace(content, 'P-000002', 'P-000003') WHERE number = 2", "numbers"),
        ("UPDATE counter SET value = 9 WHERE name = 'paper'", "numbers of invoices"),
        ("UPDATE paper SET subject = 'topup:2' WHERE number = 1", "invoice P-000001"),
    ],
)
def test_the_audit_finds_what_was_done_behind_our_back(told: Shop, act: str, where: str) -> None:
    for ref in ("wire 1", "wire 2"):
        get(told, pay(told, ref))
    assert faults(told.engine) == []
    with writing(told.engine) as connection:
        for change in ("update", "delete"):
            on = " ON paper" if connection.dialect.name == "postgresql" else ""
            connection.execute(text(f"DROP TRIGGER paper_no_{change}{on}"))
        connection.execute(text(act))
    found = faults(told.engine)
    assert any("A13" in each and where in each for each in found), found


_CHILD = """
import sys
from pathlib import Path
from puyun.kit.clock import Instant
from puyun.pricing.papers.invoice import Series
from puyun.pricing.papers.parties import Seller
from puyun.storage.engine import open_engine, writing
from puyun.storage.papers.issuing import Basis, issue

place, *numbers = sys.argv[1:]
engine = open_engine(place if place.startswith("postgresql") else Path(place))
seller = Seller(name="Puyun Ltd", address="1 Road")
print("ready", flush=True)
sys.stdin.readline()
for number in numbers:
    with writing(engine) as connection:
        print(issue(connection, 7, Basis(Series.PAYMENT, int(number)), seller, by="x", now=Instant(0)).name)
engine.dispose()
"""


def test_processes_that_ask_together_get_numbers_without_a_gap_and_one_invoice_a_payment(
    told: Shop, database: Database
) -> None:
    bases = [pay(told, f"wire {number}").number for number in range(12)]
    asked = [str(number) for number in bases]
    env = os.environ | {"PYTHONPATH": str(Path(puyun.__file__).parent.parent)}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(database), *order],
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for order in (asked, asked[::-1])
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    first, second = (child.communicate(timeout=60)[0].split() for child in children)
    assert dict(zip(asked, first, strict=True)) == dict(zip(asked[::-1], second, strict=True))
    assert sorted(first) == [f"P-{number:06d}" for number in range(1, 13)]
    assert faults(told.engine) == []


def test_details_are_those_of_the_last_who_wrote(told: Shop) -> None:
    with writing(told.engine) as connection:
        assert load_details(connection, 8) is None
        kept = save_details(connection, 7, Buyer(name="New", address="x"), by="eve", now=told.clock.now())
        assert load_details(connection, 7) == kept
