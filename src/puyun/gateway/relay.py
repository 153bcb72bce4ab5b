"""An upstream's answer on its way to the client: whole, or as a stream. The last byte waits for the settle."""

from contextlib import suppress
from time import perf_counter

import msgspec

from puyun.gateway.admit import CREDIT, credit_ended
from puyun.gateway.call import CallEvent
from puyun.gateway.dispatch import Answer, Attempt
from puyun.gateway.finish import FreeOutcome, PaidOutcome, finish
from puyun.gateway.growing import CreditSpentError, Growing
from puyun.gateway.running import Call
from puyun.gateway.stream import StreamFilter
from puyun.gateway.upstream import UpstreamClosedError, UpstreamLostError, UpstreamTimeoutError
from puyun.gateway.wording import answer_head, limits_lines, lowered
from puyun.kit.errors import PuyunError
from puyun.kit.money import format_amount
from puyun.ledger.hold import Status
from puyun.metering.reading import Reading
from puyun.metering.series import bounded, conclude, unless_empty
from puyun.metering.shapes.openai import reader_at
from puyun.metering.tokens import estimate
from puyun.metering.usage import Usage
from puyun.protocol import openai, sse
from puyun.providers.failure import upstream_error, upstream_timeout
from puyun.storage.ledger.writer import LedgerWriter
from puyun.system import crash

ANSWER_MAX = 64 * 1024 * 1024

PROGRESS_TOKENS = 128
"""The arbiter hears of a stream's output in such steps, so that long streams weigh on their organization's turn."""


class PreemptedError(Exception):
    """The seat was taken away before the first byte; nothing was sent, and the call is to be made again."""


