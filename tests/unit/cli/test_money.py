import pytest
from shop import Shop

from puyun.kit.ids import request_id
from puyun.metering.usage import Usage
from puyun.storage.engine import open_engine


@pytest.fixture
def call(data) -> str:
    """A call that was sold; its request id."""
    engine = open_engine(data / "puyun.db")
    shop = Shop(engine, data / "puyun.db")
    found = shop.sell(Usage(input=1000, output=100))
    shop.store.close()
    engine.dispose()
    return request_id(7, found)


PERIOD = ("--from", "2026-11-25", "--to", "2026-11-26")


def test_money_in_and_the_same_command_again(puyun) -> None:
    puyun("org", "create", "acme")
    first = puyun("topup", "acme", "5.00", "--id", "x", "--note", "invoice 9", "--json")
    assert first.json["balance"] == "5.00"
    assert (first.json["transaction"], first.json["currency"], first.json["id"]) == (1, "USD", "x")
    assert puyun("topup", "acme", "5.00", "--id", "x", "--json").json == first.json
    puyun("topup", "acme", "1.50", "--kind", "bonus")
    balance = puyun("balance", "acme", "--json").json
    assert (balance["balance"], balance["paid"], balance["bonus"], balance["available"]) == (
        "6.50",
        "5.00",
        "1.50",
        "6.50",
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["topup", "acme", "zero"], 2),
        (["topup", "acme", "0"], 2),
        (["topup", "acme", "1", "--kind", "stolen"], 2),
        (["topup", "nobody", "1"], 3),
        (["topup", "acme", "2", "--id", "x"], 1),
        (["balance", "nobody"], 3),
        (["usage", "acme", "--by", "colour"], 2),
        (["usage", "acme", "--from", "tomorrow"], 2),
        (["receipt", "nonsense"], 2),
        (["receipt", "req_000000000000000000000001"], 3),
    ],
)
def test_refusals(puyun, arguments: list[str], code: int) -> None:
    puyun("org", "create", "acme")
    puyun("topup", "acme", "1", "--id", "x")
    ended = puyun(*arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 3)


def test_usage_as_json_csv_and_table(puyun, call: str) -> None:
    document = puyun("usage", "acme", *PERIOD, "--json").json
    assert document["by"] == "model"
    assert [(row["label"], row["input"], row["output"], row["charge"]) for row in document["rows"]] == [
        ("m", 1000, 100, "0.0035")
    ]
    assert document["total"]["charge"] == "0.0035"
    csv = puyun("usage", "acme", *PERIOD, "--by", "tier", "--csv").out.splitlines()
    assert csv[0].startswith("label,calls,failures,input,")
    assert csv[1].startswith("flex,1,0,1000,")
    assert puyun("usage", "acme", *PERIOD).out.splitlines()[-1].split()[0] == "total"


def test_a_receipt_for_people_and_programs(puyun, call: str) -> None:
    document = puyun("receipt", call, "--json").json
    assert (document["id"], document["charge"]) == (call, "0.0035")
    shown = puyun("receipt", call).out
    assert "0.0035" in shown
    assert "rounded down once" in shown
    assert shown.splitlines()[-1].split()[:2] == ["output", "100"]
