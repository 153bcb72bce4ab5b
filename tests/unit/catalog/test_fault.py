from puyun.catalog.fault import CatalogErrors, Fault, FaultKind, nearest, refusals

BROKEN = Fault(3, "models.a.kind", "no")
SLIP = Fault(2, "prices.a.flex.input", "odd", FaultKind.IMPLAUSIBLE)
HINT = Fault(None, "models.a", "lonely", FaultKind.WARNING)


def test_force_lets_slips_pass_and_nothing_else() -> None:
    assert refusals([BROKEN, SLIP, HINT]) == [BROKEN, SLIP]
    assert refusals([BROKEN, SLIP, HINT], force=True) == [BROKEN]


def test_errors_read_in_the_order_of_the_file() -> None:
    errors = CatalogErrors("shop.toml", [BROKEN, SLIP, HINT, Fault(9, "", "not TOML")])
    assert errors.faults[0] == HINT
    assert str(errors).splitlines() == [
        "shop.toml: models.a: lonely",
        "shop.toml: line 2: prices.a.flex.input: odd",
        "shop.toml: line 3: models.a.kind: no",
        "shop.toml: line 9: not TOML",
    ]


def test_a_word_gets_the_nearest_one_or_the_list() -> None:
    assert nearest("Inputt", ("input", "output")) == '; did you mean "input"?'
    assert nearest("xyz", ("input", "output")) == "; expected one of input, output"
