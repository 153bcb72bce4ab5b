"""What no client should send: refused or survived, never smuggled, never billed, and the server goes on."""

from pathlib import Path

import pytest
from stage.dialogue import get, post
from stage.platform import Account, Platform
from stage.waiting import until

CHAT = "/v1/chat/completions"
BODY = {"model": "mock", "messages": [{"role": "user", "content": "one two three"}]}
GOOD = b'{"model":"mock","messages":[{"role":"user","content":"one two three"}]}'


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def head(account: Account, *lines: str, path: str = CHAT) -> bytes:
    """A request head with exactly these lines besides host and key."""
    all_lines = [f"POST {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {account.key}", *lines]
    return ("\r\n".join(all_lines) + "\r\n\r\n").encode("latin-1")


def smuggled(account: Account) -> bytes:
    return post(CHAT, BODY | {"user": f"smuggled-{account.number}"}, account.key)


def goes_on(platform: Platform, account: Account) -> None:
    """The server serves the next one."""
    with platform.dialogue() as dialogue:
        assert dialogue.send(post(CHAT, BODY, account.key)).answer().status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 71", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 71"),
        ("Content-Length: 71", "Content-Length: 72"),
        ("Content-Length: 71", "Content-Length: 71"),
        ("Content-Length: 71, 71",),
        ("Content-Length: +71",),
        ("Content-Length: -1",),
        ("Content-Length: 0x47",),
        ("Content-Length: 71 71",),
        ("Content-Length: 99999999999999999999999999",),
        ("Content-Length:",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding : chunked",),
        ("Content-Length : 71",),
        ("X-Folded: a", " Transfer-Encoding: chunked"),
        ("X-Bare: a\nContent-Length: 71",),
        ("X-Return: a\rContent-Length: 71",),
        ("X-Null: a\0b", "Content-Length: 71"),
        (": no name", "Content-Length: 71"),
        ("Bad Name: x", "Content-Length: 71"),
    ],
)
def test_an_ambiguous_request_is_refused_with_its_connection(
    platform: Platform, account: Account, lines: tuple[str, ...]
) -> None:
    """However the body might be read, nothing behind it is taken for a request."""
    with platform.dialogue() as dialogue:
        dialogue.send(head(account, *lines) + GOOD + smuggled(account))
        answer = dialogue.answer()
        assert 400 <= answer.status < 500
        assert answer.headers.get("connection") == "close"
        dialogue.expect_closed()
    assert platform.mock.asked(f"smuggled-{account.number}") == []
    assert platform.records(account) == []
    goes_on(platform, account)


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n" + GOOD,
        b"-1\r\n" + GOOD,
        b"0x47\r\n" + GOOD + b"\r\n0\r\n\r\n",
        b"47" + GOOD,
        b"ffffffffffffffffff\r\n" + GOOD,
        b"5\r\n" + GOOD + b"\r\n0\r\n\r\n",
        b"47\n" + GOOD + b"\n0\n\n",
        b"47\r" + GOOD,
        b"47\r\n" + GOOD + b"XX0\r\n\r\n",
    ],
)
def test_wrong_chunks_are_refused_with_their_connection(platform: Platform, account: Account, body: bytes) -> None:
    with platform.dialogue() as dialogue:
        dialogue.send(head(account, "Transfer-Encoding: chunked") + body + smuggled(account))
        answer = dialogue.answer()
        assert answer.status == 400
        dialogue.expect_closed()
    assert platform.mock.asked(f"smuggled-{account.number}") == []
    assert platform.records(account) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xa5" * 500,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"POST " + CHAT.encode() + b"\r\n\r\n",
        b"\r\n\r\n\r\nhello\r\n\r\n",
        "POST /é HTTP/1.1\r\nHost: é\r\n\r\n".encode(),
        bytes(range(256)),
    ],
)
def test_garbage_is_answered_with_an_error_or_nothing(platform: Platform, account: Account, data: bytes) -> None:
    with platform.dialogue() as dialogue:
        rest = dialogue.send(data).half_close().rest()
    assert rest == b"" or rest.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
    goes_on(platform, account)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 60_000 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 300_000,
        b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    ],
)
def test_a_head_without_measure_is_refused(platform: Platform, account: Account, data: bytes) -> None:
    with platform.dialogue() as dialogue:
        answer = dialogue.send(data).answer()
        assert answer.status in {400, 413, 414, 431}
        dialogue.expect_closed()
    goes_on(platform, account)


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(platform: Platform, account: Account) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with platform.dialogue() as dialogue:
        dialogue.send(head(account, "Transfer-Encoding: chunked"))
        for _ in range(17):
            dialogue.send(piece)
        answer = dialogue.answer()
        assert answer.status == 413
        assert answer.json()["error"]["code"]
        dialogue.expect_closed()
    assert platform.records(account) == []


