"""Readings as header lines of HTTP, for every answer: what is the same from call to call is put together once."""

from collections.abc import Sequence

from puyun.kit.clock import SECOND
from puyun.limits import headers
from puyun.limits.ask import Reading
from puyun.limits.rule import REQUESTS, Metric

SHAPES_MAX = 4_096
"""Kinds of sets of limits whose text is remembered; with one more, all are forgotten."""

_KIND = b"x-ratelimit-limit-%(kind)b: %%d\r\nx-ratelimit-remaining-%(kind)b: %%d\r\nx-ratelimit-reset-%(kind)b: %%b\r\n"

_Shape = tuple[bytes, tuple[tuple[int, ...], ...], tuple[tuple[int, bool], ...]]
"""Text with gaps; by kind, the readings of which the tightest is told; and those of the draft, each with or without `t`."""

_shapes: dict[tuple[object, ...], _Shape] = {}


def openai_lines(readings: Sequence[Reading]) -> bytes:
    """`x-ratelimit-…`, `ratelimit` and `ratelimit-policy`; nothing where there are no limits."""
    if not readings:
        return b""
    key = tuple([part for each in readings for part in (each.metric, each.scope, each.limit)])
    shape = _shapes.get(key)
    if shape is None:
        if len(_shapes) >= SHAPES_MAX:
            _shapes.clear()
        shape = _shapes[key] = _shape(readings)
    text, kinds, states = shape
    values: list[object] = []
    for places in kinds:
        found = readings[places[0]]
        for place in places[1:]:
            other = readings[place]
            if other.remaining * (found.burst or 1) < found.remaining * (other.burst or 1):
                found = other
        milliseconds = -(-found.reset // 1000)
        reset = b"%dms" % milliseconds if 0 < milliseconds < 1000 else headers.duration(found.reset).encode()
        values += (found.limit, found.remaining, reset)
    for place, timed in states:
        values.append(readings[place].remaining)
        if timed:
            values.append(-(-readings[place].reset // SECOND))
    return text % tuple(values)


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
    return text, tuple(kinds), tuple(states)
