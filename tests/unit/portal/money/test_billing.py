"""The Billing page: its figures are the wallet's and the journal's to the last unit, and its stream keeps them so."""

import asyncio
import re
from html import unescape

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from stage.streams import nothing, request_for, told as heard

from puyun.config import Brand
from puyun.identity.access import ALLOWED, Permission
from puyun.identity.model import Role
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, request_id
from puyun.kit.money import NANO, format_amount
from puyun.ledger.budget import Period, Subject
from puyun.ledger.command import Act
from puyun.metering.usage import Usage
from puyun.portal.money import billing as module
from puyun.portal.money.billing import BillingPage
from puyun.pricing.papers.parties import Seller
from puyun.storage import schema
from puyun.storage.budgets.budgets import set_budget
from puyun.storage.engine import reading, writing
from puyun.storage.money.payments import ask_payout
from puyun.storage.money.refunds import refund_call
from puyun.storage.reports import transactions
from puyun.storage.wallets import MoneyKind, load_wallet, set_credit_limit, top_up
from puyun.web.site import Site as WebSite

PAGE, STREAM = "/portal/billing", "/portal/billing/stream"
USAGE = Usage(input=1234, output=567)


def lines(page):
    """line: {figure: text}"""
    rows = re.findall(r'data-line="([^"]*)">(.*?)</(?:tr|dl)>', page, re.DOTALL)
    text = re.compile(r'data-figure="(\w+)"[^>]*>([^<]*)<')
    return {name: {figure: value for figure, value in text.findall(cells) if value} for name, cells in rows}


def moved(page):
    """(entry, amount in nano-units) of each line."""
    rows = re.findall(r'data-entry="(\w+)".*?data-figure="amount"[^>]*>([^<]*)<', page, re.DOTALL)
    return [(entry, nano(amount)) for entry, amount in rows]


def nano(text):
    whole, _, fraction = text.replace("−", "-").replace("+", "").replace("$", "").replace(",", "").partition(".")
    return int(whole + fraction.ljust(9, "0"))


def wallet(shop):
    with reading(shop.engine) as connection:
        return load_wallet(connection, 7)


def pay(shop, amount, ref):
    with writing(shop.engine) as connection:
        top_up(connection, 7, amount, kind=MoneyKind.PAID, ref=ref, now=shop.clock.now())


def test_the_figures_are_the_wallets(client, shop):
    shop.sell(USAGE)
    shop.hold(123)
    found, kept = lines(client.get(PAGE).text)["wallet"], wallet(shop)
    for name in ("balance", "held", "available", "paid", "bonus"):
        assert found[name] == f"${format_amount(getattr(kept, name))}", name
    assert (found["calls"], nano(found["for_calls"])) == ("1", 123)


def test_what_is_held_is_explained_and_credit_is_named(client, shop, words):
    with writing(shop.engine) as connection:
        ask_payout(connection, 7, NANO, "manual", act=Act("p", "ops", "a test"), now=shop.clock.now())
    page = words(client.get(PAGE).text)
    assert "on its way back to you: $1.00" in page
    assert "balance − held " in page
    with writing(shop.engine) as connection:
        set_credit_limit(connection, 7, 3 * NANO)
        connection.execute(update(schema.wallet).values(frozen=1))
    page = words(client.get(PAGE).text)
    assert "balance − held + credit $3.00 − open invoices $0.00" in page
    assert "The wallet is frozen while a payment is disputed." in page


