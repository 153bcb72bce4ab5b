"""Codes redeemed in the portal: credited once, refused with words, and not to be guessed."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from puyun.identity.access import Permission, may
from puyun.identity.model import Role
from puyun.kit.clock import Instant
from puyun.kit.money import NANO
from puyun.ledger.acts.grant import CodeKind
from puyun.storage.engine import reading, writing
from puyun.storage.money.codes import CodeSpec, add_codes
from puyun.storage.wallets import load_wallet
from puyun.web import throttle

BILLING = "/portal/billing"
REDEEM = f"{BILLING}/redeem"


def made(shop, code, **more):
    now = shop.clock.now()
    spec = CodeSpec(**{"kind": CodeKind.SOLD, "amount": 5 * NANO, "currency": "USD"} | more)
    with writing(shop.engine) as connection:
        add_codes(connection, spec, [code], now)
    return code


def redeem(client, code, **more):
    secret = re.search(r'name="csrf" value="(\w*)"', client.get(REDEEM).text)[1]
    return client.post(REDEEM, data={"csrf": secret, "code": code} | more)


def balance(shop):
    with reading(shop.engine) as connection:
        return load_wallet(connection, shop.org.id).balance


def test_a_code_is_credited_once_however_it_is_typed(client, shop):
    code, before = made(shop, "abcd-efgh-jkmn-pqrs"), balance(shop)
    answer = redeem(client, " ABCD efgh jkmnpqrs ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BILLING}?said=redeemed")
    page = client.get(answer.headers["location"]).text
    assert "The code is credited" in page
    assert page.count('data-entry="redeem"') == 1
    assert redeem(client, code).status_code == 303  # the same organization gets its first answer again
    assert balance(shop) == before + 5 * NANO


def test_two_that_are_sent_at_once_credit_once(counter, client, shop):
    code, before, clients = made(shop, "abcd-efgh-jkmn-pqrs"), balance(shop), [client, counter.signed_in()]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda each: redeem(each, code).status_code, clients))
    assert answers == [303, 303]
    assert balance(shop) == before + 5 * NANO


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"expires_at": Instant(1)}, 409, "This code has expired"),
        ({"currency": "EUR"}, 409, "another currency"),
    ],
)
def test_a_code_that_is_not_fit_credits_nothing(client, shop, more, status, words):
    before = balance(shop)
    answer = redeem(client, made(shop, "abcd-efgh-jkmn-pqrs", **more))
    assert answer.status_code == status
    assert words in answer.text
    assert 'value="abcd-efgh-jkmn-pqrs"' in answer.text
    assert balance(shop) == before


def test_what_another_organization_used_is_used(counter, client, shop):
    code = made(shop, "abcd-efgh-jkmn-pqrs")
    counter.pages.person("eve@example.com", counter.pages.organization("Other"))
    assert redeem(counter.signed_in("eve@example.com"), code).status_code == 303
    before = balance(shop)
    answer = redeem(client, code)
    assert (answer.status_code, "used already" in answer.text) == (409, True)
    assert balance(shop) == before


@pytest.mark.parametrize("code", ["", " ", "x" * 61])
def test_what_is_no_code_is_not_looked_for(client, code):
    answer = redeem(client, code)
    assert (answer.status_code, "There is no such code" in answer.text) == (422, True)


def test_guessing_is_slowed_down_and_what_is_right_then_has_to_wait(client, shop):
    code = made(shop, "abcd-efgh-jkmn-pqrs")
    statuses = [redeem(client, f"guess-{number}").status_code for number in range(throttle.FREE_CODES + 1)]
    assert statuses == [404] * throttle.FREE_CODES + [429]
    answer = redeem(client, code)
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    assert "Too many tries" in answer.text
    shop.later(1)
    assert redeem(client, code).status_code == 303


def test_a_form_without_its_secret_is_refused(client, shop):
    before, code = balance(shop), made(shop, "abcd-efgh-jkmn-pqrs")
    assert redeem(client, code, csrf="another").status_code == 403
    assert balance(shop) == before


@pytest.mark.parametrize("role", Role)
def test_whoever_may_top_up_may_redeem(counter, shop, role):
    counter.pages.person("bob@example.com", shop.org, role=role)
    client = counter.signed_in("bob@example.com")
    assert (client.get(REDEEM).status_code == 200) == may(role, Permission.TOP_UP)
    assert client.post(REDEEM, data={"code": "x"}).status_code == 403
