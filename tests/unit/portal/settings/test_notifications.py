"""Notifications: what happened, as far as one may see it; a threshold by those who pay; letters by each for themselves."""

import re
from html import unescape

import pytest
from stage.pages import Site
from stage.visitor import signed_in

from puyun.config import Mail
from puyun.identity.model import Role
from puyun.kit.clock import ManualClock, parse_instant
from puyun.kit.money import NANO
from puyun.notices.kinds import Kind
from puyun.portal.settings.notifications import SHOWN
from puyun.storage.engine import reading, writing
from puyun.storage.notify.choices import chosen, language_of
from puyun.storage.notify.watching import load_watch
from puyun.storage.wallets import MoneyKind, top_up

NOW = parse_instant("2026-03-15T12:30:00Z")
PAGE = "/portal/settings/notifications"


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


@pytest.fixture
def ada(pages, engines):
    return pages.person("ada@example.com", engines)


@pytest.fixture
def client(pages, ada):
    return signed_in(pages)


def send(client, path, **fields):
    token = re.search(r'name="csrf" value="(\w+)"', client.get(PAGE).text)[1]
    return client.post(PAGE + path, data={"csrf": token} | fields)


def threshold(pages, org):
    with reading(pages.engine) as connection:
        return load_watch(connection, org.id).threshold


def ticked(page):
    return {kind for kind, rest in re.findall(r'name="kind" value="([\w.]+)"([^>]*)>', page) if "checked" in rest}


def test_nothing_has_happened_yet_and_no_mail_goes_out(client):
    page = client.get(PAGE).text
    assert "Nothing yet." in page
    assert "no mail server" in page
    assert ticked(page) == {"balance.low", "balance.empty", "budget.reached", "webhook.disabled"}


def test_with_a_mail_server_nothing_is_said_of_none(tmp_path, migrated):
    site = Site(tmp_path, migrated, mail=Mail(host="mail", sender="us@example.com", links="https://x.example"))
    site.person("ada@example.com", site.organization("Engines"))
    page = signed_in(site).get(PAGE).text
    assert ("no mail server" in page, "at most 30 a day" in page) == (False, True)
    site.close()


def test_what_happened_is_listed_newest_first_in_pages(client, pages, engines):
    for number in range(SHOWN + 3):
        pages.key(engines, f"key number {number}")
    first = client.get(PAGE).text
    older = unescape(re.search(r'rel="next" href="([^"#]+)', first)[1])
    second = client.get(older).text
    names = [re.findall(r"key number (\d+)", page) for page in (first, second)]
    assert names[0] + names[1] == [str(number) for number in reversed(range(SHOWN + 3))]
    assert 'rel="next"' not in second
    assert "There is nothing older." in client.get(f"{PAGE}?before=evt_0").text
    assert "key number 12" in client.get(f"{PAGE}?before=nonsense").text
    assert client.get(f"{PAGE}?before=evt_zzzzzzzzzzzzz").status_code == 200


def test_names_are_text_and_nothing_else(client, pages, engines):
    pages.key(engines, "<b>bold</b>")
    page = client.get(PAGE).text
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold" in page


def test_who_may_not_see_bills_sees_no_payments(pages, engines, client):
    with writing(pages.engine) as connection:
        top_up(connection, engines.id, 20 * NANO, kind=MoneyKind.PAID, ref="wire", now=NOW)
        top_up(connection, engines.id, 20 * NANO, kind=MoneyKind.PAID, ref="wire", now=NOW)
    assert client.get(PAGE).text.count("$20.00 came in") == 1
    pages.person("vic@example.com", engines, role=Role.VIEWER)
    page = signed_in(pages, "vic@example.com").get(PAGE).text
    assert ("came in" in page.partition("By mail when")[0], "topup.credited" in page, "Threshold" in page) == (
        False,
        False,
        False,
    )


def test_another_organizations_events_are_not_there(pages, client):
    pages.key(pages.organization("Others"), "foreign")
    assert "foreign" not in client.get(PAGE).text


def test_a_threshold_is_set_shown_and_taken_away(client, pages, engines):
    assert send(client, "/threshold", threshold=" 20.50 ").headers["location"] == f"{PAGE}?said=threshold"
    assert threshold(pages, engines) == 20_500_000_000
    assert 'value="20.50"' in client.get(f"{PAGE}?said=threshold").text
    send(client, "/threshold", threshold="")
    assert threshold(pages, engines) is None


@pytest.mark.parametrize("text", ["0", "-5", "1e3", "much", "99999999999", "1.0000000001"])
def test_what_is_no_threshold_loses_nothing(client, pages, engines, text):
    answer = send(client, "/threshold", threshold=text)
    assert (answer.status_code, f'value="{text}"' in answer.text) == (422, True)
    assert 'id="threshold-fault"' in answer.text
    assert threshold(pages, engines) is None


@pytest.mark.parametrize(
    ("role", "status"), [(Role.ADMIN, 303), (Role.BILLING, 303), (Role.MEMBER, 403), (Role.VIEWER, 403)]
)
def test_who_sets_a_threshold(pages, engines, role, status):
    pages.person("ben@example.com", engines, role=role)
    ben = signed_in(pages, "ben@example.com")
    assert ('id="threshold"' in ben.get(PAGE).text) is (status == 303)
    assert send(ben, "/threshold", threshold="5").status_code == status
    assert threshold(pages, engines) == (5 * NANO if status == 303 else None)


def test_letters_are_chosen_by_each_for_themselves(client, pages, engines, ada):
    ben = pages.person("ben@example.com", engines)
    assert send(client, "/letters", kind=["key.created", "nothing"], language="zh").status_code == 303
    assert ticked(client.get(PAGE).text) == {"key.created"}
    with reading(pages.engine) as connection:
        assert chosen(connection, engines.id, ada.id) == {kind: kind is Kind.KEY_CREATED for kind in Kind}
        assert chosen(connection, engines.id, ben.id) == {}
        assert language_of(connection, ada.id) == "zh"


def test_a_viewer_can_choose_only_what_they_may_see(pages, engines):
    vic = pages.person("vic@example.com", engines, role=Role.VIEWER)
    send(signed_in(pages, "vic@example.com"), "/letters", kind=["balance.low", "price.announced"])
    with reading(pages.engine) as connection:
        assert chosen(connection, engines.id, vic.id) == {Kind.PRICE_ANNOUNCED: True}


def test_forms_without_their_token_do_nothing(client, pages, engines, ada):
    assert client.post(f"{PAGE}/threshold", data={"threshold": "5"}).status_code == 403
    assert client.post(f"{PAGE}/letters", data={"kind": "key.created"}).status_code == 403
    with reading(pages.engine) as connection:
        assert chosen(connection, engines.id, ada.id) == {}


def test_signing_in_says_which_language_letters_are_in_until_one_is_chosen(client, pages, ada):
    with reading(pages.engine) as connection:
        assert language_of(connection, ada.id) == "en"
    send(client, "/letters", language="zh")
    signed_in(pages)
    with reading(pages.engine) as connection:
        assert language_of(connection, ada.id) == "zh"
