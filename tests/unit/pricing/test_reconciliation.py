"""What a difference is put down to: each cause for no more than it can account for, the rest unexplained."""

import pytest
from hypothesis import given, strategies as st

from puyun.catalog.fault import CatalogErrors
from puyun.pricing.reconciliation import CAUSES, Bill, Ours, compare, parse_bill

DAY = 20_782


def compared(theirs: tuple[int, int], ours: Ours, cost: int | None = None):
    (found,) = compare([Bill(DAY, "m", *theirs, cost)], {(DAY, "m"): ours})
    return found


OURS = Ours(calls=10, input=1000, output=500)


@pytest.mark.parametrize(
    ("theirs", "ours", "causes", "unexplained", "alarm"),
    [
        ((1000, 500), OURS, ({}, {}), (0, 0), False),
        ((1005, 502), OURS, ({}, {}), (5, 2), False),
        ((1006, 500), OURS, ({}, {}), (6, 0), True),
        ((994, 500), OURS, ({}, {}), (-6, 0), True),
        ((1000, 497), OURS, ({}, {}), (0, -3), True),
        ((700, 500), Ours(10, 1000, 500, cached=300), ({"cache": -300}, {}), (0, 0), False),
        ((1000, 500), Ours(10, 1000, 500, cached=300), ({}, {}), (0, 0), False),
        ((1090, 540), Ours(10, 1000, 500, failed_attempts=1), ({"retries": 90}, {"retries": 40}), (0, 0), False),
        ((1190, 500), Ours(10, 1000, 500, failed_attempts=1), ({"retries": 100}, {}), (90, 0), True),
        ((1000, 590), Ours(10, 1000, 500, cancelled=2), ({}, {"cancelled": 90}), (0, 0), False),
        ((1090, 500), Ours(10, 1000, 500, cancelled=2), ({}, {}), (90, 0), True),
        ((960, 520), Ours(10, 1000, 500, estimated_input=50, estimated_output=25), ({"no_usage": -40}, {"no_usage": 20}), (0, 0), False),
        ((10, 10), Ours(), ({}, {}), (10, 10), True),
        ((0, 0), OURS, ({}, {}), (-1000, -500), True),
        ((0, 0), Ours(), ({}, {}), (0, 0), False),
    ],
)  # fmt: skip
def test_causes(theirs, ours: Ours, causes, unexplained, alarm: bool) -> None:
    found = compared(theirs, ours)
    assert (found.input.causes, found.output.causes) == causes
    assert (found.input.unexplained, found.output.unexplained) == unexplained
    assert found.alarming == alarm


def test_money_is_looked_at_where_tokens_agree() -> None:
    ours = Ours(10, 1000, 500, cost=2000)
    assert not compared((1000, 500), ours, cost=2010).alarming
    assert compared((1000, 500), ours, cost=2011).alarming
    assert not compared((1001, 500), ours, cost=9000).alarming
    assert compared((1000, 500), OURS, cost=9000).cost is None


COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, st.builds(Ours, *[COUNTS] * 8))
def test_causes_and_the_rest_always_add_up(theirs_in: int, theirs_out: int, ours: Ours) -> None:
    found = compared((theirs_in, theirs_out), ours)
    for measure in (found.input, found.output):
        assert measure.theirs - measure.ours == sum(measure.causes.values()) + measure.unexplained
        assert abs(measure.unexplained) <= abs(measure.theirs - measure.ours)
        assert set(measure.causes) <= set(CAUSES)


def test_rows_of_one_day_and_model_are_added_up_and_each_side_is_complete() -> None:
    text = (
        "date,model,input_tokens,output_tokens,cost\n2026-11-25,m,1,2,0.5\n2026-11-25,m,10,20,0.25\n2026-11-26,m,5,5,\n"
    )
    bills = parse_bill(text, "x")
    assert [(bill.input, bill.output, bill.cost) for bill in bills] == [(11, 22, 750_000_000), (5, 5, None)]
    found = compare(bills, {(bills[0].day, "n"): OURS})
    assert [(each.date, each.model) for each in found] == [
        ("2026-11-25", "m"),
        ("2026-11-25", "n"),
        ("2026-11-26", "m"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("date,model,input_tokens\n", '"output_tokens" is missing'),
        ("date,model,input_tokens,output_tokens\n", "it has no rows"),
        ("date,model,input_tokens,output_tokens,tokens\n", "unknown column"),
        ("date,model,input_tokens,output_tokens\n2026-11-25,m,1.5,1\n", "line 2: input_tokens"),
        ("date,model,input_tokens,output_tokens\n2026-11-25,m,-1,1\n", "line 2: input_tokens"),
        ("date,model,input_tokens,output_tokens\n2026-11-25T08:00:00Z,m,1,1\n", "is no day"),
        ("date,model,input_tokens,output_tokens\n2026-11-25,,1,1\n", "own name of the model"),
        ("date,model,input_tokens,output_tokens,cost\n2026-11-25,m,1,1,1e3\n", "line 2: cost"),
        ("date,model,input_tokens,output_tokens\n2026-11-25,m," + "9" * 5000 + ",1\n", "no count of tokens"),
    ],
)
def test_a_bill_that_cannot_be_read_is_refused_as_a_whole(text: str, says: str) -> None:
    with pytest.raises(CatalogErrors) as caught:
        parse_bill(text, "x")
    assert says in str(caught.value)
