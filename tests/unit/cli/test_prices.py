from pathlib import Path

import pytest

from puyun.storage.engine import open_engine

HEAD = "model,tier,meter,price,from\n"


def test_a_price_from_setting_to_history(puyun, sold) -> None:
    row = puyun("price", "set", "m", "flex", "input", "3.00", "--why", "dearer", "--json").json
    assert (row["price"], row["set_by"], row["why"]) == ("3.00", "cli", "dearer")
    puyun("price", "set", "m", "flex", "input", "4.00", "--from", "2999-01-01", "--by", "mia")
    (offer,) = [row for row in puyun("price", "list", "--json").json if row["meter"] == "input"]
    assert (offer["price"], offer["price_id"], offer["next_price"], offer["next_from"]) == (
        "3.00",
        3,
        "4.00",
        "2999-01-01T00:00:00Z",
    )
    history = puyun("price", "history", "m", "--json").json
    found = [(row["price"], row["set_by"], row["revoked"]) for row in history if row["meter"] == "input"]
    assert found == [("2.50", "cli", None), ("3.00", "cli", None), ("4.00", "mia", None)]


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


def test_a_first_price_is_held_against_the_market(puyun, sold, tmp_path: Path) -> None:
    """Typed per token: 2.5 dollars a million are 0.0000025 a token."""
    path = tmp_path / "shop.toml"
    path.write_text(
        '[[models]]\nname = "gpt-4o"\nkind = "chat"\ncontext_length = 128000\ndeployments = ["m@echo"]\n'
        '[[prices]]\nmodel = "gpt-4o"\ntier = "test"\ninput = "0.000003"\noutput = "0.00001"\n'
    )
    applied = puyun("catalog", "apply", str(path))
    assert applied.code == 0
    assert "prices.gpt-4o.test.input: 0.000003 is more than 10 times off the vendor's own 2.50" in applied.err
    ended = puyun("price", "set", "gpt-4o", "flex", "input", "0.000003")
    assert ended.code == 1
    assert "more than 10 times off the vendor's own 2.50" in ended.err
    assert puyun("price", "set", "gpt-4o", "flex", "input", "2.75").code == 0
    assert puyun("price", "set", "gpt-4o", "enterprise", "input", "0.000003", "--force").code == 0


def test_the_market_is_in_dollars(puyun, sold, monkeypatch) -> None:
    monkeypatch.setenv("PUYUN_BRAND__CURRENCY", "VND")
    path = Path("shop.toml")
    path.write_text('[[models]]\nname = "gpt-4o"\nkind = "chat"\ncontext_length = 128000\n')
    puyun("catalog", "apply", str(path))
    assert puyun("price", "set", "gpt-4o", "flex", "input", "65000").code == 0


def test_a_withdrawn_price_is_no_longer_listed(puyun, sold) -> None:
    assert puyun("price", "set", "m", "flex", "output", "none", "--json").json["price"] is None
    assert [row["meter"] for row in puyun("price", "list", "--json").json] == ["input"]


def test_an_announcement_is_undone_before_it_begins_and_leaves_its_trace(puyun, sold) -> None:
    number = puyun("price", "set", "m", "flex", "input", "4.00", "--from", "2999-01-01", "--json").json["id"]
    ended = puyun("price", "undo", str(number), "--why", "too dear", "--by", "mia", "--json")
    assert (ended.code, ended.json["revoked"]["by"], ended.json["revoked"]["why"]) == (0, "mia", "too dear")
    (offer,) = [row for row in puyun("price", "list", "--json").json if row["meter"] == "input"]
    assert (offer["price"], offer["next_price"]) == ("2.50", None)
    assert "2999" not in puyun("catalog", "export").out
    assert puyun("price", "history", "m", "--json").json[-1]["revoked"]["why"] == "too dear"
    again = puyun("price", "undo", str(number))
    assert (again.code, "was revoked" in again.err) == (1, True)
    assert puyun("price", "undo", "1").code == 1
    assert puyun("price", "undo", "99").code == 3


def test_a_dearer_price_needs_its_notice(puyun, sold, monkeypatch) -> None:
    monkeypatch.setenv("PUYUN_PRICES__NOTICE_DAYS", "7")
    ended = puyun("price", "set", "m", "flex", "input", "2.60")
    assert (ended.code, "before 7 days are over" in ended.err) == (1, True)
    assert puyun("price", "set", "m", "flex", "input", "2.60", "--force").code == 1, "an override needs its reason"
    assert puyun("price", "set", "m", "flex", "input", "2.60", "--from", "2999-01-01").code == 0
    assert puyun("price", "set", "m", "flex", "input", "2.40").code == 0, "a cheaper one may begin at once"
    assert puyun("price", "set", "m", "flex", "cached_input", "2.50").code == 1, "it was billed as input, 2.40"
    forced = puyun("price", "set", "m", "flex", "input", "2.45", "--force", "--why", "provider raised")
    assert (forced.code, "Without its notice" in forced.err) == (0, True)


def test_a_withdrawal_that_makes_calls_dearer_needs_its_notice_too(puyun, sold, monkeypatch) -> None:
    assert puyun("price", "set", "m", "flex", "cached_input", "0.25").code == 0
    monkeypatch.setenv("PUYUN_PRICES__NOTICE_DAYS", "7")
    ended = puyun("price", "set", "m", "flex", "cached_input", "none")
    assert ended.code == 1
    assert "cached_input 0.25 → 2.50" in ended.err


