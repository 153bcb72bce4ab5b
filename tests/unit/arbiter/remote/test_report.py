"""What a worker tells of its time without arbiter."""

from asking import ask

from puyun.arbiter.lease import Lease
from puyun.arbiter.message import Granted
from puyun.arbiter.remote import wire
from puyun.arbiter.remote.report import ENDED_MAX, Report
from puyun.kit.clock import Instant
from puyun.scheduler.attempt import OK, Spent

SPENT = Spent(fresh=7, output=3)


def seated() -> Lease:
    lease = Lease(None, claim := ask(), Instant(0))  # pyright: ignore[reportArgumentType] - nobody asks its desk
    lease.grant(Granted(claim.ticket, 1, 1, "shared", 0, preemptible=False))
    return lease


def test_what_runs_and_what_has_ended_and_who_counted_it() -> None:
    report = Report()
    old, new, gone = seated(), seated(), seated()
    report.let_in(new.claim.ticket)
    report.let_in(gone.claim.ticket)
    report.ended(gone, 1, SPENT, OK)
    told = list(report.messages([old, new]))
    assert told == [
        wire.Reclaim(old.claim, 1, 1, begun=False, counted=True),
        wire.Reclaim(new.claim, 1, 1, begun=False, counted=False),
        wire.Reclaim(gone.claim, 1, 1, begun=True, counted=False),
        wire.End(gone.claim.ticket, SPENT, OK),
    ]
    assert list(report.messages([old, new])) == told, "until it is noted"
    report.noted()
    assert list(report.messages([new])) == [wire.Reclaim(new.claim, 1, 1, begun=False, counted=True)]


def test_what_it_can_tell_is_bounded() -> None:
    report, lease = Report(), seated()
    for _ in range(ENDED_MAX):
        assert not report.full
        report.ended(lease, 1, SPENT, OK)
    assert report.full
    report.ended(lease, 1, SPENT, OK)
    assert len(list(report.messages([]))) == 2 * ENDED_MAX
