import pytest

from puyun.identity.keys import well_formed


@pytest.fixture
def acme(puyun, sold) -> str:
    return puyun("org", "create", "acme", "--json").json["id"]


def test_a_key_with_every_restriction(puyun, acme: str) -> None:
    puyun("user", "create", "ada@example.com", "--org", "acme", "--generate")
    arguments = ["--name", "ci", "--tier", "test", "--models", "m", "--budget", "5.00", "--expires", "2999-01-01"]
    arguments += ["--ip", "10.0.0.0/8", "--ip", "::1", "--member", "Ada@example.com"]
    ended = puyun("key", "create", "--org", acme, *arguments, "--json")
    made = ended.json
    assert well_formed(made["key"])
    assert (made["id"], made["name"], made["tier"], made["models"]) == ("key_1", "ci", "test", ["m"])
    assert (made["budget"], made["spent"], made["expires"]) == ("5.00", "0.00", "2999-01-01T00:00:00Z")
    assert made["ips"] == ["10.0.0.0/8", "::1"]
    listed = puyun("key", "list", "--org", "acme", "--json")
    assert made["key"] not in listed.out
    assert listed.json == [{name: value for name, value in made.items() if name != "key"}]


def test_the_usual_tier_is_flex_or_what_there_is(puyun, acme: str) -> None:
    assert puyun("key", "create", "--org", "acme", "--json").json["tier"] == "flex"
    puyun("org", "create", "big", "--tiers", "enterprise")
    assert puyun("key", "create", "--org", "big", "--json").json["tier"] == "enterprise"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--tier", "gold"], 2),
        (["--models", "zz"], 3),
        (["--budget", "free"], 2),
        (["--budget", "0"], 2),
        (["--expires", "2001-01-01"], 2),
        (["--ip", "10.0.0.1/8"], 2),
        (["--member", "nobody@example.com"], 3),
    ],
)
def test_refusals(puyun, acme: str, arguments: list[str], code: int) -> None:
    ended = puyun("key", "create", "--org", acme, *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert puyun("key", "list", "--json").json == []


def test_revoking_by_id_secret_or_prefix(puyun, acme: str) -> None:
    secrets = [puyun("key", "create", "--org", acme, "--json").json["key"] for _ in range(3)]
    for name in ("key_1", secrets[1], secrets[2][:13]):
        assert puyun("key", "revoke", name, "--json").json["status"] == "revoked"
    assert {key["status"] for key in puyun("key", "list", "--json").json} == {"revoked"}


def test_rotating_keeps_the_settings_and_ends_the_old_key(puyun, acme: str) -> None:
    arguments = ["--name", "ci", "--tier", "test", "--ip", "::1", "--budget", "5.00", "--expires", "2999-01-01"]
    old = puyun("key", "create", "--org", acme, *arguments, "--json").json
    new = puyun("key", "rotate", old["key"], "--json").json
    assert well_formed(new["key"])
    assert new["key"] != old["key"]
    kept = ("name", "tier", "models", "ips", "budget", "expires")
    assert {name: new[name] for name in kept} == {name: old[name] for name in kept}
    first, second = puyun("key", "list", "--json").json
    assert first["status"] == second["status"] == "active"
    assert first["expires"] < second["expires"]
    last = puyun("key", "rotate", new["id"], "--overlap", "now", "--expires", "2998-01-01", "--json").json
    assert last["expires"] == "2998-01-01T00:00:00Z"
    assert [key["status"] for key in puyun("key", "list", "--json").json] == ["active", "revoked", "active"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["key_9"], 3), (["key_1", "--overlap", "2d"], 2), (["key_1", "--expires", "2001-01-01"], 2)],
)
def test_refused_rotations(puyun, acme: str, arguments: list[str], code: int) -> None:
    puyun("key", "create", "--org", acme)
    ended = puyun("key", "rotate", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert len(puyun("key", "list", "--json").json) == 1


def test_a_key_that_has_ended_is_not_rotated(puyun, acme: str) -> None:
    puyun("key", "create", "--org", acme)
    puyun("key", "revoke", "key_1")
    assert puyun("key", "rotate", "key_1").code != 0
    assert len(puyun("key", "list", "--json").json) == 1


def test_a_whole_key_that_is_not_ours_is_not_repeated(puyun, acme: str) -> None:
    ended = puyun("key", "revoke", "sk-puyun-someones-secret-key-0123456789")
    assert ended.code == 3
    assert "0123456789" not in ended.err
