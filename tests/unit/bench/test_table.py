import io

import pytest
from rich.console import Console

from bench.run import Outcome
from bench.scenarios import Options, load_rows
from bench.spread import Spread
from bench.table import bottleneck, budgets, cell, number, results
from bench.targets import verdicts

ROWS = [row for row in load_rows(Options()) if row.name == "plain"]
COLUMNS = ["direct", "nginx", "puyun"]


@pytest.fixture
def outcome():
    outcome = Outcome()
    shares = {"load_share": 0.5, "mock_share": 0.4, "others_load_core": 0.0, "others_proxy_core": 0.01}
    outcome.add("plain", "direct", {"per_second": 200_000.0, **shares})
    for turn in (0.0, 2.0):
        outcome.add("plain", "nginx", {"cpu_us": 10.0, "proxy_share": 0.99, **shares})
        outcome.add("plain", "puyun", {"cpu_us": 49.0 + turn, "proxy_share": 0.98, **shares})
    return outcome


def text_of(table):
    screen = Console(file=io.StringIO(), width=150)
    screen.print(table)
    return screen.file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.456, "0.46"),
        (9.99, "9.99"),
        (12.34, "12.3"),
        (123.4, "123"),
        (251665.2, "251,665"),
        (-0.5, "-0.50"),
    ],
)
def test_a_number_shows_the_digits_that_matter(value, text):
    assert number(value) == text


def test_a_cell_shows_the_noise_when_there_is_any():
    assert cell(Spread(1, 2, 3)) == "2.00 [dim](1.00–3.00)[/dim]"
    assert cell(Spread(2, 2, 2)) == "2.00"


def test_the_table_holds_measure_range_and_ratio(outcome):
    text = text_of(results(outcome, COLUMNS, {"plain": "1 KB in"}))
    assert "1 KB in" in text
    [line] = [line for line in text.splitlines() if "CPU per call" in line]
    assert "50.0 (49.0–51.0)" in line
    assert "5.00 ×" in line
    assert "p99" not in text  # nothing was measured, so there is no line


def test_the_shares_tell_a_measured_proxy_from_a_tired_load_generator(outcome):
    text = text_of(bottleneck(outcome, COLUMNS, ROWS))
    [proxy] = [line for line in text.splitlines() if "the proxy" in line]
    assert proxy.split()[-2:] == ["99.0", "98.0"]
    assert "load generator" in text


def test_budgets_say_pass_or_miss(outcome):
    lines = text_of(budgets(verdicts(outcome))).splitlines()
    assert any("CPU per call " in line and "pass" in line for line in lines)
    assert any("against nginx" in line and "MISS" in line for line in lines)