def test_transactions_add_up_to_the_balance_over_all_pages(counter, client, shop, monkeypatch):
    monkeypatch.setattr(transactions, "PAGE", 3)
    for number in range(5):
        call = shop.sell(USAGE)
        pay(shop, NANO + number, f"payment {number}")
        counter.later(number * 11 + 1)
    shop.sell(USAGE)
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, 9, act=Act("r", "ops", "a test"), now=shop.clock.now())
    found, address = [], PAGE
    while address:
        page = client.get(address).text
        found += moved(page)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        address = unescape(following[1]) if following else ""
    assert sum(amount for _, amount in found) == wallet(shop).balance
    assert [entry for entry, _ in found].count("usage") == 6
    assert found[:2] == [("usage", found[0][1]), ("refund", 9)]
    assert found[-2:] == [("bonus", NANO // 1000), ("topup", 5 * NANO)]
    assert "There is nothing older." in client.get(f"{PAGE}?after=5-5").text
    assert moved(client.get(f"{PAGE}?after=nonsense").text) == found[:2]


def test_a_refund_leads_to_its_receipt_and_a_day_to_its_calls(client, shop):
    call = shop.sell(USAGE)
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, 9, act=Act("r", "ops", "a test"), now=shop.clock.now())
    page = client.get(PAGE).text
    assert f'href="/portal/receipts/{request_id(7, call)}"' in page
    assert 'href="/portal/receipts?from=2026-11-25&amp;to=2026-11-25"' in page
    assert client.get("/portal/receipts?from=2026-11-25&to=2026-11-25").text.count("data-call=") == 1


def test_budgets_are_shown_with_what_is_left(counter, client, shop, words):
    ada = counter.pages.person("bob@example.com", shop.org)
    with writing(shop.engine) as connection:
        now = shop.clock.now()
        set_budget(connection, 7, Subject.ORGANIZATION, period=Period.MONTH, amount=NANO, now=now)
        set_budget(connection, 7, Subject.MEMBER, ada.id, period=Period.DAY, amount=NANO, hard=False, now=now)
        set_budget(connection, 7, Subject.MEMBER, 999, period=Period.DAY, amount=NANO, now=now)
    shop.clock.advance(1000)
    shop.store.commit([])
    page = client.get(PAGE).text
    text = words(page)
    assert "Organization a month $1.00" in text
    assert "bob@example.com gives notice only a day $1.00" in text
    assert format_id("user", 999) in text
    assert "ci in all $4.00" in text
    assert {figure["left"] for name, figure in lines(page).items() if name.startswith("budget")} == {"$1.00", "$4.00"}


def test_of_many_budgets_the_first_are_shown(client, shop, monkeypatch, words):
    monkeypatch.setattr(module, "BUDGETS_MAX", 2)
    with writing(shop.engine) as connection:
        for number in (5, 6):
            set_budget(connection, 7, Subject.MEMBER, number, period=Period.DAY, amount=NANO, now=shop.clock.now())
    page = client.get(PAGE).text
    assert len(re.findall(r'data-line="budget', page)) == 2
    assert "These are the first 2; there are more." in words(page)


def test_states_without_anything(counter, words):
    counter.pages.person("new@example.com", counter.pages.organization("Fresh"))
    page = words(counter.signed_in("new@example.com").get(PAGE).text)
    assert "Nothing has moved yet." in page
    assert "Budgets" not in page
    assert "Top up Ask the operator of this service." in page


@pytest.mark.parametrize(
    "brand", [Brand(top_up="Wire it to <us>, and name it.", top_up_url="https://pay.example.com/x?a=1&b=2")]
)
def test_the_operator_says_how_to_top_up(client):
    page = client.get(PAGE).text
    assert "Wire it to &lt;us&gt;, and name it." in page
    assert 'href="https://pay.example.com/x?a=1&amp;b=2"' in page
    assert "Ask the operator" not in page


@pytest.mark.parametrize("path", [PAGE, STREAM])
def test_it_is_for_those_who_may_see_it(counter, shop, path):
    for role in Role:
        counter.pages.person(f"{role}@example.com", shop.org, role=role)
    for role in (Role.VIEWER, Role.MEMBER):
        client = counter.signed_in(f"{role}@example.com")
        assert client.get(path).status_code == 403
        assert "/portal/billing" not in client.get("/portal/usage").text
    client = counter.signed_in("admin@example.com")
    assert client.get(PAGE).status_code == 200
    assert client.get(f"{path}?org=org_8").status_code == 404
    client.cookies.clear()
    assert client.get(path).headers["location"].startswith("/login?next=")


def test_chinese(client, words):
    page = words(client.get(PAGE, headers={"accept-language": "zh-CN"}).text)
    assert "可用余额" in page
    assert "月结单" in page


# --- the stream --------------------------------------------------------------------------------------------------------
@pytest.fixture
def feed(monkeypatch, counter, client):
    monkeypatch.setattr(module, "EVERY_SECONDS", 0)
    monkeypatch.setattr(module, "STREAMS_MAX", 3)
    web = WebSite(counter.engine, counter.shop.clock, Brand(), ["puyun.portal"])
    feed = BillingPage(web, lambda: counter.pages.stopping, Seller())
    feed.cookie = client.cookies["puyun-session"]
    return feed


def asked(feed):
    return request_for(STREAM, feed.cookie)


def told(feed, *steps):
    request = asked(feed)
    return heard(feed._events(request, feed._member(request)), *steps)


def test_a_stream_tells_all_then_what_changed_and_is_what_the_page_says(client, shop, feed):
    shop.sell(USAGE)
    (name, first), (_, same), (_, held), (_, after) = told(
        feed, nothing, nothing, lambda: shop.hold(5), lambda: shop.sell(USAGE)
    )
    assert name == "billing"
    assert same["figures"] == {}
    assert set(held["figures"]["wallet"]) == {"balance", "held", "available", "paid", "bonus", "calls", "for_calls"}
    assert held["figures"]["wallet"]["calls"] == "1"
    assert first["shape"] == same["shape"] == held["shape"] == after["shape"]
    page = client.get(PAGE).text
    assert f'data-shape="{after["shape"]}"' in page
    shown = lines(page)
    for line, figure in (first["figures"] | held["figures"] | after["figures"]).items():
        assert {name: value for name, value in figure.items() if name != "gauge"} == shown[line], line


def test_another_line_is_another_shape(client, shop, feed):
    (_, before), (_, paid), (_, used) = told(feed, nothing, lambda: pay(shop, 1, "more"), lambda: shop.sell(USAGE))
    assert len({before["shape"], paid["shape"], used["shape"]}) == 3
    assert f'data-shape="{used["shape"]}"' in client.get(PAGE).text


def test_a_stream_outlives_a_database_that_is_away(shop, feed, monkeypatch):
    def away():
        def refuse(_org):
            raise OperationalError("select", {}, Exception("away"))

        monkeypatch.setattr(feed, "_look", refuse)

    def back():
        monkeypatch.undo()
        monkeypatch.setattr(module, "EVERY_SECONDS", 0)

    assert [name for name, _ in told(feed, nothing, away, back)] == ["billing", "away", "billing"]


def test_a_reader_who_may_not_read_on_is_told_and_the_stream_ends(shop, feed, monkeypatch):
    def forbidden():
        monkeypatch.setitem(ALLOWED, Role.OWNER, ALLOWED[Role.OWNER] - {Permission.SEE_BILLING})
        shop.clock.advance(module.CHECK_EVERY)

    assert [event and event[0] for event in told(feed, nothing, forbidden, nothing)] == ["billing", "gone", None]


def test_a_stream_ends_when_the_server_wants_to_go(counter, feed):
    assert told(feed, nothing, lambda: setattr(counter.pages, "stopping", True))[-1] is None


def test_streams_that_begin_together_are_bounded(feed):
    async def scene():
        tries = [feed.stream(asked(feed)) for _ in range(10)]
        return await asyncio.gather(*tries, return_exceptions=True)

    refused = [answer for answer in asyncio.run(scene()) if isinstance(answer, PuyunError)]
    assert {(error.code, error.status) for error in refused} == {("too_many_streams", 503)}
    assert len(refused) == 7


def test_the_page_says_how_fast_money_goes_and_for_how_long_it_lasts(client, shop, words):
    assert "data-burn" not in client.get(PAGE).text
    shop.sell(Usage(output=100_000))  # 1.00 of 5.001
    page = words(client.get(PAGE).text)
    assert "Used a day $1.00 mean of the last day lasts for about 4 days at that" in page
