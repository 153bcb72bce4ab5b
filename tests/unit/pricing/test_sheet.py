import pytest
from hypothesis import given, strategies as st

from puyun.catalog.fault import CatalogErrors
from puyun.catalog.model import METERS, TIERS, Price
from puyun.kit.money import PRICE_MAX
from puyun.pricing.sheet import parse_csv, to_csv

LAST = 250_000_000_000_000_000
PRICES = st.builds(
    Price,
    model=st.from_regex(r"[a-z0-9][a-z0-9._:/@+-]{0,9}", fullmatch=True),
    tier=st.sampled_from(TIERS),
    meter=st.sampled_from(METERS),
    amount=st.none() | st.integers(0, PRICE_MAX),
    effective_from=st.none() | st.integers(0, LAST),
)
LISTS = st.lists(
    PRICES, unique_by=lambda price: (price.model, price.tier, price.meter, price.effective_from), max_size=8
)


@given(LISTS, st.randoms())
def test_reading_gives_the_prices_back_and_their_order_changes_no_byte(prices: list[Price], chance) -> None:
    text = to_csv(prices)
    assert set(parse_csv(text, "x")) == set(prices)
    assert to_csv(parse_csv(text, "x")) == text
    shuffled = list(prices)
    chance.shuffle(shuffled)
    assert to_csv(shuffled) == text


def test_columns_may_stand_in_any_order_and_from_may_be_missing() -> None:
    text = "\ufeffprice,meter,tier,model\r\n2.50,input,flex,m\r\n\r\nwithdrawn,output,flex,m\r\n"
    assert [(price.meter, price.amount, price.effective_from) for price in parse_csv(text, "x")] == [
        ("input", 2_500_000, None),
        ("output", None, None),
    ]


HEAD = "model,tier,meter,price,from\n"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ['line 1: model: the column "model" is missing']),
        ("model,tier,meter,prise\n", ['unknown column "prise"; did you mean "price"?', '"price" is missing']),
        ("model,tier,meter,price,price\n", ['"price" stands twice']),
        (HEAD + "m,flex,input\n", ["line 2: 3 fields, the head has 5"]),
        (HEAD + "m,flex,input,1,,\n", ["line 2: 6 fields"]),
        (HEAD + "m,flex,inputs,1,\nm,flx,input,1,\n", ["line 2: meter: there is no meter", "line 3: tier:"]),
        (HEAD + "m,flex,input,2.1234567,\n", ["line 2: price:"]),
        (HEAD + "m,flex,input,-1,\nm,flex,input,1e3,\nm,flex,input,,\n", ["line 2", "line 3", "line 4"]),
        (HEAD + "m,flex,input,1,soon\nm,flex,input,1,1969-01-01\n", ["is no time", "before 1970"]),
        (
            HEAD + "m,flex,input,1,\nm,flex,input,2,\n",
            ["line 3: m: a second price of this meter; the first is on line 2"],
        ),
        (HEAD + '"m,flex\n', ["not CSV"]),
        (HEAD + "=cmd|x,flex,input,1,\n", ["line 2: model:"]),
    ],
)
def test_every_fault_is_told_with_its_line(text: str, faults: list[str]) -> None:
    with pytest.raises(CatalogErrors) as caught:
        parse_csv(text, "x")
    told = [str(fault) for fault in caught.value.faults]
    for fault in faults:
        assert any(fault in each for each in told), told
