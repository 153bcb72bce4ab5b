from collections.abc import Iterator

import msgspec
import pytest
from till import Till, hold, record

from puyun.ledger.hold import Status
from puyun.metering.usage import Usage
from puyun.storage.engine import Database
from puyun.storage.ledger.inbox import Ended, Post, post_of, read_post
from puyun.storage.ledger.store import StoreUnavailableError
from puyun.system import crash

ORG = 7
REFUSED = (ORG, 1, "test", "capacity_unavailable", 0)


@pytest.fixture
def till(anywhere: Database) -> Iterator[Till]:
    till = Till(anywhere)
    till.wallet(ORG, paid=1000)
    yield till
    till.close()


def posts(till: Till) -> list[Post]:
    return [read_post(content) for (content,) in till.rows("SELECT content FROM tally_inbox ORDER BY id")]


def ended(till: Till) -> list[int]:
    return [each.usage.input for post in posts(till) for each in post.ended]


def test_what_is_written_is_what_is_read() -> None:
    made = msgspec.structs.replace(
        record(7, 1, 5, Status.FAILED, tier="test"), error="upstream_error", queue_ms=3, overhead_us=9
    )
    post = read_post(post_of([made], {REFUSED: 2}))
    assert post.ended == [Ended(7, 1, "test", Status.FAILED, "upstream_error", 3, 0, 0, 9, Usage(input=5, output=1))]
    assert post.refused == [(REFUSED, 2)]
    with pytest.raises(msgspec.DecodeError):
        read_post(b"something else")


def test_a_batch_leaves_one_row_with_its_records(till: Till) -> None:
    calls = [till.call() for _ in range(3)]
    till.store.commit([hold(ORG, call, 10) for call in calls])
    assert posts(till) == []
    till.store.commit([record(ORG, call, 1 + place) for place, call in enumerate(calls)])
    assert [len(post.ended) for post in posts(till)] == [3]
    assert till.rows("SELECT at FROM tally_inbox") == [(till.clock.now(),)]


def test_repeating_a_settle_counts_nothing_twice(till: Till) -> None:
    """In the same batch, in the next, and after it was given another end meanwhile."""
    call = till.call()
    till.one(hold(ORG, call, 10))
    till.store.commit([record(ORG, call, 4), record(ORG, call, 5)])
    till.store.commit([record(ORG, call, 4)])
    till.store.commit([record(ORG, call, 4, Status.CRASHED)])
    assert ended(till) == [4]


def test_a_batch_that_is_not_written_counts_nothing(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies after its rows were written and before they were committed, and is asked again."""
    call = till.call()
    till.one(hold(ORG, call, 10))

    def die(*_: object) -> None:
        raise StoreUnavailableError("died")

    with monkeypatch.context() as dying:
        dying.setattr(crash, "reached_by", die)
        with pytest.raises(StoreUnavailableError):
            till.store.commit([record(ORG, call, 4)], {REFUSED: 1})
    assert posts(till) == []
    till.store.commit([record(ORG, call, 4)])
    assert ended(till) == [4]


def test_notes_go_with_a_batch_or_alone(till: Till) -> None:
    call = till.call()
    till.store.commit([hold(ORG, call, 10)], {REFUSED: 2})
    assert till.store.commit([], {REFUSED: 3}) == []
    assert [post.refused for post in posts(till)] == [[(REFUSED, 2)], [(REFUSED, 3)]]
    assert till.store.commit([]) == []
    assert till.everything(ORG)["wallet"] == [(1000, 0, 10, 0)]
