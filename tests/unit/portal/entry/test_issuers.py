"""Signing in by an issuer, against a real one on loopback: who is let in, as whom, and every way in which it must fail."""

import base64
import hmac
import json
import re
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from stage.issuer import CLIENT, StageIssuer, rsa_key
from stage.pages import PASSWORD, Site

from puyun.kit.clock import HOUR, MINUTE, SECOND
from puyun.portal.entry.journey import journey_of
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import find_user, list_memberships
from puyun.storage.security.acts import Kind, acts_of_user
from puyun.storage.security.identities import connect, list_identities
from puyun.storage.security.second import begin_second_step, confirm_second_step
from puyun.storage.signup.verifying import is_verified
from puyun.storage.wallets import load_wallet

EMAIL = "ada@example.com"
SECURITY = "/portal/settings/security"


@pytest.fixture
def issuer(clock):
    with StageIssuer(clock).serving() as issuer:
        yield issuer


@pytest.fixture
def changes():
    return {"allow_signup": True}


@pytest.fixture
def pages(tmp_path, migrated, clock, mail, terms, issuer, changes):
    site = Site(tmp_path, migrated, clock=clock, mail=mail, signup=terms, issuers=[issuer.settings(**changes)])
    yield site
    site.close()


def begin(browser, aim="in"):
    """Where the issuer is; the browser has set out."""
    answer = browser.get(f"/login/oidc/acme?for={aim}&next=/portal/usage")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def agreed(there):
    """Where the issuer sends the browser back to."""
    back = httpx2.get(there, trust_env=False).headers["location"]
    assert back.startswith("http://testserver/login/oidc/acme/callback?")
    return back.removeprefix("http://testserver")


def travel(browser, aim="in"):
    """There and back again."""
    return browser.get(agreed(begin(browser, aim)))


def connected(pages, person, issuer, clock, subject="ada-1"):
    with writing(pages.engine) as connection:
        connect(connection, person.id, issuer.url, subject, email=EMAIL, now=clock.now())


def people(pages):
    with reading(pages.engine) as connection:
        return [row.email for row in connection.execute(schema.user.select())]


@pytest.fixture
def known(pages, person, issuer, clock):
    connected(pages, person, issuer, clock)
    return person


# --- let in ------------------------------------------------------------------------------------------------------------
def test_whom_the_issuer_is_connected_with_is_let_in(browser, known, pages, clock):
    here = browser()
    assert "Sign in with Acme ID" in here.get("/login").text
    answer = travel(here)
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/usage")
    assert here.inside
    with reading(pages.engine) as connection:
        assert list_identities(connection, known.id)[0].used_at == clock.now()


def test_the_second_step_is_asked_for_all_the_same(browser, known, pages, clock):
    with writing(pages.engine) as connection:
        begin_second_step(connection, known.id, b"sealed", clock.now())
        confirm_second_step(connection, known.id, b"sealed", 1, clock.now())
    here = browser()
    assert travel(here).headers["location"] == "/login/code?next=%2Fportal%2Fusage"
    assert not here.inside


def test_a_client_that_puts_its_secret_into_the_form(browser, known, issuer):
    issuer.basic = False
    assert travel(browser()).status_code == 303


def test_the_address_may_come_from_the_issuer_s_other_endpoint(browser, pages, issuer):
    issuer.userinfo = issuer.person
    issuer.person = {"sub": "ada-1"}
    assert travel(browser(), "up").status_code == 303
    assert people(pages) == [EMAIL]


def test_what_that_endpoint_says_of_another_subject_is_not_believed(browser, pages, issuer):
    issuer.userinfo = issuer.person | {"sub": "eve-1"}
    issuer.person = {"sub": "ada-1"}
    assert travel(browser(), "up").status_code == 502
    assert people(pages) == []


# --- signing up --------------------------------------------------------------------------------------------------------
def test_a_stranger_founds_an_organization_with_all_that_goes_with_it(browser, pages, mailbox):
    here = browser()
    assert "Sign up with Acme ID" in here.get("/signup").text
    assert travel(here, "up").status_code == 303
    assert here.inside
    assert "Verify your address" not in here.get("/portal/usage").text
    with reading(pages.engine) as connection:
        user = find_user(connection, EMAIL)
        [(organization, role)] = list_memberships(connection, user.id)
        assert (organization.name, role) == (EMAIL, "owner")
        assert load_wallet(connection, organization.id).bonus > 0
        assert is_verified(connection, user.id)
    assert mailbox.letters == []
    assert travel(browser()).headers["location"] == "/portal/usage"
    assert people(pages) == [EMAIL]


