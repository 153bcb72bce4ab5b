"""A call under way: what was admitted, where it stands, and the times that its record will show."""

from puyun.arbiter.lease import Lease
from puyun.egress.target import Target
from puyun.gateway.admit import Admission
from puyun.gateway.call import TRANSITIONS, CallEvent, CallState
from puyun.gateway.front import Exchange
from puyun.gateway.upstream import Connection
from puyun.gateway.wording import limits_lines, lowered, stream_head
from puyun.kit.ids import request_id
from puyun.metering.experience import Experience
from puyun.protocol import openai, sse
from puyun.scheduler.attempt import ABANDONED, NOTHING


class Call:
    """One admitted call. Times are seconds of the loop's clock; `ttft_ms` is 0 until the first event has left."""

    __slots__ = (
        "admission",
        "answered_at",
        "attempts",
        "begun",
        "call_id",
        "deployment",
        "exchange",
        "experience",
        "head_sent",
        "held",
        "lease",
        "leased_at",
        "max_tokens",
        "output_held",
        "path",
        "request_id",
        "seated_at",
        "signal",
        "sold",
        "spent",
        "started_at",
        "state",
        "stream",
        "tier",
        "ttft_ms",
    )

    def __init__(
        self,
        admission: Admission,
        exchange: Exchange,
        call_id: int,
        started_at: float,
        *,
        lease: Lease,
        experience: Experience,
    ) -> None:
        self.lease = lease
        self.experience = experience
        self.admission = admission
        self.tier = admission.tier
        self.sold = admission.sold
        self.exchange = exchange
        self.path = exchange.endpoint.upstream
        self.call_id = call_id
        self.request_id = request_id(admission.key.org, call_id)
        self.started_at = started_at
        self.seated_at = self.leased_at = self.answered_at = started_at
        self.state = CallState.RECEIVED
        self.stream = bool(admission.request.stream) and exchange.endpoint.streams
        self.held = admission.amount
        self.output_held = admission.output_held
        self.max_tokens: int | None = None
        self.attempts = 0
        self.deployment = 0
        self.ttft_ms = 0
        self.begun = False
        """The seat cannot be taken away any more."""
        self.head_sent = False
        """An answer in pieces has begun: from here on errors are events."""
        self.spent = NOTHING
        self.signal = ABANDONED
        """What the arbiter is told at the end: tokens used, and how the last attempt went."""

    def tell_queued(self) -> None:
        """A comment that clients skip, so that nobody takes a waiting stream for a dead one."""
        if not self.head_sent:
            self.start_stream((0.0, 0.0, 0.0))
        self.exchange.write(sse.comment("queued"))

    def start_stream(self, timing: tuple[float, float, float]) -> None:
        """Send the head of a stream, unless it has been sent; `timing` as far as it is known."""
        if self.head_sent:
            return
        self.head_sent = True
        head = stream_head(request_id=self.request_id.encode(), tier=self.tier.encode(), timing=timing)
        self.exchange.start(head + lowered(self.max_tokens) + limits_lines(self.lease))

    def step(self, event: CallEvent) -> None:
        """Raises KeyError for a step that must not happen."""
        self.state = TRANSITIONS[self.state, event]

    def body_for(self, target: Target) -> bytes:
        change = openai.UpstreamBody(target.candidate.deployment.upstream_model, self.stream, self.max_tokens)
        return openai.encode_request(self.admission.fields, change)

    def watch(self, answer: Connection) -> None:
        if self.exchange.disconnected:
            answer.close()
        self.exchange.on_gone = answer.close

    def leased(self, deployment: int) -> None:
        self.step(CallEvent.LEASE)
        self.deployment = deployment
