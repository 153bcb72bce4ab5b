import re
import xml.etree.ElementTree as ET

import pytest
from msgspec.structs import replace

from puyun.kit.clock import SECOND
from puyun.sim.report.page import page, share, time
from puyun.sim.tiers.compare import Report, compare
from puyun.sim.tiers.scenarios import SCENARIOS

POLICIES = ("priority", "fifo")


pytestmark = pytest.mark.xdist_group("sim-page")
"""What they share takes seconds: it is made in one process."""


@pytest.fixture(scope="module")
def report() -> Report:
    scenarios = [replace(SCENARIOS[name], until=40 * SECOND, warm=10 * SECOND) for name in ("test-10", "weights")]
    return compare(scenarios, POLICIES, 1, lambda _done, _of: None)


def test_the_page_needs_nothing_but_itself(report: Report) -> None:
    text = page(report, style="body { color: red }")
    assert "body { color: red }" in text
    assert not re.search(r"(src|href)=\"(?!#)|url\(|<script|https?:", text)


def test_every_scenario_has_its_table_and_plots(report: Report) -> None:
    text = page(report, style="")
    body = ET.fromstring(text[text.index("<body>") :].removesuffix("\n</html>\n").replace("<br>", "<br/>"))
    for name in ("test-10", "weights"):
        section = body.find(f".//section[@id='{name}']")
        assert section is not None
        assert len(section.findall(".//tbody/tr")) == len(POLICIES) * (3 if name == "test-10" else 1)
        assert len(section.findall(".//svg[@class='plot']")) == len(POLICIES) * (8 if name == "test-10" else 6)
    assert "never served" in text


def test_figures_stand_where_the_scheduler_was_among_the_policies(report: Report) -> None:
    assert "What it is held to" not in page(report, style="")
    assert "What it is held to" in page(replace(report, policies=("puyun",)), style="")


def test_names_are_escaped_and_the_source_of_a_trace_is_named(report: Report) -> None:
    text = page(report, style="", source="<conv>.csv")
    assert "Recorded calls: &lt;conv&gt;.csv" in text


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [(0, "0"), (999, "< 1 ms"), (250_400, "250 ms"), (1_234_567, "1.23 s"), (119_960_000, "120.0 s")],
)
def test_times(microseconds: int, shown: str) -> None:
    assert time(microseconds) == shown


@pytest.mark.parametrize(("ppm", "shown"), [(0, "0.0 %"), (999_999, "99.9 %"), (1_000_000, "100 %"), (12_345, "1.2 %")])
def test_shares(ppm: int, shown: str) -> None:
    assert share(ppm) == shown
