"""Calls made up from a seed. A source's calls depend on nothing but the seed and its own description."""

from bisect import bisect
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from math import cos, log, pi
from random import Random  # noqa: TID251 - seeded: a simulation is the same every time

from puyun.kit.clock import SECOND
from puyun.sim.scenario import (
    FIRST_TOKEN,
    Bursts,
    Lengths,
    OnOff,
    Poisson,
    Process,
    Recorded,
    Source,
    Wave,
)
from puyun.sim.tiers.call import Call
from puyun.sim.trace import OUTPUT_MAX, SPEED

INPUT_MAX = 100_000
SAMPLES = 4_000
"""Lengths that are drawn to see how long a source's calls take on average."""


def calls(source: Source, place: int, *, seats: int, seed: int, until: int) -> Iterator[Call]:
    """In order of time; `place` is the source's among the scenario's, `seats` what its load is of."""
    dice = Random(f"{seed}/{source.name}")  # noqa: S311 - nothing here is a secret
    lengths = Random(f"{seed}/{source.name}/lengths")  # noqa: S311 - the same
    rate = source.load * seats / mean_seat_time(source)
    end = until if source.ends is None else min(until, source.ends)
    cumulated = list(accumulate(source.shares or [1] * len(source.orgs)))
    for number, (at, given) in enumerate(_times(source.process, dice, rate, end - source.begins)):
        inputs, outputs = given or drawn(source.lengths, lengths)
        org = source.orgs[bisect(cumulated, lengths.random() * cumulated[-1])]
        call = Call(number, place, source.tier, org=org, key=org)
        call.arrived = source.begins + at
        call.input, call.output = inputs, outputs
        call.most = OUTPUT_MAX if lengths.random() < source.overstated else max(1_024, 1 << outputs.bit_length())
        call.stream = lengths.random() < source.stream
        call.fresh()
        yield call


def mean_seat_time(source: Source) -> float:
    """Microseconds that a call keeps its seat on average, at the usual speed."""
    if isinstance(source.process, Recorded):
        times = [seat_time(each.output) for each in source.process.arrivals]
        return sum(times) / len(times)
    return _mean_of(source.lengths)


@cache
def _mean_of(lengths: Lengths) -> float:
    dice = Random("lengths")  # noqa: S311 - nothing here is a secret
    return sum(seat_time(drawn(lengths, dice)[1]) for _ in range(SAMPLES)) / SAMPLES


def seat_time(output: int) -> int:
    return FIRST_TOKEN + output * SECOND // SPEED


def drawn(lengths: Lengths, dice: Random) -> tuple[int, int]:
    """(input, output) tokens of one call."""
    inputs = round(lengths.input * dice.lognormvariate(0, lengths.input_spread))
    long = lengths.tail and dice.random() * 1_000 < lengths.tail
    outputs = round((lengths.tail_output if long else lengths.output) * dice.lognormvariate(0, lengths.output_spread))
    return min(max(inputs, 8), INPUT_MAX), min(max(outputs, 1), OUTPUT_MAX)


_Timed = tuple[int, tuple[int, int] | None]
"""When, and the tokens where a trace tells them."""


def _times(process: Process, dice: Random, rate: float, span: int) -> Iterator[_Timed]:
    """`rate` is calls per microsecond on average."""
    match process:
        case Recorded():
            return _recorded(process, dice, rate, span)
        case Poisson():
            times = _poisson(dice, rate)
        case Bursts():
            times = _bursts(process, dice, rate)
        case OnOff():
            times = _on_off(process, dice, rate)
        case Wave():
            times = _wave(process, dice, rate)
    return ((round(at), None) for at in _before(times, span))


def _before(times: Iterator[float], span: int) -> Iterator[float]:
    for at in times:
        if at >= span:
            return
        yield at


def _poisson(dice: Random, rate: float) -> Iterator[float]:
    at = 0.0
    while rate > 0:
        at += -log(1.0 - dice.random()) / rate
        yield at


def _bursts(process: Bursts, dice: Random, rate: float) -> Iterator[float]:
    at = change = 0.0
    high = dice.random() < 0.5
    while rate > 0:
        if at >= change:
            at, high = change, not high
            change += dice.expovariate(1 / process.stay)
        step = dice.expovariate(rate * (process.high if high else process.low))
        at += step
        if at < change:
            yield at


def _on_off(process: OnOff, dice: Random, rate: float) -> Iterator[float]:
    """The mean rate is kept: it is higher while on."""
    length = process.on + process.off
    for busy in _poisson(dice, rate * length / process.on):
        turn, rest = divmod(busy, process.on)
        yield turn * length + rest


def _wave(process: Wave, dice: Random, rate: float) -> Iterator[float]:
    peak = rate * (1 + process.depth)
    for at in _poisson(dice, peak):
        if dice.random() * (1 + process.depth) < 1 - process.depth * cos(2 * pi * at / process.day):
            yield at


def _recorded(process: Recorded, dice: Random, rate: float, span: int) -> Iterator[_Timed]:
    trace = process.arrivals
    length = (trace[-1].at - trace[0].at) * 1_000
    faster = rate * length / len(trace)
    index = dice.randrange(len(trace))
    offset = (trace[index].at - trace[0].at) * 1_000
    passed = 0
    while True:
        each = trace[index]
        at = round((passed + (each.at - trace[0].at) * 1_000 - offset) / faster)
        if at >= span:
            return
        yield at, (each.input, each.output)
        index += 1
        if index == len(trace):
            index, passed = 0, passed + length
