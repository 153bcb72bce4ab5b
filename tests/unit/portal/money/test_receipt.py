"""The page of one receipt: everything the API's receipt has, its proof, and the receipt itself."""

import re
from itertools import combinations, product

import msgspec
import pytest
from msgspec.structs import replace

from puyun.identity.model import Role
from puyun.kit.ids import request_id
from puyun.ledger.command import Act
from puyun.ledger.hold import Status
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage.engine import reading, writing
from puyun.storage.money.refunds import refund_call
from puyun.storage.receipts import charged_note, load_receipt, to_json
from puyun.storage.reports.signatures import KEY_FILE, Signer, load_keys
from puyun.system.signing import new_key, verify
from puyun.web.language import Language
from puyun.web.templates import Templates

USAGE = Usage(input=1234, cached_input=3, output=567)
SAYING = (Flag.EMPTY, Flag.ESTIMATED, Flag.OVERRUN)
"""The flags that a receipt's note speaks of."""


def address(call, org=7):
    return f"/portal/receipts/{request_id(org, call)}"


def fields(page):
    found = re.findall(r'data-field="(\w+)">(?:<span[^>]*>)?([^<]*)', page)
    return {name: value.strip() for name, value in found}


def api(counter, call):
    """What GET /v1/receipts answers: the same functions, with a signer of their own over the same key."""
    with reading(counter.engine) as connection:
        receipt = to_json(load_receipt(connection, 7, call))
    return Signer(counter.engine, counter.folder, counter.shop.clock).sign(receipt)


def test_every_line_and_amount_is_the_apis(counter, client, shop):
    call = shop.sell(USAGE)
    said, page = api(counter, call), client.get(address(call)).text
    rows = re.findall(r'<tr data-meter="(\w+)">(.*?)</tr>', page, re.DOTALL)
    assert [meter for meter, _ in rows] == [line["meter"] for line in said["lines"]]
    for (_, cells), line in zip(rows, said["lines"], strict=True):
        amounts = {
            "tokens": f"{line['tokens']:,}",
            "price": f"${line['price_per_million']}",
            "amount": f"${line['amount']}",
        }
        assert fields(cells) == amounts
    found = fields(page)
    assert found["charge"] == f"${said['charge']}"
    assert found["held"] == f"${said['held']}"
    assert found["balance"] == f"${said['balance_after']}"
    assert said["note"] in page
    assert said["signature"]["value"] in page
    assert said["signature"]["key"] in page


def test_rounding_is_shown_where_there_is_any(counter, client, shop, words):
    call = shop.sell(Usage(input=1), model="n")
    assert "Exact sum" not in client.get(address(call)).text
    overrun = shop.sell(Usage(output=700_000), held=1, flags=Flag.OVERRUN)
    page = words(client.get(address(overrun)).text)
    assert f"Exact sum ${api(counter, overrun)['exact']}" in page
    assert "Left to you −$" in page
    assert "more than was held" in page


def test_refunds_stand_below_the_charge(counter, client, shop, words):
    call = shop.sell(USAGE)
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, 5, act=Act("r", "ops", "a test"), now=shop.clock.now())
    assert "Refund, Nov 25, 2026 +$0.000000005" in words(client.get(address(call)).text)
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, None, act=Act("s", "ops", "a test"), now=shop.clock.now())
    page = client.get(address(call)).text
    assert "Given back" in fields(page)["status"] or "state refunded" in page
    assert fields(page)["refunded"] == f"${api(counter, call)['charge']}"


def test_a_call_that_failed_says_why_it_is_free(client, shop, words):
    call = shop.sell(NO_USAGE, Status.FAILED)
    page = words(client.get(address(call)).text)
    assert "No tokens were counted." in page
    assert "Error upstream_error" in page
    assert "The provider failed before the answer was complete" in page


