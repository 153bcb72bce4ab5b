"""Turning the codes on and off, and what is kept of them where."""

import pytest
from stage.pages import PASSWORD

from puyun.system.vault import KEY_FILE

PAGE = "/portal/settings/security"


def kept(pages):
    with pages.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT secret, confirmed_at FROM second_step").all()


def test_codes_are_shown_once_and_asked_for_from_then_on(ada, enrolled, browser):
    _, codes = enrolled
    assert len(set(codes)) == 10
    page = ada.get(PAGE).text
    assert "10 recovery codes are left" in page
    assert not any(code in page for code in codes)
    assert ada.inside
    assert browser().sign_in().headers["location"].startswith("/login/code")


def test_nothing_is_asked_before_the_first_code_was_right(ada, browser):
    ada.fill("code/begin", "")
    assert ada.fill("code", code="000000").status_code == 422
    assert browser().sign_in().headers["location"] == "/portal/usage"


def test_the_secret_lies_in_the_database_encrypted_and_recovery_codes_as_hashes(pages, ada, app, codes, tmp_path):
    [(secret, confirmed)] = kept(pages)
    assert confirmed
    assert app._secret not in secret
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    with pages.engine.connect() as connection:
        hashes = connection.exec_driver_sql("SELECT hash FROM recovery_code").scalars().all()
    assert all(code.replace("-", "").encode() not in found for code in codes for found in hashes)


def test_pages_with_secrets_are_kept_by_nobody_and_the_picture_is_an_image_of_our_own(ada):
    ada.fill("code/begin", "")
    picture = ada.get(f"{PAGE}/code/picture.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in picture.content
    for path in ("code", "code/picture.svg"):
        assert ada.get(f"{PAGE}/{path}").headers["cache-control"] == "no-store"
    assert "style=" not in ada.get(f"{PAGE}/code").text


def test_once_it_is_on_nobody_sees_the_secret_again(ada, app):
    assert ada.get(f"{PAGE}/code").headers["location"].endswith("done=code-on")
    assert ada.get(f"{PAGE}/code/picture.svg").status_code == 404
    assert ada.fill("code/begin", "", csrf=ada.token(f"{PAGE}/password")).headers["location"].endswith("done=code-on")


def test_a_form_that_is_sent_again_changes_nothing(ada, clock, pages, app):
    before = kept(pages)
    token = ada.token(f"{PAGE}/password")
    answer = ada.post(f"{PAGE}/code", data={"csrf": token, "code": app.code()})
    assert answer.headers["location"].endswith("done=code-on")
    assert kept(pages) == before


def test_turning_it_off_needs_the_password(ada, app, browser):
    assert ada.fill("code/off", password="a guess").status_code == 422
    assert browser().sign_in().headers["location"].startswith("/login/code")
    assert ada.fill("code/off", password=PASSWORD).status_code == 303
    assert browser().sign_in().headers["location"] == "/portal/usage"


def test_new_recovery_codes_need_the_password_and_end_the_old_ones(ada, codes, pages):
    def count():
        with pages.engine.connect() as connection:
            return set(connection.exec_driver_sql("SELECT hash FROM recovery_code").scalars())

    before = count()
    assert ada.fill("code/recovery", password="a guess").status_code == 422
    assert count() == before
    answer = ada.fill("code/recovery", password=PASSWORD)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.count("<li><code>") == 10
    assert len(count()) == 10
    assert not count() & before


def test_there_is_nothing_to_turn_off_or_renew_where_nothing_is_on(ada):
    for path in ("code/off", "code/recovery"):
        assert ada.get(f"{PAGE}/{path}").headers["location"] == PAGE
    token = ada.token(PAGE)
    form = {"csrf": token, "password": PASSWORD}
    assert ada.post(f"{PAGE}/code/recovery", data=form).headers["location"] == PAGE


@pytest.mark.parametrize("path", ["code/begin", "code", "code/off", "code/recovery"])
def test_each_form_needs_a_session_and_a_token(ada, browser, path):
    assert ada.post(f"{PAGE}/{path}", data={"password": PASSWORD}).status_code == 403
    assert browser().post(f"{PAGE}/{path}", data={}).headers["location"].startswith("/login")


def test_what_changed_is_listed_for_its_user_alone(ada, app, browser, pages):
    ada.fill("code/off", password=PASSWORD)
    ada.fill("password", present=PASSWORD, new="a new one, and longer", again="a new one, and longer")
    page = ada.get(PAGE).text
    places = [page.index(words) for words in ("Password changed", "app turned off", "app turned on")]
    assert places == sorted(places)
    pages.person("eve@example.com", pages.organization("Others"))
    eve = browser()
    eve.sign_in("eve@example.com")
    assert "Password changed" not in eve.get(PAGE).text
