"""What stands where: points below each other, titles on each page, nothing beyond the paper."""

import pytest

from puyun.kit.errors import PuyunError
from puyun.web.papers import layout as module
from puyun.web.papers.fonts import width
from puyun.web.papers.layout import BOTTOM, LEFT, RIGHT, TOP, Column, Layout, Text

COLUMNS = [Column(title="Model", width=300), Column(title="Amount", width=199, kind="amount")]


def texts(page):
    return [thing for thing in page if isinstance(thing, Text)]


def test_points_stand_below_each_other():
    layout = Layout("running")
    amounts = ["1.00", "−1,234.5", "0.000000001", "+7.25"]
    layout.table(COLUMNS, [("m", amount) for amount in amounts])
    found = [each for each in texts(layout.pages[0]) if each.text in amounts]
    points = {round(each.x - width("0" * len(each.text.partition(".")[2]), each.size), 6) for each in found}
    assert len(found) == 4
    assert len(points) == 1
    assert max(each.x for each in found) == pytest.approx(RIGHT)


def test_a_thousand_lines_stand_on_pages_with_their_titles():
    layout = Layout("running")
    layout.heading("Lines")
    layout.table(COLUMNS, [(f"model-{number}", f"{number}.50") for number in range(1000)])
    assert len(layout.pages) > 15
    rows = []
    for number, page in enumerate(layout.pages):
        found = texts(page)
        assert [each.text for each in found].count("Model") == 1
        assert ("running" in [each.text for each in found]) is (number > 0)
        assert all(TOP <= each.y <= BOTTOM for each in found)
        assert all(LEFT <= each.x <= RIGHT + 1e-6 for each in found)
        rows += [each.text for each in found if each.text.startswith("model-")]
    assert rows == [f"model-{number}" for number in range(1000)]


def test_a_long_name_takes_lines_and_loses_nothing():
    layout = Layout("")
    name = "vendor/" + "a-very-long-name-" * 8
    layout.table(COLUMNS, [(name, "1.00"), ("next", "2.00")])
    found = texts(layout.pages[0])
    assert name in "".join(each.text for each in found if each.x == LEFT)
    below = {each.text: each.y for each in found}
    assert below["next"] > max(each.y for each in found if "long-name" in each.text)


def test_what_is_too_long_for_paper_is_said(monkeypatch):
    monkeypatch.setattr(module, "ROWS_MAX", 2)
    with pytest.raises(PuyunError, match="CSV"):
        Layout("").table(COLUMNS, [("m", "1.00")] * 3)
