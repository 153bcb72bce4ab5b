"""puyun limits show: what is in force and where it comes from."""

import pytest


@pytest.fixture
def key(puyun, sold) -> str:
    assert puyun("org", "create", "acme", "--tiers", "test,flex").code == 0
    return puyun("key", "create", "--org", "acme", "--tier", "flex", "--json").json["id"]


def rpm(puyun, *arguments: str) -> list[tuple[object, ...]]:
    rows = puyun("limits", "show", "acme", *arguments, "--json").json
    fields = ("tier", "models", "limit", "burst", "source", "key")
    return [tuple(row[field] for field in fields) for row in rows if row["metric"] == "rpm"]


def test_by_tier(puyun, key: str) -> None:
    assert rpm(puyun) == [("test", ["all"], 20, 10, "default", None), ("flex", ["all"], 300, 10, "default", None)]


def test_where_each_comes_from(puyun, key: str) -> None:
    puyun("limits", "default", "test", "--rpm", "25")
    puyun("limits", "set", "acme", "--rpm", "700", "--tier", "flex", "--burst", "5", "--why", "contract")
    puyun("limits", "set", "acme", "--rpm", "9", "--key", key)
    puyun("limits", "set", "acme", "--rpm", "1k", "--from", "2099-01-01")
    assert rpm(puyun) == [
        ("test", ["all"], 25, 10, "tier", None),
        ("flex", ["all"], 700, 5, "organization", None),
        ("every", ["all"], 9, None, "key", key),
        ("every", ["all"], 1000, None, "organization", None),
    ]
    rows = puyun("limits", "show", "acme", "--json").json
    assert [(row["why"], row["until"]) for row in rows if row["limit"] == 700] == [("contract", None)]
    assert [row["from"] for row in rows if row["limit"] == 1000] == ["2099-01-01T00:00:00Z"]


def test_models_with_a_limit_of_their_own(puyun, key: str, sold) -> None:
    sold.write_text(
        sold.read_text() + '[[models]]\nname = "n"\nkind = "chat"\ncontext_length = 9\ndeployments = ["m@echo"]'
    )
    assert puyun("catalog", "apply", str(sold)).code == 0
    puyun("limits", "set", "acme", "--rpm", "50", "--model", "n", "--tier", "flex")
    assert rpm(puyun) == [
        ("test", ["all"], 20, 10, "default", None),
        ("flex", ["m"], 300, 10, "default", None),
        ("flex", ["n"], 50, 10, "organization_model", None),
    ]
    assert rpm(puyun, "--model", "n")[1:] == [("flex", ["n"], 50, 10, "organization_model", None)]
    puyun("limits", "set", "acme", "--rpm", "3", "--model", "m", "--key", key)
    assert rpm(puyun, "--model", "n")[2:] == []
    assert rpm(puyun, "--model", "m")[2:] == [("every", ["m"], 3, None, "key", key)]


def test_a_smaller_limit_of_a_model_is_shown_beside_the_one_of_all(puyun, key: str) -> None:
    puyun("limits", "set", "acme", "--rpm", "500")
    puyun("limits", "set", "acme", "--rpm", "50", "--model", "m")
    assert [(row[2], row[4]) for row in rpm(puyun)] == [(50, "organization_model"), (500, "organization")] * 2


def test_no_limit_is_said(puyun, key: str) -> None:
    puyun("limits", "set", "acme", "--rpm", "none")
    assert {row[2] for row in rpm(puyun)} == {"none"}
    ended = puyun("limits", "show", "acme")
    assert "none" in ended.out
    assert ended.out.splitlines()[0].split()[:4] == ["tier", "models", "metric", "limit"]


def test_who_or_what_is_not_there_is_exit_3(puyun, key: str) -> None:
    assert puyun("limits", "show", "nobody").code == 3
    ended = puyun("limits", "show", "acme", "--model", "x*")
    assert (ended.code, ended.err.splitlines()[0]) == (3, "Error: There is no model 'x*'.")


def test_before_there_is_a_model(puyun) -> None:
    puyun("org", "create", "acme")
    assert len(rpm(puyun)) == 3
