"""The OpenAI dialect: requests as customers send them, answers as they get them.

Bodies are taken apart one level deep and put together again, so each top-level field keeps its bytes, unknown ones
too, and a field that was sent twice is sent on once (or a provider might read the other one than we did).
"""

import re
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import msgspec

from puyun.catalog.model import Kind, Tier
from puyun.kit.errors import PuyunError

Raw = msgspec.Raw
Body = dict[str, Raw]

TIER_WORDS = {"default": None, "auto": None, "priority": Tier.ENTERPRISE, "scale": Tier.ENTERPRISE}
"""OpenAI's own words for `service_tier`; None leaves the choice to the key."""

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


Number = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class _Request(msgspec.Struct):
    model: str
    service_tier: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Number | None = None
    max_completion_tokens: Number | None = None
    n: Number | None = None


class ChatRequest(_Request, kw_only=True):
    messages: list[Raw]
    modalities: list[str] | None = None


class CompletionRequest(_Request, kw_only=True):
    prompt: Raw
    best_of: Number | None = None


class EmbeddingRequest(_Request, kw_only=True):
    input: Raw


Request = ChatRequest | CompletionRequest | EmbeddingRequest


class Endpoint(msgspec.Struct, frozen=True):
    """One data-plane path. `upstream` is what is appended to a provider's base URL."""

    path: str
    upstream: str
    kind: Kind
    decoder: Any
    streams: bool


def _endpoint(path: str, kind: Kind, request: type[Request], *, streams: bool) -> Endpoint:
    return Endpoint("/v1" + path, path, kind, msgspec.json.Decoder(request), streams)


ENDPOINTS = (
    _endpoint("/chat/completions", Kind.CHAT, ChatRequest, streams=True),
    _endpoint("/completions", Kind.CHAT, CompletionRequest, streams=True),
    _endpoint("/embeddings", Kind.EMBEDDING, EmbeddingRequest, streams=False),
)

_BODY = msgspec.json.Decoder(Body)
_encode = msgspec.json.Encoder().encode


def decode_request(endpoint: Endpoint, body: bytes) -> tuple[Request, Body]:
    """The fields we act on, and every field as bytes. Raises PuyunError 400 that names the field at fault."""
    try:
        if not body.isascii():
            body.decode("utf-8")
        fields = _BODY.decode(body)
        request: Request = endpoint.decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"The body is not valid JSON: {error}. Send one JSON object in UTF-8."
        raise PuyunError("invalid_request_error", 400, message) from None
    _check(request)
    return request, fields


def _check(request: Request) -> None:
    if not request.model:
        raise _at("model", "must not be empty")
    if isinstance(request, ChatRequest) and not request.messages:
        raise _at("messages", "must hold at least one message")


def _at(param: str, problem: str) -> PuyunError:
    return PuyunError("invalid_request_error", 400, f"`{param}` {problem}.", param=param)


def _invalid(message: str) -> PuyunError:
    match = _PATH.search(message)
    missing = re.search(r"missing required field `([^`]+)`", message)
    param = missing.group(1) if missing else (match.group(1) or None) if match else None
    text = _PATH.sub("", message)
    where = f" (at `{param}`)" if param else ""
    return PuyunError("invalid_request_error", 400, f"{text}{where}.", param=param)


def asked_tier(request: Request, header: str | None) -> Tier | None:
    """The tier a call asks for; None leaves it to the key. Raises PuyunError for a word that names no tier."""
    word = request.service_tier or header
    if word is None or word in {"auto", "default"}:
        return None
    if word in TIER_WORDS:
        return TIER_WORDS[word]
    try:
        return Tier(word)
    except ValueError:
        raise _at(
            "service_tier", f"is {word[:40]!r}; expected test, flex, enterprise, auto, default or priority"
        ) from None


class UpstreamBody(msgspec.Struct, frozen=True):
    """What has to differ between the body we got and the one we send on."""

    model: str
    stream: bool
    max_tokens: int | None = None
    """Set where the wallet cannot pay for an open end."""

    fields_gone: ClassVar[tuple[str, ...]] = ("service_tier",)


def encode_request(fields: Body, change: UpstreamBody) -> bytes:
    """The body for the provider: its own model name, usage always asked for, our tier left out."""
    sent = dict(fields)
    for name in change.fields_gone:
        sent.pop(name, None)
    sent["model"] = Raw(msgspec.json.encode(change.model))
    if change.stream:
        given = bytes(sent.get("stream_options", b"null"))
        options = {} if given == b"null" else _BODY.decode(given)
        options["include_usage"] = Raw(b"true")
        sent["stream_options"] = Raw(_encode(options))
    if change.max_tokens is not None:
        name = "max_completion_tokens" if "max_completion_tokens" in sent else "max_tokens"
        sent[name] = Raw(b"%d" % change.max_tokens)
    return msgspec.json.encode(sent)


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct):
    function: Function | None = None


class Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """One event of a stream, as far as the meter cares."""

    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | str | None = None


