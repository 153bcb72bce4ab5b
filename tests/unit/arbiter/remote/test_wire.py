import msgspec
import pytest
from asking import FREE, ask, configuration, lane

from puyun.arbiter.message import Granted, Preempted, Refused, Standing
from puyun.arbiter.remote import wire
from puyun.limits.reading import Reading
from puyun.limits.rule import Metric, Scope
from puyun.scheduler.attempt import OK, Signal, SignalKind, Spent
from puyun.scheduler.lane import Facts

READING = Reading(Metric.RPM, Scope.KEY, 300, 50, 1, 49, 200_000, 60_000_000)
FROM_WORKER = [
    wire.Hello(1, 2),
    configuration(lane(1, own=True), lane(2, pool="dedicated:x", owner=7, rpm=5), rules=FREE),
    ask(ip="::1", lanes=(1, 2)),
    wire.Begin(1, 2, asks=True),
    wire.Progress({1: 10, 1 << 62: 5}),
    wire.Elsewhere(1, 2, Signal(SignalKind.OVERLOADED, 5, "rpm", {"rpm": 0})),
    wire.End(1, Spent(1, 2, 3, 4), OK),
    wire.Observed(1, Facts(capacity=4, remaining={"rpm": 1})),
    wire.Reclaim(ask(), 1, 2, begun=True),
    wire.Reclaimed(),
    wire.Beat(),
    wire.AskStanding(1, 2),
    wire.AskPools(4),
]
FROM_ARBITER = [
    Granted(1, 2, 3, "shared", 5, preemptible=True, readings=(READING,)),
    Refused(1, "limit", None, "key", "rpm", 1, 2, (READING,)),
    Preempted(1),
    Standing(1, 2, 3),
    wire.Welcome(9),
    wire.Gather(),
    wire.Begun(1, 2, kept=False),
    wire.TheStanding(1, None),
    wire.TheStanding(1, Standing(1, 2, 3)),
    wire.TheLook(1, ()),
    wire.ThePools(1, ()),
    wire.Beat(),
]


def test_every_message_arrives_as_it_was() -> None:
    [body] = wire.Frames().feed(wire.frame(FROM_WORKER))
    assert wire.from_worker.decode(body) == FROM_WORKER
    [body] = wire.Frames().feed(wire.frame(FROM_ARBITER))
    assert wire.from_arbiter.decode(body) == FROM_ARBITER


@pytest.mark.parametrize("size", [1, 3, 4, 5, 1000])
def test_frames_are_put_together_however_they_come(size: int) -> None:
    data = wire.frame(FROM_WORKER) + wire.frame([]) + wire.frame(FROM_WORKER[:1])
    frames = wire.Frames()
    found = [
        wire.from_worker.decode(body)
        for start in range(0, len(data), size)
        for body in frames.feed(data[start : start + size])
    ]
    assert found == [FROM_WORKER, [], FROM_WORKER[:1]]


def test_a_frame_has_a_limit() -> None:
    with pytest.raises(wire.WireError):
        wire.Frames().feed((wire.FRAME_MAX + 1).to_bytes(4))
    assert wire.Frames().feed(wire.FRAME_MAX.to_bytes(4)) == []


def test_what_is_no_message_is_refused() -> None:
    for body in (b"\x00", b"\x91\x91\x7f", b"\x91\x92\x03\xa1x", b""):
        with pytest.raises(msgspec.DecodeError):
            wire.from_worker.decode(body)
