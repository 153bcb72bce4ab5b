from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from stage.pages import CHAT, DEMO, Site
from till import record

from puyun.catalog.model import Tier
from puyun.kit.clock import HOUR, ManualClock
from puyun.portal.shop import speed
from puyun.portal.shop.speed import HOURS, KEPT, Speed, SpeedBoard
from puyun.storage.engine import writing
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import tables
from puyun.storage.service.adding import add_all_up

NOW = 1_795_608_000_000_000


@pytest.fixture
def pages(tmp_path: Path, migrated: Path) -> Iterator[Site]:
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


def called(site: Site, model: int, tier: Tier = Tier.FLEX, *, at: int = NOW, **times: int) -> None:
    made = msgspec.structs.replace(record(7, 1, 5, tier=tier), model=model, **times)
    with writing(site.engine) as connection:
        connection.execute(insert(tables.tally_inbox), [{"at": at, "content": post_of([made], {})}])
    add_all_up(site.engine)


def look(site: Site, model: str = CHAT.name) -> Speed:
    found = SpeedBoard(site.engine, site.clock).of(model)
    assert found is not None
    return found


def test_without_calls_there_is_nothing_to_draw(pages: Site) -> None:
    assert look(pages) == Speed([], None, None)


def test_the_last_day_by_hour_latest_first(pages: Site) -> None:
    number = pages.models()
    called(pages, number[CHAT.name], at=NOW)
    called(pages, number[CHAT.name], Tier.TEST, at=NOW - 2 * HOUR)
    called(pages, number[CHAT.name], at=NOW - HOURS * HOUR)  # a day ago: out
    called(pages, number[DEMO.name], at=NOW)
    found = look(pages)
    assert [(row.at, row.tier, row.calls) for row in found.rows] == [
        (NOW // HOUR * HOUR, Tier.FLEX, 1),
        (NOW // HOUR * HOUR - 2 * HOUR, Tier.TEST, 1),
    ]
    assert found.wait is not None
    assert found.wait.end - found.wait.start == HOURS * HOUR
    assert [(line.tier, line.path.count("M")) for line in found.wait.lines] == [(Tier.TEST, 1), (Tier.FLEX, 1)]


def test_it_is_read_once_in_a_few_seconds(pages: Site) -> None:
    number = pages.models()
    board = SpeedBoard(pages.engine, pages.clock)
    first = board.of(CHAT.name)
    called(pages, number[CHAT.name])
    assert board.of(CHAT.name) is first
    pages.clock.advance(KEPT)
    later = board.of(CHAT.name)
    assert later is not None
    assert len(later.rows) == 1


def test_while_the_database_is_away_it_says_what_it_knew_or_nothing(
    pages: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = SpeedBoard(pages.engine, pages.clock)
    known = board.of(CHAT.name)
    pages.clock.advance(KEPT)

    def away(*_arguments: object) -> None:
        raise OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(speed, "hours_of_model", away)
    assert board.of(CHAT.name) is known
    assert board.of(DEMO.name) is None


def test_as_many_models_as_may_be_are_kept(pages: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "MODELS_KEPT", 1)
    board = SpeedBoard(pages.engine, pages.clock)
    first = board.of(CHAT.name)
    board.of(DEMO.name)
    assert board.of(CHAT.name) is not first