decode_chunk = msgspec.json.Decoder(Chunk).decode

take_apart = _BODY.decode
"""An answer's fields as bytes. Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError."""


def usage_of(fields: Body) -> dict[str, Any] | None:
    """The usage report of an answer that was taken apart; None where there is none, or it is no object."""
    told = fields.get("usage")
    if told is None or not bytes(told).startswith(b"{"):
        return None
    return msgspec.json.decode(told)


def said(choice: Choice) -> str:
    """The text of one choice of a chunk, of whatever kind."""
    if choice.text is not None:
        return choice.text
    delta = choice.delta
    if delta is None:
        return ""
    words = delta.content or delta.reasoning_content or delta.reasoning or delta.refusal or ""
    for call in delta.tool_calls or ():
        if call.function is not None:
            words += (call.function.name or "") + (call.function.arguments or "")
    return words


class _Told(msgspec.Struct):
    """A choice of a whole answer, as far as it matters whether it says anything."""

    message: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None


_choices = msgspec.json.Decoder(list[_Told]).decode

SILENT_MAX = 1024
"""No answer of more bytes says nothing, so it need not be read for that."""


def speaks(fields: Body) -> bool:
    """Whether a whole answer says anything, or was stopped by the provider's filter; what has no choices does."""
    choices = fields.get("choices")
    if choices is None or len(bytes(choices)) > SILENT_MAX:
        return True
    try:
        found = _choices(choices)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    for choice in found:
        message = choice.message or {}
        if choice.text or choice.finish_reason == "content_filter":
            return True
        if any(value for name, value in message.items() if name != "role"):
            return True
    return False


class Rename(msgspec.Struct, frozen=True):
    """The provider's name of the model and ours: only an exact match is renamed, a dated snapshot is news."""

    upstream: Raw
    public: Raw


@lru_cache(maxsize=4096)
def rename(upstream: str, public: str) -> Rename:
    """Asked for every call, of a few pairs."""
    return Rename(Raw(msgspec.json.encode(upstream)), Raw(msgspec.json.encode(public)))


_TIER_RAW = {tier: Raw(msgspec.json.encode(tier)) for tier in Tier}


def encode_answer(body: bytes, tier: Tier, cost: str | None, names: Rename) -> bytes:
    """The provider's answer (or chunk) with the tier served and, where it holds usage, what it cost."""
    return put_together(_BODY.decode(body), tier, cost, names)


def put_together(fields: Body, tier: Tier, cost: str | None, names: Rename) -> bytes:
    """The same for an answer that was taken apart; its fields are changed."""
    if fields.get("model") == names.upstream:
        fields["model"] = names.public
    usage = fields.get("usage")
    if usage is not None and bytes(usage).startswith(b"{"):
        fields["usage"] = _told(bytes(usage), cost)
    fields["service_tier"] = _TIER_RAW[tier]
    return _encode(fields)


def _told(usage: bytes, cost: str | None) -> Raw:
    """Usage with the customer's cost. Some providers put their own there: what the operator pays is nobody's business."""
    if b'"cost' in usage:
        kept = {name: value for name, value in _BODY.decode(usage).items() if not name.startswith("cost")}
        usage = _encode(kept)
    if cost is None:
        return Raw(usage)
    inner = usage[1:-1].strip()
    return Raw(b'{%b%b"cost":"%b"}' % (inner, b"," if inner else b"", cost.encode()))


def without_usage(body: bytes) -> bytes:
    """A chunk whose usage the client did not ask for."""
    fields = _BODY.decode(body)
    fields.pop("usage", None)
    return msgspec.json.encode(fields)


def usage_chunk(first: bytes, usage: dict[str, Any], cost: str, tier: Tier) -> bytes:
    """A usage event for a provider that sent none; it borrows id, model and time from the stream's first chunk."""
    known: dict[str, Any] = msgspec.json.decode(first) if first else {}
    chunk = {name: known[name] for name in ("id", "object", "created", "model") if name in known}
    return msgspec.json.encode(chunk | {"choices": [], "usage": usage | {"cost": cost}, "service_tier": tier.value})


def length_chunk(first: bytes) -> bytes:
    """The chunk that ends a cut stream, in the shape of the stream's first chunk: the finish reason is length."""
    known: dict[str, Any] = msgspec.json.decode(first) if first else {}
    chunk = {name: known[name] for name in ("id", "object", "created", "model") if name in known}
    said: dict[str, Any] = {"text": ""} if known.get("object") == "text_completion" else {"delta": {}}
    return msgspec.json.encode(chunk | {"choices": [{"index": 0, "finish_reason": "length"} | said]})


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def encode_error(error: PuyunError, request_id: str) -> bytes:
    """The error body: `{"error": {message, type, param, code, request_id, …details}}`."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    known = {"message": error.message, "type": kind, "param": error.param, "code": error.code, "request_id": request_id}
    return msgspec.json.encode({"error": known | error.details})
