"""The writer thread: natural group commit. Whatever was asked for while the last commit ran is the next batch.

The event loop never waits for a disk; the thread never touches the loop but to hand back a batch of outcomes.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND, Clock, Instant
from puyun.ledger.command import Grow, Hold, Outcome, Settled
from puyun.ledger.hold import Status
from puyun.metering.record import UsageRecord
from puyun.storage.ledger.batch import void
from puyun.storage.ledger.inbox import NOTHING, Noted
from puyun.storage.ledger.notes import Notes
from puyun.storage.ledger.store import BATCH_MAX, Ask, LedgerStore, StoreUnavailableError
from puyun.system import crash

SETTLE_PATIENCE = 10 * SECOND
"""How long a settle is tried again while the database cannot be written; then the call is free (policy 17)."""

RETRY_SECONDS = 0.2

NOTE_SECONDS = 1.0
"""How long notes wait for a batch to go with before they make one of their own."""

UNRECORDED = "unrecorded"
"""Why a call is free whose settle ran out of time."""

STALL = SECOND
"""Where the database took longer than this to fail, those who queued meanwhile have waited enough: trying for each
batch of them anew would make the last wait for minutes."""

_QUEUED: dict[type, str] = {Hold: "hold-queued", Grow: "grow-queued", UsageRecord: "settle-queued"}
_COMMITTED: dict[type, str] = {Hold: "hold-committed", Grow: "grow-committed", UsageRecord: "settle-committed"}

log = logging.getLogger("puyun.ledger")


class LedgerUnavailableError(Exception):
    """The database could not be written; nothing was promised and nothing was charged."""


_Waiting = tuple[Ask, "asyncio.Future[Outcome] | None"]
"""What was asked, and who waits for the outcome."""


class LedgerWriter:
    """One per process. `ask` is called on the event loop's thread only. Its queue is bounded by the calls in flight."""

    def __init__(
        self, store: LedgerStore, clock: Clock, loop: asyncio.AbstractEventLoop, give_back: Callable[[int, int], None]
    ) -> None:
        """`give_back(org, call)` refunds a call whose caller was told that it failed, or raises StoreUnavailableError."""
        self._store = store
        self._give_back = give_back
        self._clock = clock
        self._loop = loop
        self._queue: deque[_Waiting] = deque()
        self._kick: SimpleQueue[bool] = SimpleQueue()
        self._kicked = False
        self._notes = Notes()
        self._noting = False
        self._due = False
        self._in_hand: list[_Waiting] = []
        self.alive = True
        """False once the thread ended by a bug: nothing can be held or paid any more, so no call may be taken."""
        self._stopping = False
        self._failing_since: Instant | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, ask: Ask) -> asyncio.Future[Outcome]:
        """The outcome once it is durable. The future raises LedgerUnavailableError.

        The thread is woken when the loop has run what is ready, so that calls which came together commit together.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        if not self.alive:
            future.set_exception(LedgerUnavailableError())
            return future
        self._queue.append((ask, future))
        crash.reached(_QUEUED[type(ask)])
        if not self._kicked:
            self._kicked = True
            self._loop.call_soon(self._kick.put, True)
        return future

    def note(self, org: int, model: int, tier: Tier, error: str | None, *, waited_ms: int = 0) -> None:
        """Count a call that ended before it was held, for service levels. `error`: the code it was told, None where its
        client went; `waited_ms`: how long it had queued. It never waits. Called on the event loop's thread only.
        """
        self._notes.add((org, model, str(tier), error, waited_ms))
        self._arm()

    def _arm(self) -> None:
        if not self._noting and self.alive and not self._stopping:
            self._noting = True
            self._loop.call_later(NOTE_SECONDS, self._remind)

    def _remind(self) -> None:
        self._noting = False
        if dropped := self._notes.dropped:
            self._notes.dropped = 0
            log.warning("notes_dropped", extra={"calls": dropped})
        if self._notes:
            self._due = True
            self._kick.put(True)

    async def stop(self) -> None:
        """Everything asked for is written first, or is given up once the database has failed for SETTLE_PATIENCE."""
        self._stopping = True
        self._kick.put(False)
        await asyncio.to_thread(self._thread.join)
        self._store.close()

    def _run(self) -> None:
        """Whatever ends the work before its time is said once, and nobody is left waiting for it."""
        try:
            self._work()
        except Exception:
            log.exception("ledger_writer_died")
            self._loop.call_soon_threadsafe(self._die)

    def _die(self) -> None:
        self.alive = False
        waiting = [*self._in_hand, *self._queue]
        self._queue.clear()
        _deliver(waiting, [None] * len(waiting))

    def _work(self) -> None:
        running = True
        while running:
            running = self._kick.get()
            self._kicked = False
            while self._queue or self._due:
                self._next()
        if self._notes:
            self._next()

    def _next(self) -> None:
        self._due = False
        self._in_hand = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
        self._commit(self._in_hand, self._notes.take())

    def _commit(self, batch: list[_Waiting], noted: Noted) -> None:
        """One broken command must not end the thread: without it no call can be paid."""
        began = self._clock.now()
        try:
            outcomes: Sequence[Outcome | None] = self._store.commit([ask for ask, _ in batch], noted)
            self._failing_since = None
            crash.reached_by(_COMMITTED, (ask for ask, _ in batch))
            self._undo(batch, outcomes)
        except StoreUnavailableError as error:
            self._keep(noted, unknown=error.unknown)
            late = self._queued() if self._clock.now() - began >= STALL else []
            late = self._give_up_on(late, began, unknown=False)
            batch = [*self._give_up_on(batch, began, unknown=error.unknown), *late]
            outcomes = [None] * len(batch)
        except Exception:
            if len(batch) > 1 or (batch and noted):  # one broken command must not fail the others
                for waiting in batch:
                    self._commit([waiting], NOTHING)
                if noted:
                    self._commit([], noted)
                return
            log.exception("ledger_bug")
            self._queue.extendleft(_voids(batch))
            outcomes = [None] * len(batch)
        if batch:
            self._loop.call_soon_threadsafe(_deliver, batch, outcomes)

    def _keep(self, noted: Noted, *, unknown: bool) -> None:
        """For a later batch, where it is sure that they were not written: they are counted once or not at all."""
        if not noted:
            return
        if unknown or self._stopping:
            log.warning("notes_lost", extra={"calls": sum(noted.values())})
            return
        self._notes.give_back(noted)
        self._loop.call_soon_threadsafe(self._arm)

    def _undo(self, batch: list[_Waiting], outcomes: Sequence[Outcome | None]) -> None:
        """A settle that was lost at the commit may be found written when its void comes, long after its caller was told
        that the call failed. Such a call is not paid: what it took goes back.
        """
        for (ask, future), outcome in zip(batch, outcomes, strict=True):
            void = future is None and isinstance(ask, UsageRecord) and ask.error == UNRECORDED
            if void and isinstance(outcome, Settled) and outcome.charge:
                try:
                    self._give_back(ask.org, ask.call)
                except StoreUnavailableError as error:
                    log.warning("give_back_failed", extra={"org": ask.org, "call": ask.call, "why": str(error)})
                    self._queue.append((ask, None))
                    threading.Event().wait(RETRY_SECONDS)

    def _queued(self) -> list[_Waiting]:
        """Everybody who waits now; others may come meanwhile, and wait for the next batch."""
        return [self._queue.popleft() for _ in range(len(self._queue))]

    def _give_up_on(self, batch: list[_Waiting], began: Instant, *, unknown: bool) -> list[_Waiting]:
        """What fails now, of a batch that was begun at `began`.

        Settles that still have time go back to the head of the queue, in order; of a settle that ran out of time the
        caller hears now, and a void takes its place until the database is back. So does one for each hold that may
        have been written after all.
        """
        if self._failing_since is None:
            self._failing_since = began
        out_of_time = self._clock.now() - self._failing_since >= SETTLE_PATIENCE
        failed: list[_Waiting] = []
        again: list[_Waiting] = []
        for ask, future in batch:
            if isinstance(ask, UsageRecord) and (future is None or not out_of_time):
                again.append((ask, future))
            else:
                failed.append((ask, future))
        again += _voids(failed)
        if unknown:
            again += [(void(ask), None) for ask, _ in failed if isinstance(ask, Hold)]
        if self._stopping and out_of_time:
            again = []  # the holds return when this process is found to be gone
        self._queue.extendleft(reversed(again))
        if again:
            threading.Event().wait(RETRY_SECONDS)
        return failed


def _voids(failed: list[_Waiting]) -> list[_Waiting]:
    """What takes the place of settles whose callers have been told that they failed; nobody waits for it."""
    return [(_unrecorded(ask), None) for ask, future in failed if isinstance(ask, UsageRecord) and future is not None]


def _unrecorded(record: UsageRecord) -> UsageRecord:
    return msgspec.structs.replace(record, status=Status.FAILED, exact=0, error=UNRECORDED)


def _deliver(batch: list[_Waiting], outcomes: Sequence[Outcome | None]) -> None:
    for (_, future), outcome in zip(batch, outcomes, strict=True):
        if future is None or future.done():
            continue
        if outcome is None:
            future.set_exception(LedgerUnavailableError())
        else:
            future.set_result(outcome)
