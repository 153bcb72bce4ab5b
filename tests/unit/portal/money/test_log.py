"""The page of receipts: the organization's calls, filtered and page by page, and one by its id."""

import re
from html import unescape

import pytest

from puyun.catalog.model import Tier
from puyun.identity.keys import ENTROPY_BYTES, mint
from puyun.identity.model import KeySpec, Role
from puyun.kit.ids import format_id, request_id
from puyun.ledger.command import Act
from puyun.ledger.hold import Status
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage.engine import writing
from puyun.storage.identity import create_key, revoke_key
from puyun.storage.money.refunds import refund_call
from puyun.storage.reports import calls

PAGE = "/portal/receipts"
USAGE = Usage(input=1000, cached_input=500, output=200, reasoning=50)


def ids(page):
    return re.findall(r'data-call="(req_\w+)"', page)


def link(page, text):
    found = re.search(rf'href="([^"]*)"[^>]*>{text}<', page)
    return unescape(found[1]) if found else None


def test_a_row_has_what_the_call_was_and_leads_to_its_receipt(client, shop, words):
    call = request_id(7, shop.sell(USAGE))
    page = client.get(PAGE).text
    assert ids(page) == [call]
    row = words(re.search(r"<tr data-call.*?</tr>", page, re.DOTALL)[0])
    assert row == "2026-11-25 12:00:00 m Flex ci 1,500 250 $0.00625 Completed 300 ms"
    assert f'href="{PAGE}/{call}"' in page
    assert client.get(f"{PAGE}/{call}").status_code == 200


def test_each_filter_stands_in_the_address_and_is_shown_as_chosen(client, shop):
    first = request_id(7, shop.sell(USAGE))
    shop.later(24)
    failed = request_id(7, shop.sell(NO_USAGE, Status.FAILED))
    shop.later(24)
    other = request_id(7, shop.sell(Usage(input=3), model="n"))
    key = format_id("key", shop.key.id)
    for query, expected in (
        ("", [other, failed, first]),
        ("model=n", [other]),
        ("model=nobody", []),
        (f"key={key}&status=completed", [other, first]),
        ("status=failed", [failed]),
        ("tier=flex", [other, failed, first]),
        ("tier=test", []),
        ("from=2026-11-26", [other, failed]),
        ("to=2026-11-26", [failed, first]),
        ("from=2026-11-26&to=2026-11-26", [failed]),
        ("from=2026-11-26&to=2026-11-25", [failed, first]),
        ("from=soon&tier=gold&status=odd&before=zz", [other, failed, first]),
    ):
        assert ids(client.get(f"{PAGE}?{query}").text) == expected, query
    page = client.get(f"{PAGE}?model=n&key={key}&tier=flex&status=completed&from=2026-11-26").text
    for chosen in (">n<", f' value="{key}"', ' value="flex"', ' value="completed"'):
        assert re.search(rf"<option[^>]*{chosen}", page), chosen
    assert page.count(" selected>") == 4
    assert 'name="from" value="2026-11-26"' in page


def test_pages_follow_one_another_with_their_filter(client, shop, monkeypatch):
    monkeypatch.setattr(calls, "PAGE", 2)
    sold = [request_id(7, shop.sell(USAGE)) for _ in range(5)]
    seen, address = [], f"{PAGE}?model=m"
    for _ in range(3):
        page = client.get(address).text
        seen += ids(page)
        address = link(page, "Older calls")
        assert address is None or "model=m" in address
    assert seen == sold[::-1]
    assert address is None
    assert link(page, "Newest") == f"{PAGE}?model=m"


def test_a_long_search_says_how_far_it_came_and_goes_on(client, shop, monkeypatch, words):
    monkeypatch.setattr(calls, "LOOKED_MAX", 2)
    wanted = request_id(7, shop.sell(USAGE, model="n"))
    for _ in range(3):
        shop.sell(USAGE)
    page = client.get(f"{PAGE}?model=n").text
    assert ids(page) == []
    assert "Looked through the calls back to Nov 25, 2026" in words(page)
    assert ids(client.get(link(page, "Older calls")).text) == [wanted]


