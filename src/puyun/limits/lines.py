"""Readings as header lines of HTTP, for every answer: what is the same from call to call is put together once."""

from collections.abc import Sequence
from typing import NamedTuple

from puyun.kit.clock import SECOND
from puyun.limits import headers
from puyun.limits.passed import Passed
from puyun.limits.reading import Reading
from puyun.limits.rule import REQUESTS, Metric

SHAPES_MAX = 4_096
"""Kinds of sets of limits whose text is remembered; with one more, all are forgotten."""

_KIND = b"x-ratelimit-limit-%(kind)b: %%d\r\nx-ratelimit-remaining-%(kind)b: %%d\r\nx-ratelimit-reset-%(kind)b: %%b\r\n"


class _Shape(NamedTuple):
    text: bytes
    """With gaps."""
    kinds: tuple[tuple[int, ...], ...]
    """For requests and for tokens: the limits of which the tightest is told."""
    states: tuple[tuple[int, bool], ...]
    """Those of the draft, each with or without `t`."""
    fixed: tuple[tuple[int, int], ...]
    """Limit and burst of each."""


_SHORT = 999_000
"""Microseconds that are told in milliseconds."""

_State = tuple[int, int]
"""`remaining` and `reset` of a limit."""

_shapes: dict[tuple[object, ...], _Shape] = {}


def lines_of(passed: Passed) -> bytes:
    """Of a call that was let in here: what does not change is kept with what it was counted in."""
    vector, now = passed.vector, passed.now
    shape = vector.shape
    if not isinstance(shape, _Shape):
        shape = vector.shape = _shape(passed.readings)
    return _filled(shape, [cell.state(now) for cell in vector.cells])


def openai_lines(readings: Sequence[Reading]) -> bytes:
    """`x-ratelimit-…`, `ratelimit` and `ratelimit-policy`; nothing where there are no limits."""
    if not readings:
        return b""
    key = tuple([part for each in readings for part in (each.metric, each.scope, each.limit, each.burst)])
    shape = _shapes.get(key)
    if shape is None:
        if len(_shapes) >= SHAPES_MAX:
            _shapes.clear()
        shape = _shapes[key] = _shape(readings)
    return _filled(shape, [(each.remaining, each.reset) for each in readings])


def _filled(shape: _Shape, states: list[_State]) -> bytes:
    values: list[object] = []
    fixed = shape.fixed
    for places in shape.kinds:
        found = places[0]
        for place in places[1:]:
            if states[place][0] * (fixed[found][1] or 1) < states[found][0] * (fixed[place][1] or 1):
                found = place
        remaining, reset = states[found]
        if not reset:
            told = b"0s"
        elif reset <= _SHORT:
            told = b"%dms" % -(-reset // 1000)
        else:
            told = headers.duration(reset).encode()
        values += (fixed[found][0], remaining, told)
    for place, timed in shape.states:
        remaining, reset = states[place]
        values.append(remaining)
        if timed:
            values.append(-(-reset // SECOND))
    return shape.text % tuple(values)


def _shape(readings: Sequence[Reading]) -> _Shape:
    text = b""
    kinds: list[tuple[int, ...]] = []
    for kind, metrics in ((b"requests", REQUESTS), (b"tokens", headers.TOKENS)):
        places = tuple(place for place, each in enumerate(readings) if each.metric in metrics)
        if places:
            kinds.append(places)
            text += _KIND % {b"kind": kind}
    told = headers.ietf(readings)
    states = [(place, bool(each.window)) for place, each in enumerate(readings) if each.metric is not Metric.QUEUED]
    if told:
        names = [policy.partition(";")[0] for policy in told["ratelimit-policy"].split(", ")]
        gaps = [f"{name};r=%d{';t=%d' if timed else ''}" for name, (_, timed) in zip(names, states, strict=True)]
        policy = told["ratelimit-policy"].replace("%", "%%")
        text += f"ratelimit-policy: {policy}\r\nratelimit: {', '.join(gaps)}\r\n".encode("latin-1")
    return _Shape(text, tuple(kinds), tuple(states), tuple((each.limit, each.burst) for each in readings))
