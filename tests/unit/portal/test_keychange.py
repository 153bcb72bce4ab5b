"""Creating, rotating and revoking: what is refused loses nothing, a secret is shown once, a foreign key is not there."""

import re
from html import unescape

import pytest
from sqlalchemy import select
from stage.pages import CHAT, EMBEDDING, Prices, Site
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.catalog.model import Kind, Model, Tier
from puyun.identity.keys import mint, well_formed
from puyun.identity.model import KeySpec, Role
from puyun.kit.clock import DAY, HOUR, MINUTE, Instant, ManualClock, parse_instant
from puyun.kit.ids import format_id
from puyun.kit.money import NANO
from puyun.portal.keys.form import MODELS_MAX
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_key, find_keys, list_keys, revoke_key
from puyun.system.entropy import key_entropy
from puyun.web.throttle import FREE_KEYS

NOW = parse_instant("2026-03-15T12:30:00Z")
EMAIL = "ada@example.com"
PAGE = "/portal/keys"
NEW = f"{PAGE}/new"


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    site.models()
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


@pytest.fixture
def client(pages, engines):
    pages.person(EMAIL, engines)
    return signed_in(pages)


def key(pages, organization, **spec):
    wanted = KeySpec(**({"tier": Tier.FLEX, "name": "ci"} | spec))
    with writing(pages.engine) as connection:
        return create_key(connection, organization, wanted, mint(key_entropy()), NOW)


def keys(pages, organization):
    with reading(pages.engine) as connection:
        return list_keys(connection, organization.id)


def address(made, act):
    return f"{PAGE}/{format_id('key', made.id)}/{act}"


def hidden(page):
    """What the page's form sends by itself."""
    form = re.search(r'<form class="stack.*?</form>', page, re.DOTALL)[0]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}


def send(client, path, **fields):
    """Open the page, fill in its form and send it."""
    return client.post(path, data=hidden(client.get(path).text) | fields)


def secret(answer):
    assert answer.status_code == 200, answer.text
    return re.search(r'id="secret"[^>]*>([^<]*)<', answer.text)[1]


def faults(answer):
    return dict(re.findall(r'class="fault" id="fault-(\w*)">.*?<span>(.*?)</span>', answer.text, re.DOTALL))


# --- create ------------------------------------------------------------------------------------------------------------
def test_a_key_is_made_as_it_was_asked_for(pages, engines, client):
    answer = send(
        client,
        NEW,
        name="ci",
        tier="test",
        scope="chosen",
        model=CHAT.name,
        expires="2026-04-01",
        ips="10.0.0.0/8\r\n::1",
        budget="5",
    )
    with reading(pages.engine) as connection:
        [made] = find_keys(connection, secret(answer))
    assert (made.org, made.name, made.tier, made.models) == (engines.id, "ci", Tier.TEST, (CHAT.name,))
    assert (made.ips, made.budget, made.member) == (("10.0.0.0/8", "::1"), 5 * NANO, None)
    assert made.expires_at == parse_instant("2026-04-02T00:00:00Z")


def test_the_secret_is_shown_once_and_kept_nowhere(pages, client):
    page = client.get(NEW)
    answer = client.post(NEW, data=hidden(page.text) | {"tier": "flex"})
    shown = secret(answer)
    assert well_formed(shown)
    assert answer.headers["cache-control"] == "no-store"
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert "curl http://testserver/v1/chat/completions" in answer.text
    assert f'"Authorization: Bearer {shown}"' in answer.text
    for path in (PAGE, f"{PAGE}?show=all", NEW):
        assert shown not in client.get(path).text
    with reading(pages.engine) as connection:
        for table in schema.metadata.sorted_tables:
            assert shown not in str(connection.execute(select(table)).all())


def test_a_form_that_is_sent_again_makes_no_second_key(pages, engines, client):
    form = hidden(client.get(NEW).text) | {"tier": "flex", "name": "ci"}
    assert secret(client.post(NEW, data=form))
    again = client.post(NEW, data=form)
    assert (again.status_code, again.headers["location"]) == (303, f"{PAGE}?repeated=1")
    assert "no second one was made" in client.get(again.headers["location"]).text
    assert len(keys(pages, engines)) == 1
    assert secret(send(client, NEW, tier="flex"))


