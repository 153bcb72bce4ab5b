import pytest

from puyun.kit.clock import format_instant, parse_instant
from puyun.pricing.statement import Amounts, Statement, digest, months_before, parse_month, render


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"), ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")],
)  # fmt: skip
def test_a_month_in_utc(text: str, start: str, end: str) -> None:
    month = parse_month(text)
    assert (month.name, format_instant(month.start), format_instant(month.end)) == (text, start, end)


@pytest.mark.parametrize(
    "text", ["2026-1", "2026-13", "26-11", "2026-11-01", "november", "", "9999-12", "2026-02-01T00", "20261101"]
)
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match="is no month"):
        parse_month(text)


@pytest.mark.parametrize("now", ["2027-02-01", "2027-02-28T23:59:59Z"])
def test_the_last_whole_months(now: str) -> None:
    assert [month.name for month in months_before(parse_instant(now), 3)] == ["2026-11", "2026-12", "2027-01"]


def empty(**changes: object) -> Statement:
    month = parse_month("2026-11")
    fields = {"opening": Amounts(5, 2), "settled": Amounts(), "carried_in": 0, "carried_out": 0}
    lists = {"movements": (), "lines": (), "offers": (), "keys": ()}
    return Statement(org=7, currency="USD", month=month, **(fields | lists | changes))


def test_the_form_is_for_ever() -> None:
    """Whoever changes it gives it a new name, and keeps the old one for the months that were closed in it."""
    assert digest(empty()) == DIGEST, render(empty())


DIGEST = "47e6017c34b5021e9de11274363cd096fa60bc2b609ad808a0c21c8beb23142a"


def test_a_statement_that_does_not_add_up_says_so() -> None:
    assert empty().adds_up
    assert not empty(settled=Amounts(1, 0)).adds_up
    assert empty(settled=Amounts(1, 0), carried_in=1).adds_up
    assert empty(settled=Amounts(1, 1)).closing == Amounts(4, 1)
