import pytest


@pytest.fixture(autouse=True)
def acme(puyun) -> None:
    assert puyun("org", "create", "acme").code == 0
    assert puyun("topup", "acme", "5.00", "--processor", "stripe").code == 0


def test_a_payout_from_asking_to_paying(puyun) -> None:
    words = ("payout", "ask", "acme", "2.00", "--processor", "stripe", "--why", "leaves", "--id", "o", "--json")
    asked = puyun(*words).json
    assert puyun(*words).json == asked
    assert puyun("balance", "acme", "--json").json["held"] == "2.00"
    number = str(asked["payout"])
    assert puyun("payout", "pay", number, "--json").json["state"] == "paid"
    assert puyun("payout", "cancel", number).code == 1
    assert puyun("payout", "pay", "99").code == 3
    more = puyun("payout", "ask", "acme", "1.00", "--processor", "stripe", "--why", "x", "--json").json
    assert puyun("payout", "cancel", str(more["payout"]), "--json").json["state"] == "cancelled"
    assert puyun("payout", "ask", "acme", "1.00", "--why", "x").code == 1
    rows = puyun("payout", "list", "--org", "acme", "--json").json
    assert [(row["amount"], row["state"]) for row in rows] == [("1.00", "cancelled"), ("2.00", "paid")]
    assert puyun("balance", "acme", "--json").json["available"] == "3.00"
    assert puyun("audit").code == 0


def test_a_chargeback_from_opening_to_its_end(puyun) -> None:
    opened = puyun("chargeback", "open", "acme", "8.00", "dp_1", "--fee", "15.00", "--processor", "stripe", "--json")
    assert (opened.json["debt"], opened.json["state"]) == ("3.00", "open")
    assert puyun("chargeback", "open", "acme", "9.00", "dp_1", "--processor", "stripe").code == 1
    assert puyun("payout", "ask", "acme", "1.00", "--why", "x").code == 1
    assert puyun("chargeback", "won", "acme", "dp_1", "--json").json["state"] == "won"
    assert puyun("chargeback", "lost", "acme", "dp_1").code == 1
    assert puyun("chargeback", "lost", "acme", "dp_2").code == 3
    puyun("chargeback", "open", "acme", "1.00", "dp_3", "--processor", "stripe")
    assert puyun("chargeback", "lost", "acme", "dp_3", "--json").json["state"] == "lost"
    assert {row["dispute"] for row in puyun("chargeback", "list", "--json").json} == {"dp_1", "dp_3"}
    assert puyun("balance", "acme", "--json").json["available"] == "4.00"
    assert puyun("audit").code == 0


def test_a_payment_for_nobody_is_matched_or_returned(puyun) -> None:
    for payment in ("tx_1", "tx_2"):
        assert puyun("payment", "keep", "bank", payment, "3.00", "--note", "for acme?").code == 0
    assert [row["payment"] for row in puyun("payment", "list", "--json").json] == ["tx_1", "tx_2"]
    assert puyun("balance", "acme", "--json").json["paid"] == "5.00"
    matched = puyun("payment", "match", "bank", "tx_1", "acme", "--json").json
    assert (matched["state"], matched["organization"]) == (
        "matched",
        puyun("balance", "acme", "--json").json["organization"],
    )
    assert puyun("balance", "acme", "--json").json["paid"] == "8.00"
    assert puyun("payment", "return", "bank", "tx_1", "--why", "x").code == 1
    assert puyun("payment", "return", "bank", "tx_2", "--why", "x", "--json").json["state"] == "returned"
    assert puyun("payment", "match", "bank", "tx_3", "acme").code == 3
    assert puyun("payment", "list", "--json").json == []
    assert len(puyun("payment", "list", "--all", "--json").json) == 2
    assert puyun("audit").code == 0
