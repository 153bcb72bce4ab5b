import pytest

from puyun.metering.usage import NO_USAGE, Usage
from puyun.portal.usage.figures import ROWS_MAX, average_of, change, compared, shortened
from puyun.storage.usage import UsageRow


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (110, 100, "+10.0%"),
        (96, 100, "−4.0%"),
        (7, 7, "0.0%"),
        (0, 3, "−100.0%"),
        (2, 3, "−33.3%"),
        (21, 1, "+2,000.0%"),
    ],
)
def test_a_change_is_a_signed_percentage(now, before, text):
    assert change(now, before).text == text


def test_nothing_before_is_no_change():
    assert change(5, 0).tenths is None
    empty = UsageRow("total", 0, 0, NO_USAGE, 0)
    assert compared(UsageRow("total", 1, 0, Usage(input=4), 5), empty).average_change.tenths is None


def test_the_average_is_rounded_down_and_missing_without_tokens():
    assert average_of(UsageRow("x", 1, 0, Usage(input=3), 10)) == 3300  # 3333.33 micro-units
    assert average_of(UsageRow("x", 1, 0, NO_USAGE, 10)) is None


@pytest.mark.parametrize("latest", [True, False])
def test_a_long_table_keeps_its_sum(latest):
    rows = [UsageRow(str(n), 1, 0, Usage(input=n), n) for n in range(ROWS_MAX + 3)]
    kept, rest, left_out = shortened(rows, latest=latest)
    assert (len(kept), left_out) == (ROWS_MAX, 3)
    assert sum(row.charge for row in kept) + rest.charge == sum(row.charge for row in rows)
    assert (rows[-1] in kept) is latest
    assert shortened(rows[:ROWS_MAX], latest=latest) == (rows[:ROWS_MAX], None, 0)
