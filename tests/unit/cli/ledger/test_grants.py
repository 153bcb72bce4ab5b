import pytest


@pytest.fixture(autouse=True)
def acme(puyun) -> None:
    assert puyun("org", "create", "acme").code == 0
    assert puyun("topup", "acme", "5.00").code == 0


def test_an_adjustment_up_and_down(puyun) -> None:
    up = puyun("adjust", "acme", "1.00", "--why", "sorry", "--id", "u", "--json").json
    assert (up["balance"], up["id"]) == ("6.00", "u")
    assert puyun("adjust", "acme", "1.00", "--why", "sorry", "--id", "u", "--json").json == up
    assert puyun("adjust", "acme", "-2.00", "--why", "oops", "--json").json["balance"] == "4.00"
    short = puyun("adjust", "acme", "-4.01", "--why", "oops")
    assert (short.code, short.err.splitlines()[0]) == (1, "Error: It takes 4.01, and 4.00 can be taken.")
    assert puyun("adjust", "acme", "1.00").code == 2
    assert puyun("adjust", "acme", "1.00", "--kind", "gold", "--why", "x").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("adjust", "acme", "{}", "--why", "sorry"),
        ("adjust", "acme", "-{}", "--why", "oops"),
        ("topup", "acme", "{}", "--kind", "bonus"),
        ("credit", "sla", "acme", "{}", "--period", "p{}", "--objective", "o", "--evidence", "e"),
        ("redeem", "create", "{}"),
    ],
)
def test_above_a_limit_it_takes_a_second_person(puyun, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("PUYUN_MONEY__SECOND_PERSON_ABOVE", "2")
    small, large = ([word.format(amount) for word in words] for amount in ("2.00", "2.000000001"))
    assert puyun(*small, "--by", "ann").code == 0
    alone = puyun(*large, "--by", "ann")
    assert (alone.code, "It takes two persons" in alone.err) == (1, True)
    assert puyun(*large, "--by", "ann", "--approved-by", "ann").code == 1
    assert puyun(*large, "--by", "ann", "--approved-by", "bob").code == 0
    assert puyun("audit").code == 0


def test_many_small_codes_are_one_large_gift(puyun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUYUN_MONEY__SECOND_PERSON_ABOVE", "2")
    assert puyun("redeem", "create", "1.00", "--count", "2").code == 0
    assert puyun("redeem", "create", "1.00", "--count", "3").code == 1


def test_an_sla_credit_is_given_once(puyun) -> None:
    words = ("credit", "sla", "acme", "0.50", "--period", "2026-11", "--objective", "availability")
    first = puyun(*words, "--evidence", "41 minutes", "--json").json
    assert first["balance"] == "5.50"
    assert puyun(*words, "--evidence", "41 minutes", "--json").json == first
    assert puyun("credit", "sla", "acme", "0.60", *words[4:], "--evidence", "more").code == 1


def test_lots_and_their_end(puyun) -> None:
    puyun("topup", "acme", "1.00", "--kind", "bonus", "--expires", "2020-01-01", "--note", "welcome")
    puyun("topup", "acme", "2.00", "--kind", "bonus", "--expires", "2999-01-01")
    lots = puyun("credit", "list", "acme", "--json").json
    assert [(lot["left"], lot["expires"], lot["why"]) for lot in lots] == [
        ("1.00", "2020-01-01T00:00:00Z", "welcome"),
        ("2.00", "2999-01-01T00:00:00Z", ""),
    ]
    assert [row["expired"] for row in puyun("credit", "expire", "--json").json] == ["1.00"]
    assert puyun("credit", "expire", "--json").json == []
    assert puyun("balance", "acme", "--json").json["bonus"] == "2.00"
    assert puyun("audit").code == 0


def test_a_payment_with_tax_and_fee(puyun) -> None:
    words = ("--tax", "0.19", "--area", "DE", "--fee", "0.03", "--processor", "stripe", "--id", "p", "--json")
    first = puyun("topup", "acme", "1.00", *words).json
    assert first["balance"] == "6.00"
    assert puyun("topup", "acme", "1.00", *words).json == first
    assert puyun("topup", "acme", "1.00", "--tax", "0.19").code == 2
    assert puyun("audit").code == 0
