import csv
from io import StringIO

from hypothesis import given, strategies as st

from puyun.metering.usage import BUCKETS, Usage
from puyun.portal.statement import csv_lines, shown_buckets, total
from puyun.storage.usage import UsageRow

count = st.integers(0, 2**53)
rows_of_any_kind = st.lists(
    st.builds(UsageRow, st.text(max_size=5), count, count, st.builds(Usage, **dict.fromkeys(BUCKETS, count)), count),
    max_size=8,
)


@given(rows_of_any_kind)
def test_the_total_is_the_sum_of_the_rows(rows):
    summed = total(rows)
    assert summed.charge == sum(row.charge for row in rows)
    assert summed.calls == sum(row.calls for row in rows)
    assert summed.usage.total == sum(row.usage.total for row in rows)
    for bucket in BUCKETS:
        assert getattr(summed.usage, bucket) == sum(getattr(row.usage, bucket) for row in rows)


@given(rows_of_any_kind)
def test_no_bucket_with_tokens_is_hidden(rows):
    summed = total(rows).usage
    hidden = set(BUCKETS) - set(shown_buckets(summed))
    assert all(getattr(summed, bucket) == 0 for bucket in hidden)
    assert {"input", "cached_input", "output"} <= set(shown_buckets(summed))


def test_the_export_has_exact_amounts_and_cannot_run_in_a_spreadsheet():
    rows = [UsageRow('=HYPERLINK("x")', 2, 1, Usage(input=5, output=7), 8_755_000), UsageRow("a,b", 1, 0, Usage(), 0)]
    read = list(csv.DictReader(StringIO("".join(csv_lines(rows, "model", "USD")))))
    assert read[0]["model"] == '\'=HYPERLINK("x")'
    assert read[0]["cost"] == "0.008755"
    assert (read[0]["requests"], read[0]["failures"], read[0]["total_tokens"]) == ("2", "1", "12")
    assert (read[1]["model"], read[1]["cost"], read[1]["currency"]) == ("a,b", "0.00", "USD")