def test_a_refusal_reaches_a_client_that_is_still_sending(platform: Platform, account: Account) -> None:
    """A reset would destroy the refusal on its way (RFC 9112, 9.6); what comes after it is read and thrown away."""
    with platform.dialogue() as dialogue:
        dialogue.send(head(account, "Content-Length: 3000000"))
        for _ in range(10):
            dialogue.send(b"x" * 100_000)
        assert dialogue.answer().status == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"{}", 400),
        (GOOD + b"x", 400),
        (GOOD[:-1], 400),
        (GOOD.replace(b"one", b"\xff\xfe"), 400),
        (GOOD.replace(b"one", b"\xed\xa0\x80"), 400),
        (GOOD.replace(b"one", b"\xc0\x80"), 400),
        (GOOD.replace(b"one", b"\x00"), 400),
        (b"\xef\xbb\xbf" + GOOD, 400),
        (GOOD.decode().encode("utf-16"), 400),
        (GOOD[:-1] + b',"temperature":NaN}', 400),
        (GOOD[:-1] + b',"temperature":Infinity}', 400),
        (GOOD[:-1] + b',"temperature":1e999999}', 200),
        (GOOD[:-1] + b',"max_tokens":1e400}', 400),
        (GOOD[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (GOOD[:-1] + b',"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", 400),
        (b"[" * 500_000, 400),
        (GOOD[:-1] + b',"x":' + b"9" * 100_000 + b"}", 200),
        (GOOD.replace(b"one", b"\\ud800"), 200),
        (GOOD.replace(b"one", b"\\u0000"), 200),
        (GOOD.replace(b"one", "😀".encode()), 200),
    ],
)
def test_a_body_that_is_no_honest_json(platform: Platform, account: Account, body: bytes, status: int) -> None:
    """Where JSON itself leaves no doubt, the answer is fixed; what RFC 8259 leaves open may be either, but never 5xx."""
    with platform.dialogue() as dialogue:
        answer = dialogue.send(post(CHAT, body, account.key)).answer()
        assert answer.status == status or (status == 200 and answer.status == 400), answer.body[:300]
        if answer.status == 400:
            assert answer.code == "invalid_request_error"
            assert platform.records(account) == []
        assert dialogue.send(post(CHAT, BODY, account.key)).answer().status == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"mock-tokens-50","model":"mock-tokens-1","messages":[{"role":"user","content":"a"}]}',
        b'{"model":"mock-tokens-1","messages":[{"role":"user","content":"a"}],"model":"mock-tokens-50"}',
        b'{"mod\\u0065l":"mock-tokens-50","model":"mock-tokens-1","messages":[{"role":"user","content":"a"}]}',
        b'{"model":"mock-tokens-50","messages":[{"role":"user","content":"a"}],"max_tokens":5,"max_tokens":1}',
        b'{"model":"mock-tokens-50","messages":[],"messages":[{"role":"user","content":"a"}]}',
    ],
)
def test_a_doubled_key_means_the_same_here_and_upstream(platform: Platform, account: Account, body: bytes) -> None:
    """What is held and billed is what the upstream was asked: it gets every key once, or the request is refused."""
    user = f"doubled-{account.number}"
    with platform.dialogue() as dialogue:
        answer = dialogue.send(post(CHAT, body[:-1] + b',"user":"' + user.encode() + b'"}', account.key)).answer()
    if answer.status == 400:
        return
    assert answer.status == 200
    [record] = platform.records(account)
    [asked] = platform.mock.asked(user)
    assert answer.json()["model"] == asked["body"]["model"]
    assert record["output"] == asked["entry"]["completion_tokens"]
    assert record["charge"] <= record["held"]


