"""Paths of small plots, drawn on a field of WIDTH by HEIGHT: y grows downwards, and whole units do."""

from collections.abc import Iterable, Sequence
from math import log10

from puyun.catalog.model import Tier
from puyun.sim.tiers.figures import MILLION, PARTS, Series

WIDTH = 240
HEIGHT = 96

SHORTEST = 10_000
LONGEST = 200_000_000
"""Waits, in microseconds, at the two ends of a scale whose steps are tenfold."""

WAIT_MARKS = ((10_000, "10 ms"), (100_000, "0.1 s"), (1_000_000, "1 s"), (10_000_000, "10 s"), (100_000_000, "100 s"))


def along_waits(wait: int, length: int) -> int:
    """Where a wait stands on that scale; all below the shortest stand at its end."""
    if wait <= SHORTEST:
        return 0
    return min(round(length * log10(wait / SHORTEST) / log10(LONGEST / SHORTEST)), length)


def distribution(series: Series) -> str:
    """From left to right longer waits, from below upwards the share of calls that waited no longer.

    Nothing where none was served.
    """
    if not series.waits:
        return ""
    points = [(along_waits(wait, WIDTH), _up(part, 1_000)) for part, wait in zip(PARTS, series.waits, strict=True)]
    return _path([*points, (WIDTH, 0)])


def waits(series: Series) -> str:
    """Over time, the wait that 99 % of the calls did not exceed; gaps where nobody was seated."""
    return _line([None if wait is None else HEIGHT - along_waits(wait, HEIGHT) for wait in series.wait_p99])


def likeness(series: Series) -> str:
    """Over time, Jain's index."""
    return _line([None if jain is None else _up(jain, MILLION) for jain in series.jain_ppm])


def apart(series: Series) -> str:
    """What each organization was served so far lies between the two edges; the top is the most that one came to."""
    top = max(series.most[-1], 1)
    edges = [
        [(_along(place, len(side)), _up(cost, top)) for place, cost in enumerate(side)]
        for side in (series.most, series.least)
    ]
    return _path([*edges[0], *reversed(edges[1])]) + "Z"


def stack(all_series: Sequence[Series]) -> list[tuple[Tier, str]]:
    """Shares of the seats over time, each tier on top of those before it."""
    below = [0] * len(all_series[0].seats_ppm) if all_series else []
    found: list[tuple[Tier, str]] = []
    for series in all_series:
        above = [under + share for under, share in zip(below, series.seats_ppm, strict=True)]
        edge = [(_along(place, len(above)), _up(share, MILLION)) for place, share in enumerate(above)]
        back = [(_along(place, len(below)), _up(share, MILLION)) for place, share in enumerate(below)]
        found.append((series.tier, _path([*edge, *reversed(back)]) + "Z"))
        below = above
    return found


def bars(shares: Sequence[tuple[int, int]], top: int = 2 * MILLION) -> list[tuple[int, int, int, int]]:
    """(x, y, width, height) of each organization's part; the mean is in the middle, twice the mean and more at the top."""
    slot = WIDTH / max(len(shares), 1)
    gap = min(max(slot / 5, 1), 6)
    found: list[tuple[int, int, int, int]] = []
    for place, (_, part) in enumerate(shares):
        y = _up(min(part, top), top)
        found.append((round(place * slot + gap / 2), y, max(round(slot - gap), 1), HEIGHT - y))
    return found


def _along(place: int, count: int) -> int:
    return round(WIDTH * place / max(count - 1, 1))


def _up(value: int, top: int) -> int:
    return HEIGHT - HEIGHT * min(value, top) // top


def _line(values: Sequence[int | None]) -> str:
    """A value on its own between two gaps is a dot."""
    found: list[str] = []
    run: list[tuple[int, int]] = []
    for place, value in enumerate([*values, None]):
        if value is not None:
            run.append((_along(place, len(values)), value))
        elif run:
            found.append(_path(run if len(run) > 1 else [run[0], run[0]]))
            run = []
    return "".join(found)


def _path(points: Iterable[tuple[int, int]]) -> str:
    """Points that repeat the one before them, or lie on the straight way to the next, are left out."""
    kept: list[tuple[int, int]] = []
    for point in points:
        if len(kept) > 1 and kept[-2][1] == kept[-1][1] == point[1]:
            kept[-1] = point
        elif not kept or kept[-1] != point or len(kept) == 1:
            kept.append(point)
    first, *others = [f"{x} {y}" for x, y in kept]
    return f"M{first}L{'L'.join(others or [first])}"
