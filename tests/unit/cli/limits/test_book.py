"""puyun limits set, unset, default, history."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest


@pytest.fixture
def key(puyun, sold) -> str:
    """The id of acme's key."""
    assert puyun("org", "create", "acme").code == 0
    assert puyun("org", "create", "other").code == 0
    return puyun("key", "create", "--org", "acme", "--json").json["id"]


def set_(puyun, *arguments: str) -> list[dict[str, object]]:
    ended = puyun("limits", "set", "acme", *arguments, "--json")
    assert ended.code == 0, ended.err
    return ended.json


def test_limits_are_set_with_their_reason(puyun, key: str) -> None:
    rows = set_(
        puyun, "--rpm", "6_000", "--itpm", "10M", "--otpm", "600k", "--tpm", "none", "--rpd", "0", "--why", "C7"
    )
    assert [(row["metric"], row["limit"]) for row in rows] == [
        ("rpm", 6000),
        ("itpm", 10_000_000),
        ("otpm", 600_000),
        ("tpm", "none"),
        ("rpd", 0),
    ]
    assert {(row["source"], row["why"], row["by"], row["burst"]) for row in rows} == {
        ("organization", "C7", "cli", None)
    }


def test_whose_and_when(puyun, key: str) -> None:
    (row,) = set_(
        puyun, "--key", key, "--model", "m*", "--tier", "flex", "--tpd", "5k", "--burst", "30", "--by", "anna",
        "--from", "2099-01-01", "--to", "2099-02-01",
    )  # fmt: skip
    assert row["key"] == key
    assert (row["source"], row["tier"], row["models"], row["burst"]) == ("key", "flex", ["m*"], 30)
    assert (row["from"], row["until"], row["by"]) == ("2099-01-01T00:00:00Z", "2099-02-01T00:00:00Z", "anna")
    rows = set_(puyun, "--in-flight", "5", "--queued", "0", "--tpm", "9", "--burst", "10")
    assert [(row["metric"], row["burst"]) for row in rows] == [("tpm", 10), ("in_flight", None), ("queued", None)]


def test_unset_ends_what_was_set_for_just_this(puyun, key: str) -> None:
    set_(puyun, "--rpm", "1", "--in-flight", "2")
    set_(puyun, "--rpm", "3", "--model", "m")
    ended = puyun("limits", "unset", "acme", "--why", "contract is over", "--json")
    assert [(row["metric"], row["limit"], row["ended"]["why"]) for row in ended.json] == [
        ("rpm", 1, "contract is over"),
        ("in_flight", 2, "contract is over"),
    ]
    assert puyun("limits", "unset", "acme").code == 3
    history = puyun("limits", "history", "acme", "--json").json
    assert [(row["metric"], row["models"], row["ended"] is None) for row in history] == [
        ("rpm", ["all"], False),
        ("in_flight", ["all"], False),
        ("rpm", ["m"], True),
    ]


def test_unset_of_single_metrics(puyun, key: str) -> None:
    set_(puyun, "--rpm", "1", "--in-flight", "2", "--tpm", "3")
    ended = puyun("limits", "unset", "acme", "in-flight", "tpm", "--json")
    assert {row["metric"] for row in ended.json} == {"in_flight", "tpm"}


def test_what_a_tier_may_do(puyun, key: str) -> None:
    ended = puyun("limits", "default", "--json")
    assert {row["tier"] for row in ended.json} == {"test", "flex", "enterprise"}
    rows = puyun("limits", "default", "test", "--rpm", "30", "--queued", "none", "--why", "spring", "--json").json
    assert [(row["metric"], row["limit"], row["burst"], row["source"]) for row in rows] == [
        ("rpm", 30, 10, "tier"),
        ("itpm", 40_000, 60, "default"),
        ("otpm", 8_000, 60, "default"),
        ("in_flight", 4, None, "default"),
        ("queued", "none", None, "tier"),
    ]
    puyun("limits", "default", "test", "--rpm", "5", "--model", "m")
    puyun("limits", "default", "test", "--rpm", "6", "--model", "m")
    rows = puyun("limits", "default", "test", "--rpm", "99", "--from", "2099-01-01", "--json").json
    assert [(row["limit"], row["models"]) for row in rows if row["metric"] == "rpm"] == [
        (30, ["all"]),
        (6, ["m"]),
        (99, ["all"]),
    ]
    rows = puyun("limits", "default", "test", "--reset", "--json").json
    assert [row["source"] for row in rows if row["models"] == ["all"]] == ["default"] * 5
    assert [row["ended"] is None for row in puyun("limits", "history", "--json").json] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_what_a_network_address_may_do(puyun, key: str) -> None:
    assert puyun("limits", "default", "ip", "--json").json == []
    (row,) = puyun("limits", "default", "ip", "--rpm", "600", "--json").json
    assert (row["source"], row["limit"], row["burst"]) == ("ip", 600, 10)
    rows = puyun("limits", "default", "ip", "--rpm", "700", "--from", "2099-01-01", "--json").json
    assert [row["limit"] for row in rows] == [600, 700]


