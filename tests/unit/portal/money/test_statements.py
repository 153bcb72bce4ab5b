"""The statement of a month in the portal is the one of the command line, byte for byte."""

import re

import pytest

from puyun.config import Brand
from puyun.identity.model import Role
from puyun.metering.usage import Usage
from puyun.portal.money.statements import months_since
from puyun.pricing.papers.parties import Seller
from puyun.pricing.statement import digest, parse_month, render, to_csv
from puyun.storage.engine import reading
from puyun.storage.identity import find_organization
from puyun.storage.reports.statements import close_month, load_statement
from puyun.web.language import Language
from puyun.web.papers.statement import issue_of, statement_pdf

PATH = "/portal/billing/statements"
MONTH = "2026-11"
USAGE = Usage(input=1234, output=567)


def made(counter):
    with reading(counter.engine) as connection:
        return load_statement(connection, 7, parse_month(MONTH))


def test_the_files_are_the_statement(counter, client, shop):
    shop.sell(USAGE)
    answer = client.get(f"{PATH}/{MONTH}.json")
    assert answer.content == render(made(counter))
    assert f'filename="statement-{MONTH}.json"' in answer.headers["content-disposition"]
    assert client.get(f"{PATH}/{MONTH}.csv").text == to_csv(made(counter))


def test_the_page_has_its_figures(counter, client, shop, words):
    shop.sell(USAGE)
    page = client.get(f"{PATH}/{MONTH}").text
    rows = {name: words(cells) for name, cells in re.findall(r'data-row="(\w+)">(.*?)</tr>', page, re.DOTALL)}
    assert rows == {
        "opening": "Opening $0.00",
        "bonus": "Bonus +$0.001",
        "topup": "Top-up +$5.00",
        "usage": "Calls of the month −$0.008755",
        "closing": "Closing $4.992245",
    }
    assert digest(made(counter)) in page
    assert "so far" in page


def test_a_closed_month_says_so_and_a_changed_one_too(counter, client, shop):
    shop.sell(USAGE)
    counter.later(7)
    assert "over, not closed yet" in client.get(f"{PATH}/{MONTH}").text
    close_month(counter.engine, 7, parse_month(MONTH), shop.clock.now())
    assert "closed <time" in client.get(f"{PATH}/{MONTH}").text
    listed = re.search(rf'data-month="{MONTH}".*?</li>', client.get("/portal/billing").text, re.DOTALL)[0]
    assert ">closed<" in listed
    with counter.engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER statement_no_update")
        connection.exec_driver_sql("UPDATE statement SET sha256 = 'other'")
        connection.commit()
    assert "no longer the statement that was closed" in client.get(f"{PATH}/{MONTH}").text


def test_a_month_without_calls(client, words):
    page = words(client.get(f"{PATH}/2026-10").text)
    assert "No calls in this month." in page
    assert "Closing $0.00" in page


@pytest.mark.parametrize("month", ["2026-12", "2026-13", "november", "2026-1"])
def test_what_is_no_month_or_has_not_begun_has_none(client, month):
    for suffix in ("", ".csv", ".json"):
        assert client.get(f"{PATH}/{month}{suffix}").status_code == 404


def test_it_is_for_those_who_may_see_billing(counter, shop):
    counter.pages.person("eve@example.com", shop.org, role=Role.MEMBER)
    client = counter.signed_in("eve@example.com")
    for suffix in ("", ".csv", ".json"):
        assert client.get(f"{PATH}/{MONTH}{suffix}").status_code == 403
        assert client.get(f"{PATH}/{MONTH}{suffix}?org=org_8").status_code == 404


def test_the_months_are_those_since_the_organization_began(shop):
    now = shop.clock.now()
    assert [month.name for month in months_since(now, now)] == ["2026-11"]
    names = [month.name for month in months_since(parse_month("2025-12").start, now)]
    assert (names[0], names[-1], len(names)) == ("2026-11", "2025-12", 12)
    assert len(months_since(parse_month("1990-01").start, now)) == 120


def test_the_pdf_is_that_of_the_command_line_in_the_readers_language(counter, client, shop):
    shop.sell(USAGE)
    first = client.get(f"{PATH}/{MONTH}.pdf")
    assert first.headers["content-type"] == "application/pdf"
    assert f'filename="statement-{MONTH}.pdf"' in first.headers["content-disposition"]
    with reading(counter.engine) as connection:
        organization = find_organization(connection, "acme")
        issue = issue_of(connection, organization, parse_month(MONTH), (Brand(), Seller()))
    assert first.content == statement_pdf(made(counter), issue, Language.ENGLISH)
    chinese = client.get(f"{PATH}/{MONTH}.pdf", headers={"accept-language": "zh-CN"}).content
    assert chinese == statement_pdf(made(counter), issue, Language.CHINESE)
    assert client.get(f"{PATH}/2027-01.pdf").status_code == 404