def test_signing_in_makes_no_user_by_itself(browser, pages):
    answer = travel(browser())
    assert answer.status_code == 403
    assert "Nobody here signs in with this account of Acme ID yet" in answer.text
    assert "for=up" in answer.text
    assert people(pages) == []


@pytest.mark.parametrize("changes", [{"allow_signup": False}])
def test_an_issuer_that_brings_nobody_new(browser, pages):
    here = browser()
    assert "Acme ID" not in here.get("/signup").text
    assert "for=up" not in travel(here).text
    assert travel(browser(), "up").status_code == 403
    assert people(pages) == []


@pytest.mark.parametrize(
    "said", [{"email_verified": False}, {"email_verified": None}, {"email_verified": 1}, {"email": ""}, {"email": "x"}]
)
def test_an_address_that_the_issuer_does_not_vouch_for_founds_nothing(browser, pages, issuer, said):
    issuer.person |= said
    answer = travel(browser(), "up")
    assert answer.status_code == 403
    assert "does not say that the address is yours" in answer.text
    assert people(pages) == []


def test_an_address_that_has_a_user_opens_it_to_nobody(browser, pages, person, issuer):
    """Neither to an issuer that says what it likes, nor to whoever signed up first with another's address."""
    for aim, words in (("up", "Somebody signs in with this address already"), ("in", "Nobody here signs in")):
        here = browser()
        answer = travel(here, aim)
        assert words in answer.text
        assert not here.inside
    with reading(pages.engine) as connection:
        assert list_identities(connection, person.id) == []


def test_another_subject_with_the_same_address_is_somebody_else(browser, known, issuer):
    issuer.person |= {"sub": "eve-1"}
    here = browser()
    assert travel(here).status_code == 403
    assert not here.inside


# --- tokens that say nothing -------------------------------------------------------------------------------------------
def by_hand(head, claims, signature):
    """A token that no library would make. `signature`: of the bytes that are signed."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    signed = part(json.dumps(head).encode()) + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(signature(signed))).decode()


def unsigned(claims):
    return by_hand({"alg": "none", "kid": "first"}, claims, lambda _: b"")


def confused(claims):
    """HS256 with the public key for a secret, which everybody has."""
    public = rsa_key("first").as_pem(private=False)
    return by_hand({"alg": "HS256", "kid": "first"}, claims, lambda text: hmac.digest(public, text, "sha256"))


def foreign(claims):
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, rsa_key("foreign"))


def truncated(claims):
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, rsa_key("first"))[:-4]


@pytest.mark.parametrize("sign", [unsigned, confused, foreign, truncated, lambda _: "", lambda _: "a.b.c"])
def test_a_token_that_the_issuer_did_not_sign_is_refused(browser, known, issuer, sign):
    issuer.sign = sign
    here = browser()
    answer = travel(here)
    assert answer.status_code == 502
    assert "cannot be relied on" in answer.text
    assert not here.inside


@pytest.mark.parametrize(
    "said",
    [
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"iss": "https://accounts.example.com"},
        {"iss": None},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 10**9 - 61},
        {"exp": None},
        {"exp": "soon"},
        {"iat": 10**9 + 3600},
        {"iat": None},
        {"nbf": 10**9 + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": 1},
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(browser, known, issuer, said):
    issuer.break_claims = lambda claims: {k: v for k, v in (claims | said).items() if v is not None}
    here = browser()
    assert travel(here).status_code == 502
    assert not here.inside


def test_a_shared_secret_among_the_keys_signs_nothing(browser, known, issuer):
    secret = OctKey.import_key(base64.urlsafe_b64encode(b"x" * 32).decode(), {"kid": "shared"})
    issuer.published.append(secret)
    issuer.sign = lambda claims: jwt.encode({"alg": "HS256", "kid": "shared"}, claims, secret)
    assert travel(browser()).status_code == 502


def test_a_token_for_several_with_us_as_the_party_is_taken(browser, known, issuer):
    issuer.break_claims = lambda claims: claims | {"aud": [CLIENT, "another"], "azp": CLIENT}
    assert travel(browser()).status_code == 303


def test_keys_are_renewed_when_a_token_names_a_new_one_but_not_for_every_made_up_name(browser, known, issuer, clock):
    assert travel(browser()).status_code == 303
    issuer.rotate("second")
    clock.advance(10 * SECOND)
    assert travel(browser()).status_code == 303
    reads = issuer.asked.count("/jwks")
    issuer.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "made up"}, claims, issuer.key)
    for _ in range(5):
        assert travel(browser()).status_code == 502
    assert issuer.asked.count("/jwks") == reads
    issuer.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, rsa_key("first"))
    assert travel(browser()).status_code == 502  # a key that was withdrawn


def test_what_the_issuer_publishes_is_read_once_in_a_while(browser, known, issuer, clock):
    for _ in range(3):
        travel(browser())
    assert issuer.asked.count("/.well-known/openid-configuration") == 1
    clock.advance(HOUR)
    travel(browser())
    assert issuer.asked.count("/.well-known/openid-configuration") == 2


# --- the journey ---------------------------------------------------------------------------------------------------------
def test_an_answer_goes_once_in_the_browser_that_asked(browser, known):
    here, thief = browser(), browser()
    back = agreed(begin(here))
    assert thief.get(back).status_code == 400
    kept = here.cookies["puyun-journey"]
    assert here.get(back).status_code == 303
    assert "puyun-journey" not in here.cookies
    thief.cookies.set("puyun-journey", kept)
    answer = thief.get(back)
    assert (answer.status_code, "Start it again" in answer.text) == (400, True)
    assert not thief.inside


def test_somebody_else_s_answer_is_not_taken(browser, known, issuer):
    """Sign-in forgery: a link with the attacker's code, followed in a browser that is on its own way."""
    victim, attacker = browser(), browser()
    begin(victim)
    back = agreed(begin(attacker))
    assert victim.get(back).status_code == 400
    assert not victim.inside