def test_the_example_calls_a_chat_model_that_the_key_may_call(pages, client):
    assert f'"model": "{CHAT.name}"' in send(client, NEW, tier="flex").text
    answer = send(client, NEW, tier="flex", scope="chosen", model=EMBEDDING.name)
    assert "curl http://testserver/v1/models" in answer.text
    assert "chat/completions" not in answer.text


def test_what_is_refused_comes_back_as_it_was_typed(pages, engines, client):
    typed = {"name": 'a "name"', "tier": "gold", "scope": "chosen", "expires": "x", "ips": "<here>", "budget": "free"}
    answer = send(client, NEW, **typed)
    assert answer.status_code == 422
    assert set(faults(answer)) == {"tier", "models", "expires", "ips", "budget"}
    assert "No key was made: 5 entries need a change." in answer.text
    text = unescape(answer.text)
    for field in ('value="a "name""', 'value="x"', "<here></textarea>", 'value="free"', 'value="chosen" checked'):
        assert field in text
    assert "<here></textarea>" not in answer.text
    assert re.search(r'name="budget"[^>]* aria-invalid="true" aria-describedby="fault-budget hint-budget"', answer.text)
    assert re.findall(r'value="(\w*)"[^>]* autofocus', answer.text) == ["test"], (
        "the first field at fault, and it alone"
    )
    assert keys(pages, engines) == []
    corrected = hidden(answer.text) | {"tier": "flex"}
    assert secret(client.post(NEW, data=corrected))


def test_chosen_models_stay_chosen_also_one_that_is_gone(client):
    form = hidden(client.get(NEW).text) | {"tier": "flex", "scope": "chosen", "model": [CHAT.name, "gone"]}
    answer = client.post(NEW, data=form)
    assert "No model is called “gone” any more." in faults(answer)["models"]
    for name in (CHAT.name, "gone"):
        assert f'value="{name}" checked' in answer.text


def test_what_is_refused_only_when_it_is_made_is_told_at_its_field(pages, client):
    late = Model(name="late", kind=Kind.CHAT, context_length=1)  # in the snapshot, gone from the database
    pages.prices.models.append(late)
    pages.prices.set(late, Tier.FLEX, "input", "1")
    answer = send(client, NEW, tier="flex", scope="chosen", model="late")
    assert (answer.status_code, list(faults(answer))) == (404, ["models"])


def test_only_models_that_are_sold_to_the_organization_stand_to_choose_and_not_endlessly(pages, client):
    assert CHAT.name in client.get(NEW).text
    many = [Model(name=f"m-{number:04d}", kind=Kind.CHAT, context_length=1) for number in range(MODELS_MAX + 1)]
    pages.prices = Prices(*many, CHAT)
    for model in many:
        pages.prices.set(model, Tier.FLEX, "input", "1")
    page = client.get(NEW).text
    assert page.count('type="checkbox"') == MODELS_MAX
    assert "These are the first ones by name" in page
    pages.prices = Prices(CHAT)
    assert "No model is sold to your organization" in client.get(NEW).text


def test_many_keys_in_one_go_have_to_wait_and_nothing_typed_is_lost(pages, engines, client):
    for _ in range(FREE_KEYS):
        assert secret(send(client, NEW, tier="flex"))
    answer = send(client, NEW, tier="flex", name="one more")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many keys at once" in answer.text
    assert 'value="one more"' in answer.text
    assert len(keys(pages, engines)) == FREE_KEYS
    pages.clock.advance(MINUTE)
    assert secret(client.post(NEW, data=hidden(answer.text) | {"tier": "flex"}))


def test_a_member_makes_keys_of_their_own(pages, engines):
    user = pages.person(EMAIL, engines, role=Role.MEMBER)
    secret(send(signed_in(pages), NEW, tier="flex"))
    assert [made.member for made in keys(pages, engines)] == [user.id]


