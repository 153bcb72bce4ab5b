import pytest


@pytest.fixture(autouse=True)
def acme(puyun, sold) -> None:
    assert puyun("org", "create", "acme").code == 0
    assert puyun("org", "create", "other").code == 0
    puyun("user", "create", "ada@example.com", "--org", "acme", "--generate")
    puyun("key", "create", "--org", "acme", "--member", "ada@example.com", "--budget", "9.00")


def test_budgets_of_all_kinds_are_listed_the_widest_first(puyun) -> None:
    puyun("budget", "set", "acme", "100", "--period", "month")
    puyun("budget", "set", "acme", "50", "--soft")
    puyun("budget", "set", "acme", "5", "--member", "Ada@example.com", "--period", "day")
    listed = puyun("budget", "list", "acme", "--json").json
    assert [(row["of"], row["period"], row["kind"], row["amount"]) for row in listed] == [
        ("organization", "month", "hard", "100.00"),
        ("organization", "month", "soft", "50.00"),
        ("ada@example.com", "day", "hard", "5.00"),
        ("key_1", "total", "hard", "9.00"),
    ]
    assert {row["spent"] for row in listed} == {"0.00"}
    assert puyun("budget", "list", "other", "--json").json == []
    assert puyun("budget", "notices", "acme", "--json").json == []


def test_setting_it_again_changes_the_amount_and_ending_it_is_final(puyun) -> None:
    first = puyun("budget", "set", "acme", "5", "--key", "key_1", "--period", "total", "--json").json
    assert (first["id"], first["amount"]) == ("budget_1", "5.00")
    assert puyun("budget", "end", "acme", "budget_1").code == 0
    assert puyun("budget", "end", "acme", "budget_1").code == 3
    assert puyun("key", "list", "--json").json[0]["budget"] is None
    assert puyun("budget", "set", "acme", "5", "--key", "key_1", "--period", "total", "--json").json["id"] == "budget_2"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["acme", "0"], 2),
        (["acme", "much"], 2),
        (["acme", "5", "--period", "week"], 2),
        (["acme", "5", "--key", "key_9"], 3),
        (["other", "5", "--key", "key_1"], 3),
        (["acme", "5", "--member", "bob@example.com"], 3),
        (["acme", "5", "--member", "ada@example.com", "--key", "key_1"], 2),
        (["nobody", "5"], 3),
    ],
)
def test_refusals(puyun, words: list[str], code: int) -> None:
    ended = puyun("budget", "set", *words)
    assert (ended.code, ended.out) == (code, "")


def test_what_is_no_budget_cannot_end(puyun) -> None:
    assert puyun("budget", "end", "acme", "nonsense").code == 3
    assert puyun("budget", "end", "other", "budget_1").code == 3