def test_what_was_given_back_is_told(client, shop, words):
    part, whole = shop.sell(USAGE), shop.sell(USAGE)
    with writing(shop.engine) as connection:
        refund_call(connection, 7, part, 1, act=Act("r", "ops", "a test"), now=shop.clock.now())
        refund_call(connection, 7, whole, None, act=Act("r", "ops", "a test"), now=shop.clock.now())
    page = words(client.get(PAGE).text)
    assert "Completed $0.000000001 given back" in page
    assert "$0.00625 Given back 300 ms" in page


def test_an_id_leads_to_its_receipt_or_is_said_to_be_none(client, shop):
    call = request_id(7, shop.sell(USAGE))
    assert client.get(f"{PAGE}?id=+{call}+").headers["location"] == f"{PAGE}/{call}"
    for nothing in ("req_1", request_id(8, 1), request_id(7, 1), '"><script>'):
        answer = client.get(PAGE, params={"id": nothing})
        assert answer.status_code == 404
        assert "There is no receipt with this id." in answer.text
        assert ids(answer.text) == [call]
        assert "<script>" not in answer.text.replace('<script defer src="', "").replace('<script type="module"', "")


def test_states_without_calls(client, shop, words):
    page = words(client.get(PAGE).text)
    assert "No calls yet" in page
    assert "/v1/chat/completions" in page
    shop.sell(USAGE)
    page = client.get(f"{PAGE}?status=failed").text
    assert "No call fits." in page
    assert link(page, "Show all calls") == PAGE


def test_somebody_elses_calls_and_keys_are_out_of_reach(counter, client, shop):
    shop.sell(USAGE)
    with writing(shop.engine) as connection:
        rivals = shop.organization(connection, "Rivals", 8)
        theirs = shop.api_key(connection, rivals, seed=2)
    for key in (format_id("key", theirs.id), "key_0", "nonsense"):
        assert client.get(f"{PAGE}?key={key}").status_code == 404
    assert client.get(f"{PAGE}?org={format_id('org', 8)}").status_code == 404
    counter.pages.person("eve@example.com", rivals)
    assert ids(counter.signed_in("eve@example.com").get(PAGE).text) == []


def test_a_key_that_was_revoked_still_has_its_calls(client, shop):
    call = request_id(7, shop.sell(USAGE))
    with writing(shop.engine) as connection:
        revoke_key(connection, shop.key.id, shop.clock.now())
        spec = KeySpec(tier=Tier.TEST, name="<b>")
        create_key(connection, shop.org, spec, mint((9).to_bytes(ENTROPY_BYTES)), shop.clock.now())
    page = client.get(f"{PAGE}?key={format_id('key', shop.key.id)}").text
    assert ids(page) == [call]
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize("role", list(Role))
def test_who_may_see_usage_has_the_link_and_who_may_see_billing_the_other(counter, shop, role):
    counter.pages.person("eve@example.com", shop.org, role=role)
    page = counter.signed_in("eve@example.com").get(PAGE)
    assert page.status_code == 200
    assert 'href="/portal/receipts" aria-current="page"' in page.text
    assert ('href="/portal/billing"' in page.text) is (role in {Role.OWNER, Role.ADMIN, Role.BILLING})


def test_a_member_of_two_organizations_keeps_the_one_that_was_chosen(counter, shop):
    call = request_id(7, shop.sell(USAGE))
    other = counter.pages.organization("Zeta")
    counter.pages.person("both@example.com", shop.org, other)
    client = counter.signed_in("both@example.com")
    page = client.get(f"{PAGE}?org={format_id('org', 7)}").text
    address = unescape(re.search(rf'"({PAGE}/req_[^"]*)"', page)[1])
    assert address == f"{PAGE}/{call}?org=org_7"
    assert client.get(address).status_code == 200
    assert client.get(f"{PAGE}/{call}?org={format_id('org', other.id)}").status_code == 404


def test_chinese(client, shop, words):
    shop.sell(USAGE)
    page = words(client.get(PAGE, headers={"accept-language": "zh-CN"}).text)
    assert "输入 token" in page
    assert "已完成" in page
