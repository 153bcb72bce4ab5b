"""HTTP/1.1 as well-behaved clients may speak it: every legal way to send a request is read, in order."""

import json

import pytest
from stage.bill import charge
from stage.dialogue import Answer, get, post
from stage.platform import Account, Platform

CHAT = "/v1/chat/completions"
BODY = {"model": "mock", "messages": [{"role": "user", "content": "one two three"}]}


@pytest.fixture(scope="module")
def account(platform: Platform) -> Account:
    return platform.account("100.00")


def well_answered(answer: Answer, tokens: int = 10) -> None:
    assert answer.status == 200, answer.body
    assert answer.json()["usage"]["completion_tokens"] == tokens


def asks(tokens: int, **options) -> dict:
    return BODY | {"max_tokens": tokens} | options


def test_a_chunked_request(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        well_answered(dialogue.send(post(CHAT, BODY, account.key, chunked=True)).answer())


def test_a_chunked_request_in_many_pieces_with_extensions_and_trailers(platform: Platform, account: Account) -> None:
    data = json.dumps(BODY).encode()
    head, _, _ = post(CHAT, BODY, account.key, chunked=True).partition(b"\r\n\r\n")
    with platform.dialogue() as dialogue:
        dialogue.send(head + b"\r\n\r\n")
        for place in range(0, len(data), 7):
            piece = data[place : place + 7]
            dialogue.send(b"%X;name=value\r\n%b\r\n" % (len(piece), piece))
        well_answered(dialogue.send(b"0\r\nX-Trailer: ignored\r\n\r\n").answer())
        well_answered(dialogue.send(post(CHAT, BODY, account.key)).answer())


def test_a_connection_is_kept(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        for _ in range(20):
            answer = dialogue.send(post(CHAT, BODY, account.key)).answer()
            well_answered(answer)
            assert "connection" not in answer.headers
        dialogue.expect_silence()


def test_a_connection_is_kept_after_every_kind_of_refusal(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        for body, key, status in [
            (BODY, "wrong", 401),
            (b"{", account.key, 400),
            (BODY | {"model": "nonsense"}, account.key, 404),
            (BODY | {"model": "mock-status-500"}, account.key, 502),
            (BODY, account.key, 200),
        ]:
            assert dialogue.send(post(CHAT, body, key)).answer().status == status


def test_a_connection_is_closed_on_request(platform: Platform, account: Account) -> None:
    for stream in (False, True):
        with platform.dialogue() as dialogue:
            answer = dialogue.send(post(CHAT, asks(3, stream=stream), account.key, "Connection: close")).answer()
            assert answer.status == 200
            assert answer.headers["connection"] == "close"
            dialogue.expect_closed()


def test_pipelined_requests_are_answered_in_order(platform: Platform, account: Account) -> None:
    """The first takes longest; streams, refusals and whole answers of both planes are mixed."""
    with platform.dialogue() as dialogue:
        dialogue.send(
            post(CHAT, asks(7, model="mock-delay-300"), account.key)
            + post(CHAT, asks(2, stream=True), account.key)
            + get("/v1/balance", account.key)
            + post(CHAT, asks(4), "wrong")
            + get("/healthz")
            + post(CHAT, asks(5), account.key, chunked=True)
        )
        well_answered(dialogue.answer(), 7)
        assert dialogue.answer().events()[-1] == "[DONE]"
        assert set(dialogue.answer().json()) >= {"balance", "available"}
        assert dialogue.answer().status == 401
        assert dialogue.answer().status == 200
        well_answered(dialogue.answer(), 5)
        dialogue.expect_silence()


def test_many_pipelined_requests(platform: Platform, account: Account) -> None:
    """More than a client should: each gets its answer, in order."""
    with platform.dialogue() as dialogue:
        dialogue.send(b"".join(post(CHAT, asks(number % 9 + 1), account.key) for number in range(100)))
        for number in range(100):
            well_answered(dialogue.answer(), number % 9 + 1)


def test_both_planes_share_a_connection(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        for _ in range(3):
            well_answered(dialogue.send(post(CHAT, BODY, account.key)).answer())
            assert dialogue.send(get("/v1/models", account.key)).answer().status == 200
            assert dialogue.send(get("/api/prices")).answer().status == 200


def test_100_continue(platform: Platform, account: Account) -> None:
    data = json.dumps(BODY).encode()
    head = post(CHAT, data, account.key, "Expect: 100-continue")[: -len(data)]
    with platform.dialogue() as dialogue:
        for _ in range(2):
            dialogue.send(head).expect(b"HTTP/1.1 100 Continue\r\n\r\n")
            well_answered(dialogue.send(data).answer())


def test_100_continue_of_a_client_that_does_not_wait(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        dialogue.send(post(CHAT, BODY, account.key, "Expect: 100-continue"))
        status, _, _ = dialogue.head()
        if status == 100:
            well_answered(dialogue.answer())
        else:
            assert status == 200


def test_a_body_over_the_limit_is_refused_before_it_is_sent(platform: Platform, account: Account) -> None:
    head = post(CHAT, b"x", account.key, "Expect: 100-continue").replace(
        b"Content-Length: 1\r", b"Content-Length: 9999999\r"
    )
    with platform.dialogue() as dialogue:
        answer = dialogue.send(head[:-1]).answer()
        assert answer.status == 413
        assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_split_at_every_byte(platform: Platform, account: Account, stream: bool) -> None:
    request = post(CHAT, asks(1, stream=stream), account.key, chunked=True)
    with platform.dialogue() as dialogue:
        for place in range(1, len(request), 1):
            dialogue.send(request[:place])
            answer = dialogue.send(request[place:]).answer()
            assert answer.status == 200, f"split at {place}: {answer.body!r}"


def test_a_request_byte_by_byte(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        for byte in post(CHAT, BODY, account.key):
            dialogue.send(bytes([byte]))
        well_answered(dialogue.answer())


@pytest.mark.parametrize("stream", [False, True])
def test_http_1_0(platform: Platform, account: Account, stream: bool) -> None:
    """A client of HTTP/1.0 cannot read chunks: the end of the connection is the end of the body."""
    request = post(CHAT, asks(3, stream=stream), account.key).replace(b"HTTP/1.1", b"HTTP/1.0")
    with platform.dialogue() as dialogue:
        answer = dialogue.send(request).answer()
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        if stream:
            assert answer.events()[-1] == "[DONE]"
        dialogue.expect_closed()


@pytest.mark.parametrize("path", ["/healthz", "/", "/v1/models", "/api/prices"])
def test_head_has_no_body(platform: Platform, account: Account, path: str) -> None:
    with platform.dialogue() as dialogue:
        answer = dialogue.send(get(path, account.key, method="HEAD")).answer(head_only=True)
        assert answer.status in {200, 405}
        well_answered(dialogue.send(post(CHAT, BODY, account.key)).answer())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_refused_and_the_connection_kept(platform: Platform, account: Account, method: str) -> None:
    with platform.dialogue() as dialogue:
        assert dialogue.send(get(CHAT, account.key, method=method)).answer().status == 405
        well_answered(dialogue.send(post(CHAT, BODY, account.key)).answer())


def test_a_browser_may_ask_first(platform: Platform, account: Account) -> None:
    """CORS: the preflight of a page of another origin, then its call."""
    headers = ("Origin: https://app.example", "Access-Control-Request-Method: POST")
    names = "Access-Control-Request-Headers: authorization, content-type, x-stainless-lang"
    with platform.dialogue() as dialogue:
        answer = dialogue.send(get(CHAT, None, *headers, names, method="OPTIONS")).answer()
        assert answer.status in {200, 204}
        assert answer.headers["access-control-allow-origin"] in {"*", "https://app.example"}
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert allowed == "*, authorization" or all(word in allowed for word in ("authorization", "content-type"))
        assert "POST" in answer.headers["access-control-allow-methods"]
        stream = BODY | {"stream": True}
        for asked in (
            post(CHAT, BODY, account.key, headers[0]),
            post(CHAT, stream, account.key, headers[0]),
            post(CHAT, BODY, "sk-puyun-none", headers[0]),
            get("/v1/balance", account.key, headers[0]),
            get("/v1/balance", "sk-puyun-none", headers[0]),
        ):
            answer = dialogue.send(asked).answer()
            assert answer.headers["access-control-allow-origin"] in {"*", "https://app.example"}
            assert answer.headers["access-control-expose-headers"] == "*"


def test_an_upgrade_that_we_do_not_speak_is_ignored(platform: Platform, account: Account) -> None:
    """curl --http2 asks for h2c this way with every request, also with one that has a body (RFC 9110, 7.8)."""
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    with platform.dialogue() as dialogue:
        well_answered(dialogue.send(post(CHAT, BODY, account.key, *upgrade)).answer())


def test_header_names_are_read_in_any_case_and_values_without_their_blanks(
    platform: Platform, account: Account
) -> None:
    request = post(CHAT, BODY, account.key).replace(b"Authorization: Bearer ", b"AUTHORIZATION:   bearer  ")
    with platform.dialogue() as dialogue:
        well_answered(dialogue.send(request).answer())


def test_a_query_does_not_hide_the_path(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        well_answered(dialogue.send(post(CHAT + "?beta=true", BODY, account.key)).answer())


def test_an_absolute_target(platform: Platform, account: Account) -> None:
    """RFC 9112, 3.2.2: a server must accept the absolute form."""
    with platform.dialogue() as dialogue:
        well_answered(dialogue.send(post("http://test" + CHAT, BODY, account.key)).answer())


def test_every_call_of_this_file_was_billed_once(platform: Platform, account: Account) -> None:
    """Last in the file: whatever the framing, a completed call has one record at its price."""
    records = platform.records(account)
    assert len({record["call"] for record in records}) == len(records)
    for record in records:
        assert record["charge"] in {0, charge(record["input"], record["output"])}
    spent = sum(record["charge"] for record in records)
    assert 100_000_000_000 - platform.settled_wallet(account).paid == spent
