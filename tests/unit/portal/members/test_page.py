"""The members page and the links that it makes, as browsers use them."""

import re

import pytest
from stage.pages import PASSWORD, Site
from starlette.testclient import TestClient

from puyun.config import Mail
from puyun.identity.model import Role
from puyun.kit.clock import DAY, ManualClock
from puyun.storage.engine import reading
from puyun.storage.identity import list_members
from puyun.storage.mail.post import newest

PATH = "/portal/settings/members"
NEW = "a long new password"


@pytest.fixture
def clock():
    return ManualClock(10**15)


@pytest.fixture
def mail():
    return Mail()


@pytest.fixture
def pages(tmp_path, migrated, clock, mail):
    site = Site(tmp_path, migrated, clock=clock, mail=mail)
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


def browser(pages, email=None):
    client = TestClient(pages.app, follow_redirects=False)
    if email:
        answer = client.post(
            "/login", data={"csrf": token_of(client.get("/login").text), "email": email, "password": PASSWORD}
        )
        assert answer.status_code == 303
    return client


def token_of(page):
    return re.search(r'name="csrf" value="(\w*)"', page)[1]


def post(client, path, shown=PATH, **form):
    return client.post(path, data={"csrf": token_of(client.get(shown).text)} | form)


def roles(pages, organization):
    with reading(pages.engine) as connection:
        return {user.email: role for user, role in list_members(connection, organization.id)}


def invited(client, email="bob@example.com", role="member"):
    answer = post(client, f"{PATH}/invite", email=email, role=role)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return re.search(r'id="invitation-link"[^>]*>http://testserver(/join/[^<]+)<', answer.text)[1]


@pytest.fixture
def ada(pages, engines):
    pages.person("ada@example.com", engines)
    return browser(pages, "ada@example.com")


def test_a_stranger_joins_through_a_link_where_sign_up_is_closed(pages, engines, ada):
    link = invited(ada)
    assert link not in ada.get(PATH).text  # shown once
    bob = browser(pages)
    answer = post(bob, link, link, password=NEW)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/portal")
    assert "Engines" in bob.get("/portal/usage").text
    assert roles(pages, engines) == {"ada@example.com": Role.OWNER, "bob@example.com": Role.MEMBER}
    assert bob.get(PATH).status_code == 403
    assert bob.get(link).status_code == 410


def test_somebody_known_signs_in_and_joins(pages, engines, ada):
    pages.person("bob@example.com", pages.organization("Looms"))
    link = invited(ada, role="billing")
    stranger = browser(pages)
    page = stranger.get(link).text
    assert 'name="password"' not in page
    assert f"/login?next={link}" in page
    bob = browser(pages, "bob@example.com")
    assert post(bob, link, link).status_code == 303
    assert roles(pages, engines)["bob@example.com"] is Role.BILLING


def test_a_known_user_gets_no_second_password_through_a_link(pages, engines, ada):
    link = invited(ada)
    stranger = browser(pages)
    csrf = token_of(stranger.get(link).text)
    pages.person("bob@example.com")
    assert stranger.post(link, data={"csrf": csrf, "password": NEW}).status_code == 409
    assert "bob@example.com" not in roles(pages, engines)


def test_a_link_of_another_is_not_taken(pages, engines, ada):
    link = invited(ada)
    pages.person("eve@example.com", pages.organization("Looms"))
    eve = browser(pages, "eve@example.com")
    assert "This invitation is for bob@example.com" in eve.get(link).text
    assert post(eve, link).status_code == 403
    assert set(roles(pages, engines)) == {"ada@example.com"}


def test_an_old_link_and_a_forged_form_open_nothing(pages, engines, ada, clock):
    link = invited(ada)
    assert browser(pages).post(link, data={"password": NEW}).status_code == 403
    assert ada.post(f"{PATH}/invite", data={"email": "eve@example.com", "role": "owner"}).status_code == 403
    clock.advance(7 * DAY)
    assert browser(pages).get(link).status_code == 410


def test_a_short_password_is_said_and_the_link_still_works(pages, engines, ada):
    link = invited(ada)
    bob = browser(pages)
    assert post(bob, link, link, password="short").status_code == 400
    assert post(bob, link, link, password=NEW).status_code == 303


