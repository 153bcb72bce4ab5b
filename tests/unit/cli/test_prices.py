import pytest


def test_a_price_from_setting_to_history(puyun, sold) -> None:
    row = puyun("price", "set", "m", "flex", "input", "3.00", "--why", "dearer", "--json").json
    assert (row["price"], row["set_by"], row["why"]) == ("3.00", "cli", "dearer")
    puyun("price", "set", "m", "flex", "input", "4.00", "--from", "2999-01-01")
    (offer,) = [row for row in puyun("price", "list", "--json").json if row["meter"] == "input"]
    assert (offer["price"], offer["price_id"], offer["next_price"], offer["next_from"]) == (
        "3.00",
        3,
        "4.00",
        "2999-01-01T00:00:00Z",
    )
    history = puyun("price", "history", "m", "--json").json
    assert [row["price"] for row in history if row["meter"] == "input"] == ["2.50", "3.00", "4.00"]


def test_the_list_can_be_narrowed(puyun, sold) -> None:
    puyun("price", "set", "m", "test", "input", "1")
    assert {row["tier"] for row in puyun("price", "list", "--tier", "test", "--json").json} == {"test"}
    assert puyun("price", "list", "--model", "zz", "--json").json == []
    assert puyun("price", "list").out.splitlines()[0].split()[:3] == ["model", "tier", "meter"]


@pytest.mark.parametrize("amount", ["25.01", "0.249"])
def test_a_slip_of_the_unit_is_asked_about(puyun, sold, amount: str) -> None:
    ended = puyun("price", "set", "m", "flex", "input", amount)
    assert (ended.code, "--force" in ended.err) == (1, True)
    assert len(puyun("price", "history", "m", "--json").json) == 2
    assert puyun("price", "set", "m", "flex", "input", amount, "--force").code == 0


def test_ten_times_is_still_plausible(puyun, sold) -> None:
    assert puyun("price", "set", "m", "flex", "input", "25.00").code == 0


def test_a_withdrawn_price_is_no_longer_listed(puyun, sold) -> None:
    assert puyun("price", "set", "m", "flex", "output", "none", "--json").json["price"] is None
    assert [row["meter"] for row in puyun("price", "list", "--json").json] == ["input"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["set", "zz", "flex", "input", "1"], 3),
        (["set", "m", "gold", "input", "1"], 2),
        (["set", "m", "flex", "inputs", "1"], 2),
        (["set", "m", "flex", "input", "-1"], 2),
        (["set", "m", "flex", "input", "1", "--from", "2001-01-01"], 2),
        (["history", "zz"], 3),
    ],
)
def test_refusals(puyun, sold, arguments: list[str], code: int) -> None:
    ended = puyun("price", *arguments)
    assert (ended.code, ended.out) == (code, "")