def test_a_code_that_was_put_under_another_s_state_is_refused(browser, known):
    """The nonce and the verifier are the browser's too, not only the state."""
    victim, attacker = browser(), browser()
    state = parse_qs(urlsplit(begin(victim)).query)["state"][0]
    stolen = agreed(begin(attacker))
    assert victim.get(re.sub(r"state=[^&]*", f"state={state}", stolen)).status_code == 502
    assert not victim.inside


def test_who_takes_too_long_begins_again(browser, known, clock):
    here = browser()
    back = agreed(begin(here))
    clock.advance(10 * MINUTE)
    assert here.get(back).status_code == 400


@pytest.mark.parametrize("cookie", ["x", "a.in.0.b", "a.in.x.b", "....", "é", "a.out.0.b"])
def test_a_cookie_that_is_not_ours_leads_nowhere(browser, known, cookie):
    here = browser()
    back = agreed(begin(here))
    here.cookies.delete("puyun-journey")
    assert here.get(back, headers={"cookie": f"puyun-journey={cookie}".encode()}).status_code == 400
    assert not here.inside


def test_what_a_cookie_carries_cannot_be_changed(browser, known):
    here = browser()
    back = agreed(begin(here))
    parts = here.cookies["puyun-journey"].split(".")
    changed = ".".join((parts[0], "up", *parts[2:]))
    here.cookies.clear()
    here.cookies.set("puyun-journey", changed)
    assert here.get(re.sub(r"state=[^&]*", f"state={journey_of(changed, '').state}", back)).status_code == 400


def test_an_answer_of_another_issuer_is_not_taken(browser, known, issuer):
    here = browser()
    back = agreed(begin(here))
    assert here.get(re.sub(r"iss=[^&]*", "iss=https://evil.example", back)).status_code == 502


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [("access_denied", 403, "you did not agree"), ("server_error", 502, "cannot be relied on")],
)
def test_a_refusal_of_the_issuer_is_a_page_that_says_what_to_do(browser, known, issuer, error, status, words):
    issuer.denies = error
    answer = travel(browser())
    assert (answer.status_code, words in answer.text) == (status, True)
    assert "no-store" in answer.headers["cache-control"]


def test_nobody_is_led_to_another_site(browser, known):
    here = browser()
    there = here.get("/login/oidc/acme?next=//evil.example").headers["location"]
    assert here.get(agreed(there)).headers["location"] == "/portal"


def test_the_cookie_is_out_of_reach_of_scripts_and_short_lived(browser, known):
    line = browser().get("/login/oidc/acme").headers["set-cookie"].lower()
    assert "httponly" in line
    assert "samesite=lax" in line
    assert "max-age=600" in line


# --- an issuer that is not well ------------------------------------------------------------------------------------------
def test_an_issuer_that_is_away_is_a_page(browser, known, issuer):
    issuer.discovery = {"issuer": "https://another.example"}
    assert browser().get("/login/oidc/acme").status_code == 503
    assert browser().get("/login/oidc/nobody").status_code == 404