# --- rotate ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("overlap", "length"), [("1h", HOUR), ("24h", DAY), ("7d", 7 * DAY)])
def test_a_rotated_key_ends_after_the_overlap(pages, engines, client, overlap, length):
    old = key(pages, engines, models=(CHAT.name,), ips=("::1",))
    answer = send(client, address(old, "rotate"), overlap=overlap, expires="2027-01-01")
    with reading(pages.engine) as connection:
        [new] = find_keys(connection, secret(answer))
    assert (new.name, new.tier, new.models, new.ips) == (old.name, old.tier, old.models, old.ips)
    assert new.expires_at == parse_instant("2027-01-02T00:00:00Z")
    assert keys(pages, engines)[0].expires_at == NOW + length
    assert f"The old key {old.prefix}… works until" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_rotation_at_once_revokes_the_old_key(pages, engines, client):
    old = key(pages, engines)
    answer = send(client, address(old, "rotate"), overlap="now", expires="")
    assert f"The old key {old.prefix}… is refused within two seconds." in answer.text
    assert keys(pages, engines)[0].revoked_at == NOW
    assert keys(pages, engines)[1].expires_at is None


def test_the_new_key_ends_when_the_old_one_was_to_unless_one_says_otherwise(pages, engines, client):
    old = key(pages, engines, expires_at=parse_instant("2026-04-01T00:00:00Z"))
    page = client.get(address(old, "rotate")).text
    assert 'name="expires" value="2026-03-31"' in page
    assert "At the latest Apr 1, 2026" in page
    assert 'value="24h" checked' in page


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"overlap": "never", "expires": ""}, "overlap"),
        ({"expires": ""}, "overlap"),
        ({"overlap": "1h", "expires": "soon"}, "expires"),
        ({"overlap": "1h", "expires": "2026-03-14"}, "expires"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused_at_its_field(pages, engines, client, fields, field):
    old = key(pages, engines)
    answer = send(client, address(old, "rotate"), **fields)
    assert (answer.status_code, list(faults(answer))) == (422, [field])
    assert keys(pages, engines) == [old]


def test_a_rotation_that_is_sent_again_makes_no_second_key(pages, engines, client):
    old = key(pages, engines)
    form = hidden(client.get(address(old, "rotate")).text) | {"overlap": "now", "expires": ""}
    assert secret(client.post(address(old, "rotate"), data=form))
    assert client.post(address(old, "rotate"), data=form).headers["location"] == f"{PAGE}?repeated=1"
    assert len(keys(pages, engines)) == 2


def test_a_key_that_has_ended_cannot_be_rotated(pages, engines, client):
    old = key(pages, engines)
    form = hidden(client.get(address(old, "rotate")).text) | {"overlap": "1h", "expires": ""}
    with writing(pages.engine) as connection:
        revoke_key(connection, old.id, NOW)
    assert "This key has ended already" in client.get(address(old, "rotate")).text
    answer = client.post(address(old, "rotate"), data=form)
    assert answer.status_code == 409
    assert "This key has ended already" in answer.text
    assert len(keys(pages, engines)) == 1


# --- revoke ------------------------------------------------------------------------------------------------------------
def test_revoking_asks_first_and_then_says_that_it_is_done(pages, engines, client):
    made = key(pages, engines)
    page = client.get(address(made, "revoke")).text
    assert "Within two seconds every call with this key is refused." in page
    assert keys(pages, engines)[0].revoked_at is None
    answer = client.post(address(made, "revoke"), data=hidden(page))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?key={format_id('key', made.id)}")
    assert f"ci ({made.prefix}…) is revoked." in client.get(answer.headers["location"]).text
    assert keys(pages, engines)[0].revoked_at == NOW
    assert "It was revoked Mar 15, 2026" in client.get(address(made, "revoke")).text


def test_revoking_again_keeps_the_first_time(pages, engines, client):
    made = key(pages, engines)
    form = hidden(client.get(address(made, "revoke")).text)
    client.post(address(made, "revoke"), data=form)
    pages.clock.advance(HOUR)
    assert client.post(address(made, "revoke"), data=form).status_code == 303
    assert keys(pages, engines)[0].revoked_at == NOW


# --- who may -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("act", ["rotate", "revoke"])
def test_a_key_of_another_organization_is_not_there(pages, engines, client, act):
    rivals = pages.organization("Rivals")
    theirs, mine = key(pages, rivals), key(pages, engines)
    form = hidden(client.get(address(mine, act)).text) | {"overlap": "now", "expires": ""}
    for path in (
        address(theirs, act),
        f"{PAGE}/key_zzzz/{act}",
        f"{PAGE}/{'key_' + 'z' * 13}/{act}",
        f"{PAGE}/x/{act}",
    ):
        assert client.get(path).status_code == 404
        assert client.post(path, data=form).status_code == 404
    assert keys(pages, rivals) == [theirs]


@pytest.mark.parametrize("act", ["rotate", "revoke"])
def test_a_member_changes_only_keys_of_their_own(pages, engines, act):
    user = pages.person(EMAIL, engines, role=Role.MEMBER)
    other, mine = key(pages, engines), key(pages, engines, member=user.id)
    client = signed_in(pages)
    form = hidden(client.get(address(mine, act)).text) | {"overlap": "now", "expires": ""}
    assert client.get(address(other, act)).status_code == 403
    assert client.post(address(other, act), data=form).status_code == 403
    assert keys(pages, engines)[0] == other
    assert client.post(address(mine, act), data=form).status_code < 400
    assert keys(pages, engines)[1].revoked_at == NOW


def test_a_rotated_key_stays_its_members(pages, engines, client):
    user = pages.person("bob@example.com", engines, role=Role.MEMBER)
    send(client, address(key(pages, engines, member=user.id), "rotate"), overlap="1h", expires="")
    assert [made.member for made in keys(pages, engines)] == [user.id, user.id]


@pytest.mark.parametrize("path", [NEW, f"{PAGE}/key_1/rotate", f"{PAGE}/key_1/revoke"])
def test_a_viewer_and_a_stranger_change_nothing(pages, engines, path):
    made = key(pages, engines)
    stranger = TestClient(pages.app, follow_redirects=False)
    assert stranger.get(path).headers["location"].startswith("/login?next=")
    assert stranger.post(path, data={}).headers["location"].startswith("/login?next=")
    pages.person(EMAIL, engines, role=Role.VIEWER)
    viewer = signed_in(pages)
    assert viewer.get(path).status_code == 403
    assert viewer.post(path, data={}).status_code == 403
    assert keys(pages, engines) == [made]


@pytest.mark.parametrize("act", ["new", "rotate", "revoke"])
def test_a_forged_form_changes_nothing(pages, engines, client, act):
    made = key(pages, engines)
    path = NEW if act == "new" else address(made, act)
    form = hidden(client.get(path).text) | {"tier": "flex", "overlap": "now", "expires": ""}
    for forged, headers in ((form | {"csrf": "0"}, {}), (form, {"sec-fetch-site": "cross-site"})):
        answer = client.post(path, data=forged, headers=headers)
        assert answer.status_code == 403
        assert "came from another site" in answer.text
    assert keys(pages, engines) == [made]


@pytest.mark.parametrize("once", [None, "", "x" * 41])
def test_a_form_without_its_name_makes_nothing(pages, engines, client, once):
    form = hidden(client.get(NEW).text) | {"tier": "flex"}
    form = {name: value for name, value in form.items() if name != "once"} | ({} if once is None else {"once": once})
    assert client.post(NEW, data=form).status_code == 400
    assert keys(pages, engines) == []


def test_another_organization_is_acted_for_when_the_address_says_so(pages, engines):
    second = pages.organization("Second")
    pages.person(EMAIL, engines, second)
    client = signed_in(pages)
    org = format_id("org", second.id)
    page = client.get(f"{NEW}?org={org}").text
    assert f'action="{NEW}?org={org}"' in page
    answer = client.post(f"{NEW}?org={org}", data=hidden(page) | {"tier": "flex"})
    assert f'data-leave="{PAGE}?org={org}"' in answer.text
    [made] = keys(pages, second)
    assert keys(pages, engines) == []
    answer = send(client, f"{address(made, 'revoke')}?org={org}")
    assert answer.headers["location"] == f"{PAGE}?org={org}&key={format_id('key', made.id)}"


def test_chinese(pages, engines, client):
    chinese = {"accept-language": "zh-CN"}
    page = client.get(NEW, headers=chinese).text
    assert "仅允许来自这些地址" in page
    refused = client.post(NEW, data=hidden(page) | {"tier": "flex", "budget": "x"}, headers=chinese)
    assert "请填写金额" in refused.text
    made = client.post(NEW, data=hidden(page) | {"tier": "flex"}, headers=chinese)
    assert "密钥全文，仅显示这一次" in made.text
    old = key(pages, engines, expires_at=Instant(NOW + DAY))
    assert "旧密钥何时失效" in client.get(address(old, "rotate"), headers=chinese).text
    assert "两秒内" in client.get(address(old, "revoke"), headers=chinese).text
