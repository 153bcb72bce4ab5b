"""One coroutine per call: admit, hold, lease, relay, finish. It awaits the hold, the lease, the answer and the settle."""

import logging
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network
from time import perf_counter

from puyun.arbiter.lease import Lease
from puyun.catalog.snapshot import Key
from puyun.gateway.admit import Admission, Headers, address_of, admit, affordable_output, refusal
from puyun.gateway.call import HELD_STATES, CallEvent, CallState
from puyun.gateway.dispatch import Dispatcher
from puyun.gateway.finish import FreeOutcome, finish, unavailable
from puyun.gateway.front import Exchange
from puyun.gateway.relay import PreemptedError, relay_stream, relay_whole
from puyun.gateway.running import Call
from puyun.gateway.upstream import Pool, UpstreamClosedError
from puyun.gateway.wording import error_answer, limits_lines
from puyun.kit.clock import Clock, Instant
from puyun.kit.errors import Blame, PuyunError
from puyun.kit.ids import CallSequence, request_id
from puyun.ledger.command import Held, Hold, Refused
from puyun.ledger.hold import Status
from puyun.metering.experience import Experience
from puyun.protocol import openai, sse
from puyun.storage.ledger.writer import LedgerUnavailableError, LedgerWriter
from puyun.storage.snapshots import EMPTY, Snapshot
from puyun.system import crash

UNKNOWN = 401
"""The status of an answer to somebody who is not known."""

log = logging.getLogger("puyun.gateway")


