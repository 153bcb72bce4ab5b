"""One's sessions: what is shown of them, and who may end which."""

import re

from stage.pages import PASSWORD

from puyun.kit.clock import DAY, MINUTE
from puyun.kit.ids import format_id
from puyun.storage.engine import writing
from puyun.storage.security.passkeys import NewPasskey, add_passkey

PAGE = "/portal/settings/security"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


def names(page):
    return re.findall(r'data-session="(\w+)"', page)


def test_sessions_are_listed_with_their_devices_this_one_first(ada, browser, clock):
    other = browser(FIREFOX)
    clock.advance(MINUTE)
    other.sign_in()
    page = ada.get(PAGE).text
    assert len(names(page)) == 2
    assert page.index("Chrome on Linux") < page.index("this one") < page.index("Firefox on Windows")
    assert names(other.get(PAGE).text) == names(page)[::-1]
    assert ada.cookies["puyun-session"] not in page


def test_one_session_is_ended_and_the_rest_stays(ada, browser):
    phone, desk = browser(PHONE), browser(FIREFOX)
    phone.sign_in()
    desk.sign_in()
    page = ada.get(PAGE).text
    name = re.search(r'data-session="(\w+)">\s*<div><b>Safari on iPhone', page)[1]
    answer = ada.fill("sessions/end", "", session=name)
    assert answer.headers["location"] == f"{PAGE}?done=session"
    assert "The session has ended." in ada.get(answer.headers["location"]).text
    assert (ada.inside, phone.inside, desk.inside) == (True, False, True)
    assert ada.fill("sessions/end", "", session=name).status_code == 303  # again: it is gone, as was asked


def test_all_others_end_at_once(ada, browser):
    others = [browser(), browser()]
    for other in others:
        other.sign_in()
    assert ada.fill("sessions/end-others", "").status_code == 303
    assert ada.inside
    assert not any(other.inside for other in others)
    assert "End all others" not in ada.get(PAGE).text


def test_nobody_ends_or_sees_the_session_of_somebody_else(ada, pages, browser):
    pages.person("eve@example.com", pages.organization("Others"))
    eve = browser(FIREFOX)
    eve.sign_in("eve@example.com", PASSWORD)
    [name] = names(ada.get(PAGE).text)
    assert name not in eve.get(PAGE).text
    eve.fill("sessions/end", "", session=name)
    eve.fill("sessions/end", "", session="")
    eve.fill("sessions/end-others", "")
    assert ada.inside


def test_ending_takes_the_page_s_own_form(ada, browser):
    other = browser()
    other.sign_in()
    assert ada.post(f"{PAGE}/sessions/end-others", data={}).status_code == 403
    assert other.inside
    assert browser().post(f"{PAGE}/sessions/end-others", data={}).headers["location"].startswith("/login")


def test_a_session_that_lay_idle_is_not_listed(ada, browser, clock):
    clock.advance(5 * DAY)
    ada.get(PAGE)
    other = browser()
    other.sign_in()
    clock.advance(6 * DAY)
    assert len(names(ada.get(PAGE).text)) == 2
    clock.advance(2 * DAY)
    assert len(names(ada.get(PAGE).text)) == 1


def test_somebody_without_an_organization_has_the_page_too(pages, browser):
    pages.person("op@example.com", operator=True)
    operator = browser()
    operator.sign_in("op@example.com")
    page = operator.get(PAGE)
    assert page.status_code == 200
    assert "op@example.com" in page.text
    assert len(names(page.text)) == 1


def test_links_keep_the_chosen_organization(pages, browser):
    first, second = pages.organization("First"), pages.organization("Second")
    pages.person("two@example.com", first, second)
    two = browser()
    two.sign_in("two@example.com")
    chosen = format_id("org", second.id)
    page = two.get(f"{PAGE}?org={chosen}").text
    assert f'href="{PAGE}/password?org={chosen}"' in page
    assert two.get(f"{PAGE}?org=org_zzzzzz").status_code == 404


def test_a_word_in_the_address_that_means_nothing_says_nothing(ada):
    assert 'role="status"' not in ada.get(f"{PAGE}?done=<script>").text


def test_all_that_can_be_on_is_shown_in_both_languages_with_the_right_number(ada, enrolled, pages, browser):
    with writing(pages.engine) as connection:
        new = NewPasskey(credential=b"c", public_key=b"p", signs=0, name="<my> phone")
        add_passkey(connection, 1, new, pages.clock.now())
        connection.exec_driver_sql("DELETE FROM recovery_code WHERE hash NOT IN (SELECT min(hash) FROM recovery_code)")
    page = ada.get(PAGE).text
    assert "1 recovery code is left" in page
    assert "&lt;my&gt; phone" in page
    page = ada.get(PAGE, headers={"accept-language": "zh-CN"})
    assert page.status_code == 200
    assert "剩余 1 个恢复码" in page.text