def test_slow_loris_harms_nobody_else(platform: Platform, account: Account) -> None:
    """Hundreds of heads that never end: others are served meanwhile, and nothing is kept when they go."""
    dialogues = [platform.dialogue() for _ in range(300)]
    try:
        for dialogue in dialogues:
            dialogue.send(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        goes_on(platform, account)
        for dialogue in dialogues:
            dialogue.send(b"a")
        goes_on(platform, account)
    finally:
        for dialogue in dialogues:
            dialogue.socket.close()
    goes_on(platform, account)


@pytest.mark.parametrize(
    "path", ["//v1/chat/completions", "/v1/chat/completions/", "/v1//chat/completions", "/V1/CHAT/COMPLETIONS"]
)
def test_a_path_that_is_almost_right_is_not_taken(platform: Platform, account: Account, path: str) -> None:
    with platform.dialogue() as dialogue:
        assert dialogue.send(post(path, BODY, account.key)).answer().status in {307, 308, 404, 405}


@pytest.mark.parametrize(
    "path", ["/v1/receipts/../balance", "/v1/models/%2e%2e%2fbalance", "/v1/models/%00", "/v1/models/%ff"]
)
def test_a_path_cannot_climb(platform: Platform, account: Account, path: str) -> None:
    with platform.dialogue() as dialogue:
        assert dialogue.send(get(path, account.key)).answer().status in {400, 404}


def test_a_header_cannot_be_injected_into_an_answer(platform: Platform, account: Account) -> None:
    body = BODY | {"model": "x\r\nSet-Cookie: a=b", "service_tier": "y\r\nX-Evil: 1"}
    with platform.dialogue() as dialogue:
        answer = dialogue.send(post(CHAT, body, account.key)).answer()
    assert answer.status in {400, 404}
    assert not {"set-cookie", "x-evil"} & set(answer.headers)


def test_a_header_cannot_be_injected_upstream(platform: Platform, account: Account) -> None:
    with platform.dialogue() as dialogue:
        extra = ("X-Forwarded-For: 10.0.0.1", "Cookie: secret=1", "X-Custom: 1", "OpenAI-Organization: org-evil")
        body = BODY | {"user": f"inject-{account.number}"}
        assert dialogue.send(post(CHAT, body, account.key, *extra)).answer().status == 200
    [asked] = platform.mock.asked(f"inject-{account.number}")
    assert not {"cookie", "x-forwarded-for", "openai-organization"} & set(asked["headers"])


def test_connections_that_say_nothing_cost_nothing(platform: Platform, account: Account) -> None:
    dialogues = [platform.dialogue() for _ in range(200)]
    goes_on(platform, account)
    for dialogue in dialogues:
        dialogue.socket.close()
    until(lambda: _open_sockets(platform) < 100, "closed connections to be let go")


def _open_sockets(platform: Platform) -> int:
    return sum(1 for _ in Path(f"/proc/{platform.server.pid}/fd").iterdir())


def test_a_trailer_is_no_header(platform: Platform, account: Account) -> None:
    """What comes after the body was seen by no proxy: it opens no door and chooses nothing (RFC 9110, 6.5.1)."""
    with platform.dialogue() as dialogue:
        for key, trailer, status in [
            ("wrong", f"Authorization: Bearer {account.key}", 401),
            (account.key, "X-Service-Tier: nonsense", 200),
        ]:
            request = post(CHAT, BODY, key, chunked=True)[:-2] + f"{trailer}\r\n\r\n".encode()
            answer = dialogue.send(request).answer()
            assert answer.status == status, trailer


@pytest.mark.parametrize("path", [CHAT, "/v1/balance"])
@pytest.mark.parametrize("piece", [b"X: a\r\n" * 10_000, b"X: " + b"a" * 60_000])
def test_trailers_without_measure_are_refused(platform: Platform, account: Account, path: str, piece: bytes) -> None:
    before = platform.server.resident()
    with platform.dialogue() as dialogue:
        dialogue.send(post(path, BODY, account.key, chunked=True)[:-2])
        try:
            for _ in range(100):
                dialogue.send(piece)
        except ConnectionError:
            pass
        rest = dialogue.rest()
    assert b"HTTP/1.1 431" in rest or (path != CHAT and rest) or rest == b""
    assert platform.server.resident() - before < 16 * 1024 * 1024
    goes_on(platform, account)


@pytest.mark.parametrize("other", ["sk-puyun-other", "mine"])
def test_two_keys_in_one_request_must_be_the_same(platform: Platform, account: Account, other: str) -> None:
    """Else who pays would depend on which header is read first."""
    second = account.key if other == "mine" else other
    with platform.dialogue() as dialogue:
        for request in (
            post(CHAT, BODY, account.key, f"x-api-key: {second}"),
            get("/v1/balance", account.key, f"X-Api-Key: {second}"),
        ):
            answer = dialogue.send(request).answer()
            if other == "mine":
                assert answer.status == 200
            else:
                assert (answer.status, answer.json()["error"]["code"]) == (401, "invalid_api_key")
                assert "Two different API keys" in answer.json()["error"]["message"]
                assert account.key not in answer.body.decode()
