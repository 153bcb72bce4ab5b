"""A call under way: what was admitted, where it stands, and the times that its record will show."""

from puyun.egress.target import Target
from puyun.gateway.admit import Admission
from puyun.gateway.call import TRANSITIONS, CallEvent, CallState
from puyun.gateway.front import Exchange
from puyun.gateway.upstream import Connection
from puyun.kit.ids import request_id
from puyun.metering.experience import Experience
from puyun.protocol import openai


class Call:
    """One admitted call. Times are seconds of the loop's clock; `ttft_ms` is 0 until the first event has left."""

    __slots__ = (
        "admission",
        "answered_at",
        "attempts",
        "call_id",
        "deployment",
        "exchange",
        "experience",
        "held",
        "leased_at",
        "max_tokens",
        "output_held",
        "path",
        "request_id",
        "sold",
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
        experience: Experience,
    ) -> None:
        self.experience = experience
        self.admission = admission
        self.tier = admission.tier
        self.sold = admission.sold
        self.exchange = exchange
        self.path = exchange.endpoint.upstream
        self.call_id = call_id
        self.request_id = request_id(admission.key.org, call_id)
        self.started_at = started_at
        self.leased_at = self.answered_at = started_at
        self.state = CallState.RECEIVED
        self.stream = bool(admission.request.stream) and exchange.endpoint.streams
        self.held = admission.amount
        self.output_held = admission.output_held
        self.max_tokens: int | None = None
        self.attempts = 0
        self.deployment = 0
        self.ttft_ms = 0

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

    def leased(self, deployment: int, attempts: int) -> None:
        self.step(CallEvent.LEASE)
        self.deployment = deployment
        self.attempts = attempts