class DataPlane:
    """The gateway of one process. `snapshot`, `keys` and `dispatcher.targets` are replaced by `refresh` as they change."""

    def __init__(
        self,
        *,
        clock: Clock,
        ledger: LedgerWriter,
        pool: Pool,
        sequence: CallSequence,
        dispatcher: Dispatcher,
        body_max: int,
        proxies: tuple[IPv4Network | IPv6Network, ...] = (),
    ) -> None:
        self.endpoints = {endpoint.path.encode(): endpoint for endpoint in openai.ENDPOINTS}
        self.body_max = body_max
        self.head_seconds = 30.0
        self.idle_seconds = 75.0
        self.snapshot: Snapshot = EMPTY
        self.keys: dict[bytes, Key] = {}
        self.admits = False
        """Whether the catalogue and the keys have been read, and lately confirmed."""
        self.pool = pool
        self._clock = clock
        self._ledger = ledger
        self._sequence = sequence
        self.dispatcher = dispatcher
        self._experience = Experience()
        self.proxies = proxies

    @property
    def ready(self) -> bool:
        """Whether calls are taken: the figures are fresh, and what calls cost can be written down."""
        return self.admits and self._ledger.alive

    def refuse(self, status: int, code: str, message: str) -> tuple[bytes, bytes]:
        """Head and body of an error before there is a call."""
        return error_answer(PuyunError(code, status, message), self.mint_request_id())

    def mint_request_id(self) -> str:
        """An id for an answer that is not a call."""
        return request_id(0, self._sequence.next(self._clock.now()))

    async def serve(self, exchange: Exchange) -> None:
        """Answer one exchange, whatever happens. An admitted call leaves exactly one usage record (I9)."""
        now = self._clock.now()
        started = perf_counter()
        call_id = self._sequence.next(now)
        try:
            admission = self._admit(exchange, now)
            lease = self._acquire(admission, call_id)
        except PuyunError as error:
            if error.status == UNKNOWN:
                error = await self.knocked(exchange.headers, exchange.peer) or error
            exchange.respond(*error_answer(error, request_id(0, call_id)))
            return
        except Exception:
            log.exception("admission_bug")
            exchange.respond(*error_answer(_bug(), request_id(0, call_id)))
            return
        call = Call(admission, exchange, call_id, started, lease=lease, experience=self._experience)
        try:
            await self.dispatcher.enter(call)
            call.seated_at = perf_counter()
            await self._hold(call)
            await self._relay(call)
        except PuyunError as error:
            await self._fail(call, error)
        except UpstreamClosedError:
            await self._abandon(call)
        except Exception:
            log.exception("call_bug", extra={"request_id": call.request_id})
            await self._fail(call, _bug())
        finally:
            lease.end(call.spent, call.signal)

    async def knocked(self, headers: Headers, peer: str) -> PuyunError | None:
        """Count a request without a valid key against its network address; the error if that has sent too many."""
        forwarded = next((value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"), None)
        return await self.dispatcher.knock(address_of(peer, forwarded, self.proxies))

    def _admit(self, exchange: Exchange, now: Instant) -> Admission:
        if not self.ready:
            raise unavailable()
        return admit(exchange, self.keys, self.snapshot, now, self.proxies, experience=self._experience)

    def _acquire(self, admission: Admission, call_id: int) -> Lease:
        try:
            return self.dispatcher.acquire(admission, call_id, self._experience)
        except PuyunError as error:
            self._ledger.note(admission.key.org, admission.sold.id, admission.tier, error.code)
            raise

    async def _hold(self, call: Call) -> None:
        """Nothing goes upstream before this has returned. Raises PuyunError 402, 503; UpstreamClosedError."""
        crash.reached("call-admitted")
        admission = call.admission
        key, sold = admission.key, admission.sold
        hold = Hold(key.org, call.call_id, key.id, admission.amount, sold.id, admission.tier, key.member)
        try:
            outcome = await self._ledger.ask(hold)
        except LedgerUnavailableError:
            raise unavailable() from None
        if isinstance(outcome, Refused):
            raise refusal(outcome)
        crash.reached("call-held")
        call.step(CallEvent.HELD)
        if isinstance(outcome, Held):
            call.max_tokens = affordable_output(admission, outcome.available)
        if call.exchange.disconnected:
            raise UpstreamClosedError

    async def _relay(self, call: Call) -> None:
        """An attempt whose seat was taken away before its first byte is made again, unseen by the client."""
        call.leased_at = perf_counter()
        relay = relay_stream if call.stream else relay_whole
        over = False
        while not over:
            attempt = await self.dispatcher.open(call)
            try:
                call.leased(attempt.target.id)
                await relay(call, attempt, self._ledger)
                over = True
            except PreemptedError:
                continue
            except PuyunError:
                if attempt.seated or call.begun:
                    raise
            finally:
                call.exchange.on_gone = None
                attempt.release(self.pool)

    async def _fail(self, call: Call, error: PuyunError) -> None:
        """The call ends without a whole answer, and without a charge (I18)."""
        if call.state is CallState.RECEIVED:
            call.step(CallEvent.REFUSE)
            self._note(call, error.code)
        elif call.state in HELD_STATES:
            call.step(CallEvent.FAIL)
            try:
                await finish(call, FreeOutcome(Status.FAILED, error.code), self._ledger)
            except PuyunError as worse:
                error = worse
        exchange = call.exchange
        if exchange.response_complete:
            return
        if call.head_sent:
            exchange.end(sse.encode(openai.encode_error(error, call.request_id)))
        else:
            head, body = error_answer(error, call.request_id)
            exchange.respond(head + limits_lines(call.lease), body)

    async def _abandon(self, call: Call) -> None:
        """The client left before anything was delivered: free (policies 2 and 3)."""
        if call.state in HELD_STATES:
            call.step(CallEvent.ABANDON)
            with suppress(PuyunError):
                await finish(call, FreeOutcome(Status.CANCELLED, None), self._ledger)
        else:
            self._note(call, None)
        call.exchange.end(b"")

    def _note(self, call: Call, error: str | None) -> None:
        """It ends before it was held, so it has no record, but counts in the service levels."""
        seated = call.seated_at > call.started_at
        waited = (call.seated_at if seated else perf_counter()) - call.started_at
        admission = call.admission
        self._ledger.note(admission.key.org, admission.sold.id, admission.tier, error, waited_ms=int(waited * 1000))


def _bug() -> PuyunError:
    text = "Something went wrong on our side. You were not charged; try again, and send us the request id if it recurs."
    return PuyunError("internal_error", 500, text, blame=Blame.US)
