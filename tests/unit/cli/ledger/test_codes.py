import pytest


@pytest.fixture(autouse=True)
def organizations(puyun) -> None:
    for name in ("acme", "other"):
        assert puyun("org", "create", name).code == 0


def test_a_code_is_printed_once_and_used_once(puyun) -> None:
    made = puyun("redeem", "create", "10.00", "--count", "2", "--days", "30", "--note", "fair", "--json").json
    codes = [row["code"] for row in made]
    assert len({*codes}) == 2
    used = puyun("redeem", "use", "acme", codes[0].upper().replace("-", " "), "--json").json
    assert used["balance"] == "10.00"
    assert puyun("redeem", "use", "acme", codes[0], "--json").json == used
    assert puyun("redeem", "use", "other", codes[0]).code == 1
    assert puyun("redeem", "use", "other", "nothing-of-the-kind").code == 3
    listed = puyun("redeem", "list", "--json").out
    assert codes[0] not in listed
    assert [row["used_by"] is None for row in puyun("redeem", "list", "--json").json] == [True, False]
    assert len(puyun("redeem", "list", "--unused", "--json").json) == 1
    assert puyun("audit").code == 0


def test_a_sold_code_is_paid_money(puyun) -> None:
    code = puyun("redeem", "create", "10.00", "--kind", "sold", "--json").json[0]["code"]
    puyun("redeem", "use", "acme", code)
    assert puyun("balance", "acme", "--json").json["paid"] == "10.00"


@pytest.mark.parametrize("words", [["0"], ["much"], ["5", "--kind", "stolen"], ["5", "--count", "0"]])
def test_wrong_usage(puyun, words: list[str]) -> None:
    assert puyun("redeem", "create", *words).code == 2