def test_roles_change_and_the_last_owner_stays(pages, engines, ada):
    bob = pages.person("bob@example.com", engines, role=Role.MEMBER)
    assert post(ada, f"{PATH}/{bob.id}/role", role="viewer").status_code == 303
    assert roles(pages, engines)["bob@example.com"] is Role.VIEWER
    own = next(user for user, _ in members(pages, engines) if user.email == "ada@example.com")
    answer = post(ada, f"{PATH}/{own.id}/role", role="member")
    assert answer.status_code == 409
    assert "An organization needs an owner" in answer.text
    assert post(ada, f"{PATH}/{bob.id}/role", role="emperor").status_code == 400


def members(pages, organization):
    with reading(pages.engine) as connection:
        return list_members(connection, organization.id)


def test_an_admin_cannot_touch_owners(pages, engines, ada):
    pages.person("root@example.com", engines, role=Role.ADMIN)
    own = next(user for user, _ in members(pages, engines) if user.email == "ada@example.com")
    admin = browser(pages, "root@example.com")
    assert 'value="owner"' not in admin.get(PATH).text
    assert post(admin, f"{PATH}/{own.id}/remove").status_code == 403
    assert post(admin, f"{PATH}/invite", email="eve@example.com", role="owner").status_code == 403


def test_removing_asks_first_and_who_is_gone_is_out(pages, engines, ada):
    bob = pages.person("bob@example.com", engines, role=Role.MEMBER)
    client = browser(pages, "bob@example.com")
    asked = ada.get(f"{PATH}/{bob.id}/remove")
    assert "bob@example.com" in asked.text
    assert post(ada, f"{PATH}/{bob.id}/remove").status_code == 303
    assert client.get("/portal/usage").status_code == 403
    assert post(ada, f"{PATH}/{bob.id}/remove").status_code == 404


def test_people_of_another_organization_are_out_of_reach(pages, engines, ada):
    looms = pages.organization("Looms")
    eve = pages.person("eve@example.com", looms)
    assert ada.get(f"{PATH}/{eve.id}/remove").status_code == 404
    assert post(ada, f"{PATH}/{eve.id}/role", role="viewer").status_code == 404
    assert roles(pages, looms) == {"eve@example.com": Role.OWNER}


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_only_who_manages_members_sees_the_page(pages, engines, role):
    pages.person("bob@example.com", engines, role=role)
    assert browser(pages, "bob@example.com").get(PATH).status_code == 403


def test_billing_sees_usage_and_billing_alone(pages, engines):
    pages.person("bob@example.com", engines, role=Role.BILLING)
    bob = browser(pages, "bob@example.com")
    found = [bob.get(f"/portal/{name}").status_code for name in ("usage", "billing", "keys/new")]
    assert found == [200, 200, 403]


def test_an_invitation_is_withdrawn(pages, engines, ada):
    link = invited(ada)
    path = re.search(rf"{PATH}/invitations/\d+/withdraw", ada.get(PATH).text)[0]
    assert post(ada, path).status_code == 303
    assert browser(pages).get(link).status_code == 410
    assert post(ada, path).status_code == 404


@pytest.mark.parametrize("mail", [Mail(host="localhost", sender="a@example.com", links="https://ai.example.com")])
def test_with_a_mail_server_the_link_goes_by_mail_and_is_not_shown(pages, engines, ada):
    answer = post(ada, f"{PATH}/invite", email="bob@example.com", role="member")
    assert answer.status_code == 303
    with reading(pages.engine) as connection:
        (posted,) = newest(connection, 10)
    assert posted.letter.recipient == "bob@example.com"
    assert "Engines" in posted.letter.subject
    link = re.search(r"https://ai\.example\.com(/join/\S+)", posted.letter.body)[1]
    assert link not in ada.get(PATH).text
    assert browser(pages).get(link).status_code == 200


def test_whoever_manages_members_sees_what_changed_and_nobody_elsewhere_does(pages, engines, ada):
    link = invited(ada)
    bob = browser(pages)
    post(bob, link, link, password=NEW)
    user = next(user for user, _ in members(pages, engines) if user.email == "bob@example.com")
    post(ada, f"{PATH}/{user.id}/role", role="viewer")
    post(ada, f"{PATH}/{user.id}/role", role="viewer")  # which changes nothing
    post(ada, f"{PATH}/{user.id}/remove", role="viewer")
    listed = re.findall(r"<li><b>([^<]+)</b>([^<]*)<p", ada.get(PATH).text)
    assert [(what, about.strip()) for what, about in listed] == [
        ("Member removed", "· bob@example.com"),
        ("Role changed", "· bob@example.com · Viewer"),
        ("Joined", "· Member"),
        ("Invited", "· bob@example.com"),
    ]
    pages.person("eve@example.com", pages.organization("Looms"))
    assert "What changed" not in browser(pages, "eve@example.com").get(PATH).text
