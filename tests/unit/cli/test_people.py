import io

import pytest

from puyun.storage.engine import open_engine, reading
from puyun.storage.identity import find_user, password_hash
from puyun.storage.security.links import Purpose, find_link
from puyun.system.clock import SystemClock
from puyun.system.passwords import verify_password


def test_an_organization_from_creation_to_suspension(puyun) -> None:
    made = puyun("org", "create", "acme", "--tiers", "flex,test", "--json").json
    assert made["id"].startswith("org_")
    assert (made["name"], made["tiers"], made["currency"], made["balance"]) == ("acme", ["test", "flex"], "USD", "0.00")
    changed = puyun(
        "org", "set", made["id"], "--name", "acme2", "--status", "suspended", "--credit-limit", "7", "--json"
    )
    assert (changed.json["name"], changed.json["status"], changed.json["credit_limit"]) == (
        "acme2",
        "suspended",
        "7.00",
    )
    assert puyun("org", "show", "acme2", "--json").json["available"] == "7.00"
    assert puyun("org", "set", "acme2", "--tiers", "enterprise", "--json").json["tiers"] == ["enterprise"]
    assert "acme2" in puyun("org", "list").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["org", "create", "acme"], 1),
        (["org", "create", "x", "--tiers", "gold"], 2),
        (["org", "create", "x", "--currency", "usd"], 2),
        (["org", "create", " "], 2),
        (["org", "set", "acme"], 2),
        (["org", "set", "acme", "--status", "closed"], 2),
        (["org", "set", "acme", "--credit-limit", "-5"], 2),
        (["org", "show", "nobody"], 3),
        (["user", "create", "ada@example.com"], 2),
        (["user", "create", "ada@example.com", "--org", "acme", "--role", "king"], 2),
        (["user", "create", "ada@example.com", "--org", "nobody", "--generate"], 3),
        (["user", "create", "ada", "--org", "acme", "--generate"], 2),
    ],
)
def test_refusals(puyun, arguments: list[str], code: int) -> None:
    puyun("org", "create", "acme")
    ended = puyun(*arguments)
    assert ended.code == code
    assert ended.err.count("\n") == 3
    assert ended.out == ""


def test_a_made_password_is_printed_once_and_fits(puyun, data) -> None:
    puyun("org", "create", "acme")
    made = puyun("user", "create", "Ada@example.com", "--org", "acme", "--generate", "--json").json
    assert (made["email"], made["organization"], made["role"], made["created"]) == (
        "ada@example.com",
        "acme",
        "owner",
        True,
    )
    assert verify_password(stored(data, "ada@example.com"), made["password"])


def test_a_password_from_stdin_is_not_printed(puyun, data, monkeypatch: pytest.MonkeyPatch) -> None:
    puyun("org", "create", "acme")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    ended = puyun("user", "create", "ada@example.com", "--org", "acme", "--role", "viewer", "--password-stdin")
    assert "correct" not in ended.out + ended.err
    assert verify_password(stored(data, "ada@example.com"), "correct horse battery")


def test_a_short_password_is_refused(puyun, monkeypatch: pytest.MonkeyPatch) -> None:
    puyun("org", "create", "acme")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    ended = puyun("user", "create", "ada@example.com", "--org", "acme", "--password-stdin")
    assert (ended.code, "between 10 and 1024" in ended.err) == (2, True)


def test_somebody_who_exists_joins_and_keeps_the_password(puyun, data) -> None:
    puyun("org", "create", "acme")
    puyun("org", "create", "other")
    puyun("user", "create", "ada@example.com", "--org", "acme", "--generate")
    before = stored(data, "ada@example.com")
    joined = puyun("user", "create", "ada@example.com", "--org", "other", "--role", "member", "--json").json
    assert (joined["created"], joined["organization"], "password" in joined) == (False, "other", False)
    assert stored(data, "ada@example.com") == before
    assert puyun("org", "show", "other", "--json").json["members"] == [{"email": "ada@example.com", "role": "member"}]


def test_a_new_password_replaces_the_old_one(puyun, data) -> None:
    puyun("user", "create", "op@example.com", "--operator", "--generate")
    made = puyun("user", "password", "OP@example.com", "--generate", "--json").json
    assert verify_password(stored(data, "op@example.com"), made["password"])
    assert puyun("user", "password", "nobody@example.com", "--generate").code == 3


def test_an_operator_needs_no_organization(puyun) -> None:
    made = puyun("user", "create", "op@example.com", "--operator", "--generate", "--json").json
    assert (made["operator"], made["organization"]) == (True, None)


def stored(data, email: str) -> str:
    engine = open_engine(data / "puyun.db")
    with reading(engine) as connection:
        user = find_user(connection, email)
        assert user is not None
        found = password_hash(connection, user.id)
    engine.dispose()
    return found


def test_a_link_to_set_a_password_is_printed_and_the_one_before_ends(puyun, data) -> None:
    puyun("org", "create", "acme")
    puyun("user", "create", "ada@example.com", "--org", "acme", "--generate")
    first, second = (puyun("user", "reset", "Ada@example.com", "--json").json for _ in range(2))
    assert first["email"] == "ada@example.com"
    assert first["link"].startswith("http://127.0.0.1:8000/reset/")
    engine = open_engine(data / "puyun.db")
    with reading(engine) as connection:
        found = [
            find_link(connection, made["link"].rpartition("/")[2], Purpose.RESET, SystemClock().now())
            for made in (first, second)
        ]
    engine.dispose()
    assert found[0] is None
    assert found[1].email == "ada@example.com"
    refused = puyun("user", "reset", "eve@example.com")
    assert (refused.code, refused.out) == (3, "")
