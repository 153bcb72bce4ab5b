"""Applying a file is an upsert: idempotent, never a look back, and silent about what it does not mention."""

from collections.abc import Iterable

import msgspec
from hypothesis import given, strategies as st

from puyun.catalog.diff import amount_at, describe, diff
from puyun.catalog.model import CatalogFile, Deployment, Dialect, Kind, Model, Price, Provider, Tier
from puyun.kit.clock import DAY, Instant, parse_instant

NOW = parse_instant("2026-11-25T00:00:00Z")
DECEMBER = parse_instant("2026-12-01T00:00:00Z")
LAST_WEEK = Instant(NOW - 7 * DAY)

PROVIDER = Provider(name="openai", dialect=Dialect.OPENAI, base_url="https://api.openai.com/v1")
DEPLOYMENT = Deployment(name="gpt-4o@openai", provider="openai", upstream_model="gpt-4o")
MODEL = Model(name="gpt-4o", kind=Kind.CHAT, context_length=128_000, deployments=("gpt-4o@openai",))
NOTHING = CatalogFile()


def price(amount: int | None, effective_from: int | None = None, meter: str = "input") -> Price:
    return Price(model="gpt-4o", tier=Tier.FLEX, meter=meter, amount=amount, effective_from=effective_from)


def prices(*rows: Price) -> CatalogFile:
    return CatalogFile(prices=rows)


def changed(current: CatalogFile, wanted: CatalogFile, now: Instant = NOW) -> list[tuple[int | None, int | None]]:
    return [(row.effective_from, row.amount) for row in diff(current, wanted, now).prices]


def applied(current: CatalogFile, wanted: CatalogFile, now: Instant) -> CatalogFile:
    """What the database holds afterwards."""
    change = diff(current, wanted, now)

    def upsert(old: tuple, new: tuple) -> tuple:
        return tuple({entry.name: entry for entry in (*old, *new)}.values())

    return CatalogFile(
        providers=upsert(current.providers, change.providers),
        deployments=upsert(current.deployments, change.deployments),
        models=upsert(current.models, change.models),
        prices=(*current.prices, *change.prices),
    )


def test_a_new_catalogue() -> None:
    wanted = CatalogFile(
        providers=(PROVIDER,),
        deployments=(DEPLOYMENT,),
        models=(MODEL,),
        prices=(price(2_500_000), price(2_750_000, DECEMBER)),
    )
    change = diff(NOTHING, wanted, NOW)
    assert (change.providers, change.deployments, change.models) == ((PROVIDER,), (DEPLOYMENT,), (MODEL,))
    assert change.prices == (price(2_500_000, NOW), price(2_750_000, DECEMBER))
    assert describe(change) == [
        "+ provider openai",
        "+ deployment gpt-4o@openai",
        "+ model gpt-4o",
        "+ price gpt-4o flex input 2.50",
        "~ price gpt-4o flex input 2.50 → 2.75 from 2026-12-01T00:00:00Z",
    ]


def test_nothing_new_is_empty() -> None:
    file = CatalogFile(providers=(PROVIDER,), models=(MODEL,), prices=(price(1, LAST_WEEK),))
    change = diff(file, file, NOW)
    assert change.empty
    assert describe(change) == []
    assert not diff(NOTHING, file, NOW).empty


def test_a_change_of_price_alone_is_not_empty() -> None:
    assert not diff(NOTHING, prices(price(1)), NOW).empty


def test_changed_fields_are_told_old_and_new() -> None:
    wanted = msgspec.structs.replace(MODEL, context_length=200_000, deployments=(), vendor="OpenAI")
    seats = msgspec.structs.replace(DEPLOYMENT, seats=8, rpm=60)
    change = diff(
        CatalogFile(models=(MODEL,), deployments=(DEPLOYMENT,)),
        CatalogFile(models=(wanted,), deployments=(seats,)),
        NOW,
    )
    assert change.models == (wanted,)
    assert describe(change) == [
        "~ deployment gpt-4o@openai seats 64 → 8, rpm none → 60",
        "~ model gpt-4o context_length 128000 → 200000, deployments gpt-4o@openai → none, vendor none → OpenAI",
    ]


def test_what_the_file_does_not_mention_stays() -> None:
    current = CatalogFile(providers=(PROVIDER,), models=(MODEL,), prices=(price(1, LAST_WEEK), price(2, DECEMBER)))
    assert diff(current, NOTHING, NOW).empty
    assert diff(current, prices(price(1)), NOW).empty