def test_every_reason_has_a_sentence_that_can_be_translated(shop):
    with reading(shop.engine) as connection:
        receipt = load_receipt(connection, 7, shop.sell(USAGE))
    errors = (None, "crashed", "unrecorded", "upstream_error", "upstream_timeout", "capacity_unavailable")
    flags = [sum(chosen, NO_FLAGS) for size in range(4) for chosen in combinations(SAYING, size)]
    ways = product([status for status in Status if status is not Status.CRASHED], errors, flags, (USAGE, NO_USAGE))
    said = Templates(["puyun.portal"], {}, "USD").get("parts/receipt-note.html", Language.ENGLISH).module.charged_note
    for status, error, flag, usage in ways:
        why = charged_note(replace(receipt, status=status, error=error, flags=Flag(flag), usage=usage))
        assert said(why).strip() == why


def test_chinese(client, shop, words):
    call = shop.sell(USAGE)
    page = words(client.get(address(call), headers={"accept-language": "zh-CN"}).text)
    assert "每类 token 按其价格收费；合计只向下舍入一次。" in page
    assert "Each bucket" not in page


def test_the_download_is_the_apis_receipt_byte_for_byte(counter, client, shop):
    call = shop.sell(USAGE)
    answer = client.get(f"{address(call)}.json")
    assert answer.content == msgspec.json.encode(api(counter, call))
    assert f'filename="{request_id(7, call)}.json"' in answer.headers["content-disposition"]
    with reading(counter.engine) as connection:
        verify(answer.json(), load_keys(connection).keys)


def test_the_signature_is_checked_and_the_verdict_said(counter, client, shop, monkeypatch):
    call = shop.sell(USAGE)
    assert 'data-proof="genuine"' in client.get(address(call)).text
    assert "Genuine" in client.get(address(call)).text
    stranger = new_key()
    monkeypatch.setattr(counter.pages.signer, "sign", stranger.sign)
    page = client.get(address(call)).text
    assert 'data-proof="bad"' in page
    assert "None of the published keys made this signature." in page


def test_a_receipt_is_readable_while_nobody_can_sign(counter, client, shop):
    call = shop.sell(USAGE)
    counter.folder.joinpath(KEY_FILE).write_text("not a key")
    page = client.get(address(call))
    assert page.status_code == 200
    assert 'data-proof="unsigned"' in page.text
    assert client.get(f"{address(call)}.json").status_code == 500


def test_foreign_and_unknown_ids_are_not_found(counter, client, shop):
    running, _ = shop.hold()
    for path in (address(1), address(running), address(1, org=8), "/portal/receipts/req_1", "/portal/receipts/x%22"):
        assert client.get(path).status_code == 404, path
        assert client.get(f"{path}.json").status_code == 404, path
    call = shop.sell(USAGE)
    rivals = counter.pages.organization("Rivals")
    counter.pages.person("eve@example.com", rivals)
    stranger = counter.signed_in("eve@example.com")
    for path in (address(call), f"{address(call)}.json"):
        assert stranger.get(path).status_code == 404
        assert stranger.get(f"{path}?org=org_7").status_code == 404


@pytest.mark.parametrize("role", list(Role))
def test_the_balance_is_for_those_who_may_see_it(counter, shop, role):
    call = shop.sell(USAGE)
    counter.pages.person("eve@example.com", shop.org, role=role)
    client = counter.signed_in("eve@example.com")
    sees = role in {Role.OWNER, Role.ADMIN, Role.BILLING}
    page = client.get(address(call)).text
    assert ("Balance after" in page) is sees
    assert (f"{address(call)}.json" in page) is sees
    assert client.get(f"{address(call)}.json").status_code == (200 if sees else 403)


def test_the_way_in_is_the_sign_in(counter, shop):
    call = shop.sell(USAGE)
    counter.pages.person("eve@example.com", shop.org)
    client = counter.signed_in("eve@example.com")
    client.cookies.clear()
    assert client.get(address(call)).headers["location"].startswith("/login?next=")