def test_the_catalogue_keeps_the_notice(puyun, sold, monkeypatch) -> None:
    monkeypatch.setenv("PUYUN_PRICES__NOTICE_DAYS", "7")
    dearer = sold.read_text().replace("2.50", "2.60")
    sold.write_text(dearer)
    assert puyun("catalog", "apply", str(sold)).code == 1
    assert puyun("price", "import", str(sold)).code == 1
    assert puyun("catalog", "apply", str(sold), "--force", "--why", "agreed with all of them").code == 0


def test_what_is_exported_changes_nothing_when_imported(puyun, sold, tmp_path: Path) -> None:
    puyun("price", "set", "m", "flex", "input", "4.00", "--from", "2999-01-01")
    puyun("price", "set", "m", "flex", "cached_input", "0.25")
    puyun("price", "set", "m", "flex", "cached_input", "none", "--from", "2999-01-01")
    exported = puyun("price", "export").out
    assert exported == (
        HEAD
        + "m,flex,input,2.50,\nm,flex,input,4.00,2999-01-01T00:00:00Z\n"
        + "m,flex,cached_input,0.25,\nm,flex,cached_input,withdrawn,2999-01-01T00:00:00Z\n"
        + "m,flex,output,10.00,\n"
    )
    path = tmp_path / "prices.csv"
    path.write_text(exported)
    assert puyun("price", "diff", str(path)).out == "Nothing to change.\n"
    assert puyun("price", "import", str(path)).out == "Nothing to change.\n"
    assert puyun("price", "export").out == exported


def test_a_sheet_is_previewed_compared_and_imported(puyun, sold, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(HEAD + "m,flex,input,3.00,\nm,test,input,1.00,\n")
    broken = puyun("price", "diff", str(path))
    assert (broken.code, "priced for input but not for output" in broken.err) == (1, True)
    path.write_text(HEAD + "m,flex,input,3.00,\n")
    line = "~ price m flex input 2.50 → 3.00"
    assert puyun("price", "diff", str(path), "--json").json["changes"] == [line]
    assert puyun("price", "import", str(path), "--dry-run").out == line + "\n"
    preview = puyun("price", "preview", str(path), "--json").json
    assert [(each["meter"], each["before"], each["after"], each["change"]) for each in preview["changes"]] == [
        ("input", "2.50", "3.00", "+20.0%"),
        ("cached_input", "2.50", "3.00", "+20.0%"),
        ("cache_write", "2.50", "3.00", "+20.0%"),
        ("cache_write_1h", "2.50", "3.00", "+20.0%"),
        ("image_input", "2.50", "3.00", "+20.0%"),
    ]
    assert len(puyun("price", "history", "m", "--json").json) == 2
    assert puyun("price", "import", str(path), "--why", "list of May").code == 0
    assert puyun("price", "history", "m", "--json").json[-1]["why"] == "list of May"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model,tier,meter,amount\nm,flex,input,1\n", 'line 1: amount: unknown column "amount"'),
        (HEAD + "m,flex,input,2.5.0,\nm,gold,input,1,\n", "line 3: tier: there is no tier 'gold'"),
        (HEAD + "zz,flex,input,1,\nzz,flex,output,1,\n", 'there is no model "zz"'),
    ],
)
def test_a_broken_sheet_is_refused_as_a_whole(puyun, sold, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text)
    for command in ("import", "diff", "preview"):
        ended = puyun("price", command, str(path))
        assert (ended.code, says in ended.err) == (1, True), ended.err
    assert len(puyun("price", "history", "m", "--json").json) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["set", "zz", "flex", "input", "1"], 3),
        (["set", "m", "gold", "input", "1"], 2),
        (["set", "m", "flex", "inputs", "1"], 2),
        (["set", "m", "flex", "input", "-1"], 2),
        (["set", "m", "flex", "input", "1", "--from", "2001-01-01"], 2),
        (["history", "zz"], 3),
        (["import", "gone.csv"], 3),
        (["rerate", "nonsense"], 2),
        (["rerate", "req_000000000000000000000001"], 3),
    ],
)
def test_refusals(puyun, sold, arguments: list[str], code: int) -> None:
    ended = puyun("price", *arguments)
    assert (ended.code, ended.out) == (code, "")


def test_a_past_charge_is_computed_again(puyun, call: str) -> None:
    found = puyun("price", "rerate", call, "--json")
    assert (found.code, found.json["equal"], found.json["charge_again"]) == (0, True, "0.0087625")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE usage_record SET charge = charge - 1", "its charge is 0.008762499, it comes to 0.0087625"),
        ("UPDATE usage_record SET exact = exact + 1", "its exact cost is 0.008762500001"),
        ("UPDATE usage_record SET input = input + 1", "tokens times prices are 0.008765"),
        ("UPDATE usage_record SET price_ids = '1 99'", "not all of which exist"),
        ("UPDATE usage_record SET price_ids = '1 3'", "price 3 is of n at flex, not of m at flex"),
        ("UPDATE price SET effective_from = effective_from + 1000 WHERE id = 2", "price 2 began"),
    ],
)
def test_a_charge_that_differs_is_exit_6(puyun, call: str, data: Path, change: str, says: str) -> None:
    engine = open_engine(data / "puyun.db")
    with engine.connect() as connection:
        for table in ("usage_record", "price"):
            connection.exec_driver_sql(f"DROP TRIGGER {table}_no_update")
        connection.exec_driver_sql(change)
    engine.dispose()
    found = puyun("price", "rerate", call, "--json")
    assert (found.code, found.json["equal"]) == (6, False)
    assert any(says in difference for difference in found.json["differences"]), found.json