REFUSALS = [
    ("set acme", 2, "There is nothing to set."),
    ("set acme --burst 5", 2, "There is nothing to set."),
    ("set nobody --rpm 1", 3, "There is no organization 'nobody'."),
    ("set acme --rpm many", 2, "'many' is no limit."),
    ("set acme --rpm 1.5", 2, "'1.5' is no limit."),
    ("set acme --rpm -1", 2, "'-1' is no limit."),
    ("set acme --rpm 5000g", 2, "A limit is between 0 and 1000000000000, or none."),
    ("set acme --rpm 1 --burst 0", 2, "A burst is between 1 and"),
    ("set acme --in-flight 1 --burst 5", 2, "A burst belongs to a rate."),
    ("set acme --rpm 1 --model x", 3, "No model is called 'x'."),
    ("set acme --rpm 1 --tier gold", 2, "There is no tier 'gold'."),
    ("set acme --rpm 1 --key key_99", 3, "There is no key 'key_99'."),
    ("set other --rpm 1 --key KEY", 3, "There is no key 'KEY'."),
    ("set acme --rpm 1 --from 2020-01-01", 2, "2020-01-01 has passed."),
    ("set acme --rpm 1 --to 2020-01-01", 2, "2020-01-01 has passed."),
    ("set acme --rpm 1 --to soon", 2, "'soon' is no date or time."),
    ("set acme --rpm 1 --from 2099-01-02 --to 2099-01-01", 2, "The limit would end before it begins."),
    ("unset acme", 3, "There is no such limit in force or to come."),
    ("unset acme rpm nonsense", 2, "There is no limit 'nonsense'."),
    ("default gold", 2, "There is no tier 'gold'."),
    ("default gold --rpm 1", 2, "There is no tier 'gold'."),
    ("default --rpm 1", 2, "Whose limits?"),
    ("default test --rpm 1 --reset", 2, "Limits are either set or reset."),
    ("default test --reset", 3, "There is no such limit in force or to come."),
    ("default ip --rpm 1 --model m", 2, "Network addresses have no models."),
    ("default ip --in-flight 1", 2, "Calls from one network address are limited by their rate alone."),
    ("history nobody", 3, "There is no organization 'nobody'."),
]


@pytest.mark.parametrize(("command", "code", "says"), REFUSALS, ids=[command for command, _, _ in REFUSALS])
def test_refused_in_three_lines(puyun, key: str, command: str, code: int, says: str) -> None:
    ended = puyun("limits", *(key if word == "KEY" else word for word in command.split()))
    assert ended.code == code
    what, why, do = ended.err.splitlines()
    assert says.replace("KEY", key) in what
    assert why.startswith("Why:   ")
    assert do.startswith("Do:    ")
    assert ended.out == ""
    assert puyun("limits", "history", "acme", "--json").json == []


def test_a_key_is_named_by_its_prefix_too_unless_two_have_it(puyun, data: Path, key: str) -> None:
    prefix = puyun("key", "list", "--json").json[0]["prefix"]
    assert puyun("limits", "set", "acme", "--key", prefix, "--rpm", "1", "--json").json[0]["key"] == key
    puyun("key", "create", "--org", "acme")
    with closing(sqlite3.connect(data / "puyun.db")) as connection, connection:
        connection.execute("UPDATE api_key SET prefix = ?", (prefix,))
    ended = puyun("limits", "set", "acme", "--key", prefix, "--rpm", "2")
    assert (ended.code, ended.err.splitlines()[0]) == (1, f"Error: 2 keys begin with '{prefix}'.")
