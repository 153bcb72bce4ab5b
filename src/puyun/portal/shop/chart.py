"""Step lines over time as paths of an SVG, WIDTH by HEIGHT, whole numbers alone. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant

WIDTH = 1000
HEIGHT = 200

Steps = Sequence[tuple[Instant, int | None]]
"""From when on a value holds, soonest first; None: from then on there is none."""


class Line(msgspec.Struct, frozen=True):
    """`last`: the value at the end; `path` is empty where the line has no value within the chart."""

    tier: Tier
    path: str
    last: int | None


class Chart(msgspec.Struct, frozen=True):
    """`top`: the value at the upper edge, the lower one is 0; `now`: how far from the left the present is."""

    start: Instant
    end: Instant
    now: int
    top: int
    lines: list[Line]


def chart_of(steps: Mapping[Tier, Steps], start: Instant, now: Instant, end: Instant) -> Chart | None:
    """None where there is nothing to draw. `start` is before `end`, `now` not after it."""
    shown = {tier: within(several, start, end) for tier, several in steps.items()}
    values = [value for several in shown.values() for _, value in several if value is not None]
    if not values:
        return None
    top = max(*values, 1)
    span = end - start
    lines = [
        Line(tier, _path([((at - start) * WIDTH // span, value) for at, value in several], top), several[-1][1])
        for tier, several in shown.items()
        if several
    ]
    return Chart(start, end, (now - start) * WIDTH // span, top, lines)


def within(steps: Steps, start: Instant, end: Instant) -> list[tuple[Instant, int | None]]:
    """What holds between two moments; what held before holds from the start on."""
    found: list[tuple[Instant, int | None]] = []
    for at, value in steps:
        if at >= end:
            break
        place = max(at, start)
        if found and found[-1][0] == place:
            found.pop()
        found.append((place, value))
    return found


def _path(steps: Sequence[tuple[int, int | None]], top: int) -> str:
    """A gap wherever there is no value."""
    parts: list[str] = []
    drawing = False
    for x, value in steps:
        if drawing:
            parts.append(f"H{x}")
        if value is None:
            drawing = False
            continue
        y = HEIGHT - value * HEIGHT // top
        parts.append(f"V{y}" if drawing else f"M{x} {y}")
        drawing = True
    if drawing:
        parts.append(f"H{WIDTH}")
    return "".join(parts)
