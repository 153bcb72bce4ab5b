"""Prometheus' text: what is a sample, and what is passed over."""

import pytest
from hypothesis import given, strategies as st

from puyun.providers.exposition import LINE_MAX, SAMPLES_MAX, Sample, samples

WANTED = ("a:b", "x")

READ = [
    ("x 1", Sample("x", {}, 1.0)),
    ("x 1.5 1700000000000", Sample("x", {}, 1.5)),
    ("x\t0.25\r", Sample("x", {}, 0.25)),
    ("x 1e3", Sample("x", {}, 1000.0)),
    ("x{} 2", Sample("x", {}, 2.0)),
    ('a:b{m="n"} 2', Sample("a:b", {"m": "n"}, 2.0)),
    ('x{m="n",k="v",} 2', Sample("x", {"m": "n", "k": "v"}, 2.0)),
    (r'x{m="a \"b\" \\ \n } 7"} 2', Sample("x", {"m": 'a "b" \\ \n } 7'}, 2.0)),
]

PASSED_OVER = [
    "",
    "# HELP x 1",
    "# TYPE x gauge",
    "x",
    "x ",
    " x 1",
    "x one",
    "x NaN",
    "x +Inf",
    "x -1",
    "x -0.5",
    "x 1e999",
    "x 1_000",
    "x 1 2 3",
    "x{ 1",
    "x} 1",
    'x{m="n} 1',
    "x{m=n} 1",
    "x{m} 1",
    'x{"m"} 1',
    "xy 1",
    "x_total 1",
    "y 1",
    f"x 1{' ' * LINE_MAX}",
]


@pytest.mark.parametrize(("line", "sample"), READ)
def test_samples(line: str, sample: Sample) -> None:
    assert list(samples(f"# TYPE x gauge\n{line}\nother 3\n", WANTED)) == [sample]


@pytest.mark.parametrize("line", PASSED_OVER)
def test_what_is_none_does_not_hide_what_follows(line: str) -> None:
    assert list(samples(f"{line}\nx 1", WANTED)) == [Sample("x", {}, 1.0)]


def test_there_are_so_many_at_most() -> None:
    assert len(list(samples("x 1\n" * (SAMPLES_MAX + 5), WANTED))) == SAMPLES_MAX


@given(st.text(st.sampled_from('ax:b{}",=\\ \t1.e+-\n\r'), max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert all(0 <= sample.value < float("inf") for sample in samples(text, WANTED))
