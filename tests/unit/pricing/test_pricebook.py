"""The price book over time, as a table: rows in, rates at a moment out."""

import pytest
from prices import book, row

from puyun.catalog.model import Kind, Tier
from puyun.kit.clock import Instant
from puyun.pricing.pricebook import PriceBook, Rates


def rates(table: str, now: int) -> Rates | None:
    return book(table).rates("m", Tier.FLEX, Instant(now))


def shown(found: Rates | None) -> str:
    """`input=5 output=7 ids 1 2 until 30`."""
    if found is None:
        return "not sold"
    own = " ".join(f"{meter}={rate.price}" for meter, rate in sorted(found.own.items()))
    return f"{own} ids {found.price_ids} until {found.until}"


TABLE = """
1  input   250  from 0
2  output  900  from 0
3  input   300  from 10
4  output  -    from 20
5  output  800  from 30
6  input   -    from 40
7  input   200  from 50
"""

MOMENTS = """
-1 | not sold
0  | input=250 output=900 ids 1 2 until 10
9  | input=250 output=900 ids 1 2 until 10
10 | input=300 output=900 ids 2 3 until 20
20 | input=300 ids 3 until 30
30 | input=300 output=800 ids 3 5 until 40
40 | not sold
49 | not sold
50 | input=200 output=800 ids 5 7 until None
99 | input=200 output=800 ids 5 7 until None
"""


@pytest.mark.parametrize("line", MOMENTS.strip().splitlines())
def test_prices_begin_and_end_when_they_say(line: str) -> None:
    now, expected = (part.strip() for part in line.split("|"))
    assert shown(rates(TABLE, int(now))) == expected


def test_an_undo_is_a_later_row() -> None:
    """P1: of rows with one start the later one wins; an announced change is undone before it begins, or withdrawn."""
    undone = TABLE.replace("3  input   300  from 10", "3  input 300 from 10\n8 input 250 from 10\n9 input 260 from 10")
    assert shown(rates(undone, 10)) == "input=260 output=900 ids 2 9 until 20"
    withdrawn = "1 input 250 from 0\n2 input 300 from 10\n3 input - from 10"
    assert shown(rates(withdrawn, 10)) == "not sold"


def test_a_row_with_a_higher_id_and_an_earlier_start_does_not_hide_a_later_start() -> None:
    assert shown(rates("1 input 250 from 10\n2 input 300 from 0", 10)) == "input=250 ids 1 until None"


def test_each_offer_has_its_own_prices() -> None:
    mixed = PriceBook(
        [row("1 input 5 from 0"), row("2 input 6 from 0", tier=Tier.TEST), row("3 input 7 from 0", model="n")]
    )
    now = Instant(0)
    found = [mixed.rates(*offer, now) for offer in (("m", Tier.FLEX), ("m", Tier.TEST), ("n", Tier.FLEX))]
    assert [rates and rates.price_ids for rates in found] == ["1", "2", "3"]
    assert mixed.rates("n", Tier.TEST, now) is None
    assert mixed.offers() == [("m", Tier.FLEX), ("m", Tier.TEST), ("n", Tier.FLEX)]


FALLBACKS = """
input=2                                 | cached_input=2 cache_write=2 cache_write_1h=2 image_input=2
input=2 output=8                        | cached_input=2 cache_write=2 cache_write_1h=2 image_input=2 reasoning=8
input=2 cached_input=1 output=8         | cache_write=2 cache_write_1h=2 image_input=2 reasoning=8
input=2 cached_input=0 output=8         | cache_write=2 cache_write_1h=2 image_input=2 reasoning=8
input=2 cache_write=3                   | cached_input=2 cache_write_1h=3 image_input=2
input=2 cache_write_1h=4 image_input=5  | cached_input=2 cache_write=2
input=2 output=8 reasoning=9            | cached_input=2 cache_write=2 cache_write_1h=2 image_input=2
input=2 audio=5                         | cached_input=2 cache_write=2 cache_write_1h=2 image_input=2
image=2                                 |
"""


@pytest.mark.parametrize("line", FALLBACKS.strip().splitlines())
def test_meters_without_a_price_fall_back_by_name(line: str) -> None:
    """P4."""
    own, fallen = (dict(word.split("=") for word in part.split()) for part in line.split("|"))
    table = "\n".join(f"{n} {meter} {price} from 0" for n, (meter, price) in enumerate(own.items(), 1))
    found = rates(table, 0)
    assert found is not None
    assert {meter: str(rate.price) for meter, rate in found.by_meter.items()} == own | fallen
    assert set(found.own) == set(own)


def test_what_falls_back_names_the_row_it_falls_back_to() -> None:
    found = rates("1 input 2 from 0\n2 output 8 from 0", 0)
    assert found is not None
    assert (found.by_meter["reasoning"].price_id, found.by_meter["cached_input"].price_id) == (2, 1)
    assert found.price_ids == "1 2"


def test_the_dearest_kind_of_token() -> None:
    found = rates("1 input 2 from 0\n2 audio 40 from 0\n3 output 8 from 0\n4 reasoning 5 from 0", 0)
    assert found is not None
    assert (found.dearest_input, found.dearest_output) == (40, 8)
    only = rates("1 input 2 from 0", 0)
    assert only is not None
    assert (only.dearest_input, only.dearest_output) == (2, 0)


@pytest.mark.parametrize(
    ("table", "chat", "embedding"),
    [
        ("1 input 2 from 0", False, True),
        ("1 input 2 from 0\n2 output 8 from 0", True, True),
        ("1 image 2 from 0", False, False),
    ],
)
def test_which_kinds_can_be_billed(table: str, chat: bool, embedding: bool) -> None:
    """I17."""
    found = rates(table, 0)
    assert found is not None
    assert (found.serves(Kind.CHAT), found.serves(Kind.EMBEDDING)) == (chat, embedding)


def test_past_rates_are_found_by_their_ids_whatever_came_later() -> None:
    """P7."""
    whole = book(TABLE)
    for now in (0, 10, 20, 30, 50):
        then = whole.rates("m", Tier.FLEX, Instant(now))
        assert then is not None
        again = whole.recorded(then.price_ids)
        assert (again.by_meter, again.prices, again.gaps) == (then.by_meter, then.prices, then.gaps)
    with pytest.raises(KeyError):
        whole.recorded("99")


def test_history_and_announcements_come_in_time_order() -> None:
    whole = book(TABLE)
    assert [row.id for row in whole.history("m")] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.id for row in whole.upcoming("m", Tier.FLEX, Instant(20))] == [5, 6, 7]
    assert whole.upcoming("m", Tier.TEST, Instant(20)) == whole.history("n") == []