def test_a_price_without_a_start_counts_from_now() -> None:
    assert changed(prices(price(1, LAST_WEEK)), prices(price(2))) == [(NOW, 2)]


def test_a_price_in_force_is_not_written_again() -> None:
    assert changed(prices(price(1, LAST_WEEK)), prices(price(1))) == []
    assert changed(prices(price(1, LAST_WEEK)), prices(price(1, DECEMBER))) == []


def test_a_cell_is_compared_with_what_will_be_in_force_at_its_start() -> None:
    current = prices(price(1, LAST_WEEK), price(2, NOW + DAY))
    assert changed(current, prices(price(1, DECEMBER))) == [(DECEMBER, 1)]
    assert changed(current, prices(price(2, DECEMBER))) == []


def test_an_announcement_at_the_same_moment_is_overruled_by_a_newer_row() -> None:
    current = prices(price(1, LAST_WEEK), price(2, DECEMBER), price(3, DECEMBER))
    assert changed(current, prices(price(3, DECEMBER))) == []
    assert changed(current, prices(price(2, DECEMBER))) == [(DECEMBER, 2)]


def test_a_start_in_the_past_becomes_now() -> None:
    assert changed(NOTHING, prices(price(1, LAST_WEEK))) == [(NOW, 1)]


def test_of_starts_that_have_passed_the_latest_counts() -> None:
    file = prices(price(1), price(2, DECEMBER))
    after = Instant(DECEMBER + DAY)
    assert changed(prices(price(1, NOW), price(2, DECEMBER)), file, after) == []
    assert changed(NOTHING, file, after) == [(after, 2)]
    assert changed(NOTHING, file, DECEMBER) == [(DECEMBER, 2)]


def test_withdrawing() -> None:
    current = prices(price(2_500_000, LAST_WEEK))
    change = diff(current, prices(price(None, DECEMBER)), NOW)
    assert change.prices == (price(None, DECEMBER),)
    assert describe(change) == ["- price gpt-4o flex input 2.50 withdrawn from 2026-12-01T00:00:00Z"]
    assert diff(NOTHING, prices(price(None)), NOW).empty


def test_meters_and_tiers_are_cells_of_their_own() -> None:
    current = prices(price(1, LAST_WEEK), msgspec.structs.replace(price(1, LAST_WEEK), tier=Tier.TEST))
    assert diff(current, prices(price(1, meter="output")), NOW).prices == (price(1, NOW, "output"),)


def test_of_equal_starts_the_later_pair_wins() -> None:
    assert amount_at([(5, 1), (5, 2), (3, 9), (8, 4)], 6) == 2
    assert amount_at([(5, 1)], 4) is None


AMOUNTS = st.none() | st.integers(0, 3)
STARTS = st.none() | st.integers(0, 20)
ROWS = st.lists(
    st.builds(price, AMOUNTS, STARTS, st.sampled_from(["input", "output"])),
    max_size=6,
    unique_by=lambda row: (row.meter, row.effective_from),
)


@given(ROWS, ROWS, st.integers(0, 20))
def test_applying_twice_is_applying_once(old: list[Price], new: list[Price], now: int) -> None:
    current = applied(NOTHING, CatalogFile(prices=tuple(old)), Instant(0))
    wanted = CatalogFile(prices=tuple(new), models=(MODEL,))
    once = applied(current, wanted, Instant(now))
    assert diff(once, wanted, Instant(now)).empty


@given(ROWS, ROWS, st.integers(0, 20))
def test_the_past_stays_and_the_future_is_what_the_file_says(old: list[Price], new: list[Price], now: int) -> None:
    current = applied(NOTHING, CatalogFile(prices=tuple(old)), Instant(0)).prices
    once = applied(CatalogFile(prices=current), CatalogFile(prices=tuple(new)), Instant(now)).prices
    for meter in ("input", "output"):
        stated = {-1 if row.effective_from is None else row.effective_from for row in new if row.meter == meter}
        for moment in range(21):
            if moment < now:
                assert _at(once, meter, moment) == _at(current, meter, moment)
            elif moment in stated or (moment == now and min(stated, default=now + 1) < now):
                assert _at(once, meter, moment) == _at(new, meter, moment)


def _at(rows: Iterable[Price], meter: str, moment: int) -> int | None:
    return amount_at(
        [(-1 if row.effective_from is None else row.effective_from, row.amount) for row in rows if row.meter == meter],
        moment,
    )