async def relay_whole(call: Call, attempt: Attempt, ledger: LedgerWriter) -> None:
    """Read the answer to its end, settle, then send it. Raises PuyunError, UpstreamClosedError: nothing was sent."""
    answer = _answer_of(attempt)
    try:
        body = await answer.read_all(ANSWER_MAX)
    except (UpstreamLostError, UpstreamTimeoutError) as error:
        raise _broken(error) from None
    call.answered_at = perf_counter()
    try:
        fields = openai.take_apart(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _not_understood() from None
    reading = _read_whole(call, attempt, fields)
    names = openai.rename(attempt.target.candidate.deployment.upstream_model, call.sold.model.name)
    await _seated(call, attempt)
    call.step(CallEvent.FINISH)
    crash.reached("usage-read")
    settled = await finish(call, PaidOutcome(Status.COMPLETED, reading), ledger)
    cost = format_amount(settled.charge)
    sent = openai.put_together(fields, call.tier, cost, names)
    head = answer_head(
        size=len(sent),
        request_id=call.request_id.encode(),
        tier=call.tier.encode(),
        cost=cost,
        timing=_timing(call, perf_counter()),
    )
    call.exchange.respond(head + lowered(call.max_tokens) + limits_lines(call.lease), sent)


async def _seated(call: Call, attempt: Attempt) -> None:
    """From here on the seat stays. Raises PreemptedError where it was taken away before."""
    if not attempt.seated or not await call.lease.begin():
        raise PreemptedError
    call.begun = True


async def relay_stream(call: Call, attempt: Attempt, ledger: LedgerWriter) -> None:
    """Pass events on as they come; then settle; then complete. Raises PuyunError only while nothing was sent."""
    answer = _answer_of(attempt)
    options = call.admission.request.stream_options
    names = openai.rename(attempt.target.candidate.deployment.upstream_model, call.sold.model.name)
    events = StreamFilter(
        tier=call.tier,
        names=names,
        wants_usage=bool(options and options.include_usage),
        read=reader_at(attempt.target.host),
    )
    growing = Growing(call, ledger)
    broken: PuyunError | None = None
    try:
        await _pump(call, attempt, events, growing)
        await _read_to_end(answer, events)
    except UpstreamClosedError:
        await _left(call, events, ledger)
        return
    except CreditSpentError:
        answer.close()
    except (UpstreamLostError, UpstreamTimeoutError) as error:
        broken = None if events.complete else _broken(error)
    except sse.EventTooLongError:
        broken = upstream_error("The upstream provider sent an event without end.")
    finally:
        await growing.settled()
    if broken is None and not events.complete and growing.refused is None:
        broken = upstream_error("The upstream provider ended the answer before it was complete.")
    if broken is not None and not call.ttft_ms:
        raise broken
    if not call.ttft_ms:
        await _seated(call, attempt)
        _begin(call, perf_counter())
    call.exchange.end(await _last_events(call, events, broken or _credit_ended(call, events, growing), ledger))


async def _pump(call: Call, attempt: Attempt, events: StreamFilter, growing: Growing) -> None:
    """The per-chunk path: no task, no timer, no await but the next bytes, a client that reads slowly, and a hold that
    is used up.
    """
    exchange, answer = call.exchange, _answer_of(attempt)
    told = PROGRESS_TOKENS
    while not events.done and not events.failed and (piece := await answer.read()):
        passed = events.feed(piece)
        if not passed:
            continue
        if not call.ttft_ms:
            await _seated(call, attempt)
            _begin(call, perf_counter())
        exchange.write(passed)
        if exchange.congested:
            await exchange.drain()
        if exchange.disconnected:
            raise UpstreamClosedError
        produced = events.produced
        if growing.due(produced):
            await growing.grow(produced)
        if produced >= told:
            told = produced + PROGRESS_TOKENS
            call.lease.progress(produced)


async def _read_to_end(answer: Answer, events: StreamFilter) -> None:
    """After `[DONE]` the provider still has to end the answer; a few bytes of patience keep the connection."""
    if events.failed:
        answer.close(UpstreamLostError("an error event"))
        return
    while events.done and not answer.finished and await answer.read():
        pass


def _begin(call: Call, now: float) -> None:
    call.step(CallEvent.FIRST_BYTE)
    call.answered_at = now
    call.ttft_ms = max(int((now - call.started_at) * 1000), 1)
    call.start_stream(_timing(call, now))
    crash.reached("stream-begun")


def _credit_ended(call: Call, events: StreamFilter, growing: Growing) -> PuyunError | None:
    """Why the answer is shorter than it might have been: the wallet, either here or at the end we set upstream."""
    if growing.refused is not None and not events.complete:
        return growing.refused
    if call.max_tokens is not None and events.shortened:
        return credit_ended()
    return None


async def _last_events(call: Call, events: StreamFilter, error: PuyunError | None, ledger: LedgerWriter) -> bytes:
    """Settle what was read, or void what broke; then the events that say so. Only a whole answer gets `[DONE]`."""
    reading = _within_hold(call, events.close(_input_estimate(call)))
    try:
        if error is not None and error.code != CREDIT:
            call.step(CallEvent.FAIL)
            await finish(call, FreeOutcome(Status.FAILED, error.code), ledger)
            return sse.encode(openai.encode_error(error, call.request_id))
        if error is None:
            reading = unless_empty(reading, said=events.said or events.filtered)
        call.step(CallEvent.FINISH)
        crash.reached("usage-read")
        status = Status.COMPLETED if error is None else Status.CUT
        settled = await finish(call, PaidOutcome(status, reading), ledger)
    except PuyunError as worse:
        return sse.encode(openai.encode_error(worse, call.request_id))
    cost = format_amount(settled.charge)
    if error is None:
        return events.ending(reading, cost)
    told = sse.encode(openai.encode_error(error, call.request_id))
    return events.cut_event() + events.usage_event(reading, cost) + told


async def _left(call: Call, events: StreamFilter, ledger: LedgerWriter) -> None:
    """The client is gone: it pays what was let through up to here, nothing when nothing was (policies 3 and 4)."""
    crash.reached("client-left")
    call.step(CallEvent.ABANDON)
    reading = _within_hold(call, events.close(_input_estimate(call))) if events.said else Reading(Usage())
    with suppress(PuyunError):
        await finish(call, PaidOutcome(Status.CANCELLED, reading), ledger)
    call.exchange.end(b"")


def _read_whole(call: Call, attempt: Attempt, fields: openai.Body) -> Reading:
    """Usage of a whole answer. Raises PuyunError when it is not an answer at all."""
    usage = openai.usage_of(fields)
    reported = None if usage is None else reader_at(attempt.target.host)(usage)
    if reported is not None and reported.usage.total:
        return unless_empty(reported, said=openai.speaks(fields))
    if usage is None and "choices" not in fields and "data" not in fields:
        raise _not_understood()
    said = bytes(fields.get("choices", b""))
    counted = Usage(input=_input_estimate(call), output=estimate(len(said), ascii_only=said.isascii()))
    return unless_empty(_within_hold(call, conclude(reported, counted)), said=openai.speaks(fields))


def _not_understood() -> PuyunError:
    return upstream_error("The upstream provider's answer was not understood.")


def _within_hold(call: Call, reading: Reading) -> Reading:
    return bounded(reading, call.admission.input_held, call.output_held)


def _input_estimate(call: Call) -> int:
    body = call.admission.fields.get("messages") or call.admission.fields.get("prompt")
    text = bytes(body or call.admission.fields.get("input") or b"")
    return estimate(len(text), ascii_only=text.isascii())


def _answer_of(attempt: Attempt) -> Answer:
    if attempt.answer is None:
        raise RuntimeError("an attempt without an answer")
    return attempt.answer


def _broken(error: Exception) -> PuyunError:
    if isinstance(error, UpstreamTimeoutError):
        return upstream_timeout("The upstream provider fell silent.")
    return upstream_error("The upstream provider broke off its answer.")


def _timing(call: Call, now: float) -> tuple[float, float, float]:
    """(queue, upstream, total) in milliseconds."""
    started = call.started_at
    return (call.seated_at - started) * 1000, (call.answered_at - call.leased_at) * 1000, (now - started) * 1000