@pytest.mark.parametrize("answer", [b"", b"[]", b"{", b'{"issuer": 1}', b" " * (600 * 1024)])
def test_an_answer_that_cannot_be_read_or_has_no_end_is_a_page(browser, known, issuer, answer):
    issuer.answer = answer
    page = browser().get("/login/oidc/acme")
    assert page.status_code == 503
    assert "does not answer at the moment" in page.text


def test_private_addresses_are_asked_only_where_the_operator_allows(tmp_path, migrated, clock, issuer, browser):
    site = Site(tmp_path, migrated, clock=clock, issuers=[issuer.settings()], allow_private=False)
    here = type(browser())(site.app, follow_redirects=False)
    assert here.get("/login/oidc/acme").status_code == 503
    assert issuer.asked == []
    site.close()


# --- connecting ----------------------------------------------------------------------------------------------------------
def set_out(browser, password=PASSWORD):
    """The password, and the page that leads on."""
    return browser.fill(f"{SECURITY}/identities/acme", password=password)


@pytest.fixture
def ada(browser, person):
    ada = browser()
    ada.sign_in()
    return ada


def test_a_user_connects_an_issuer_with_the_password_and_lets_it_go(ada, browser, pages, person):
    assert "Connect Acme ID" in ada.get(SECURITY).text
    page = set_out(ada)
    assert page.status_code == 200
    go = re.search(r'href="(/login/oidc/acme/go)"', page.text)[1]
    answer = ada.get(agreed(ada.get(go).headers["location"]))
    assert answer.headers["location"] == f"{SECURITY}?done=identity-new"
    assert "It is connected." in ada.get(f"{SECURITY}?done=identity-new").text
    assert travel(browser()).headers["location"] == "/portal/usage"
    with reading(pages.engine) as connection:
        [identity] = list_identities(connection, person.id)
    assert ada.fill(f"{SECURITY}/identities/remove", SECURITY, identity=str(identity.id)).status_code == 303
    assert travel(browser()).status_code == 403
    with reading(pages.engine) as connection:
        kinds = [act.kind for act in acts_of_user(connection, person.id, 9)]
    assert kinds == [Kind.IDENTITY_REMOVED, Kind.IDENTITY_CONNECTED]


def test_without_the_password_nothing_is_connected(ada):
    assert set_out(ada, "a guess, and another").status_code == 422
    assert ada.get("/login/oidc/acme/go").status_code == 400
    assert ada.post(f"{SECURITY}/identities/acme", data={"password": PASSWORD}).status_code == 403


def test_a_journey_to_connect_ends_with_the_user_who_began_it(ada, browser, pages, person):
    """Whoever signs in meanwhile in this browser does not get another's identity."""
    set_out(ada)
    back = agreed(ada.get("/login/oidc/acme/go").headers["location"])
    pages.person("eve@example.com", pages.organization("Looms"))
    eve = browser()
    eve.sign_in("eve@example.com")
    ada.cookies.delete("puyun-session")
    ada.cookies.set("puyun-session", eve.cookies["puyun-session"])
    assert ada.get(back).status_code == 400
    with reading(pages.engine) as connection:
        assert list_identities(connection, person.id) == []


def test_an_identity_lets_in_one_user(ada, pages, issuer, clock):
    other = pages.person("eve@example.com", pages.organization("Looms"))
    connected(pages, other, issuer, clock)
    set_out(ada)
    answer = ada.get(agreed(ada.get("/login/oidc/acme/go").headers["location"]))
    assert (answer.status_code, "lets in another user" in answer.text) == (409, True)


def test_the_last_way_in_stays(browser, pages, issuer):
    here = browser()
    travel(here, "up")
    with reading(pages.engine) as connection:
        user = find_user(connection, EMAIL)
        [identity] = list_identities(connection, user.id)
    answer = here.fill(f"{SECURITY}/identities/remove", SECURITY, identity=str(identity.id))
    assert "Nothing else lets you in" in here.get(answer.headers["location"]).text
    assert travel(browser()).status_code == 303
    assert "Set a password" in here.get(SECURITY).text
    assert "Set one first" in here.get(f"{SECURITY}/identities/acme").text


def test_nobody_lets_another_s_identity_go(ada, pages, issuer, clock):
    other = pages.person("eve@example.com", pages.organization("Looms"))
    connected(pages, other, issuer, clock)
    with reading(pages.engine) as connection:
        [identity] = list_identities(connection, other.id)
    ada.fill(f"{SECURITY}/identities/remove", f"{SECURITY}/password", identity=str(identity.id))
    with reading(pages.engine) as connection:
        assert len(list_identities(connection, other.id)) == 1
