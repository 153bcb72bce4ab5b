"""Where a try goes and where it never does, against real sockets."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from stage.receiver import BAD, Receiver, receiving

from puyun.jobs.notify.sending import Sender
from puyun.kit.clock import ManualClock
from puyun.notices.signing import mint
from puyun.storage.webhooks.deliveries import ANSWER_MAX, Outcome, Taken
from puyun.system.clock import SystemClock

NAME = "hooks.example.com"
SECRET = mint(b"s" * 32)


class Names:
    """A resolver that a test fills, and that counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        return self.addresses


def taken(url: str) -> Taken:
    return Taken(id=1, org=7, webhook=1, url=url, body=b'{"type":"test.ping"}', secrets=(SECRET,), tries=1)


def send(url: str, sender: Sender) -> Outcome:
    return asyncio.run(sender.send(taken(url)))


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "0.0.0.0"])
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(receiver: Receiver, address: str) -> None:
    names = Names(address)
    outcome = send(f"https://{NAME}:{receiver.port}/", Sender(ManualClock(), private=False, resolve=names))
    assert (outcome.code, outcome.good, "no public address" in outcome.error) == (None, False, True)
    assert (names.asked, receiver.connections) == ([NAME], 0)


def test_what_was_saved_before_the_operator_forbade_it_is_checked_again(receiver: Receiver) -> None:
    outcome = send(receiver.url, Sender(ManualClock(), private=False))
    assert outcome.error == "A webhook has an address that begins with https://."
    assert receiver.connections == 0


def test_the_address_that_was_checked_is_what_is_connected_to(receiver: Receiver) -> None:
    names = Names("127.0.0.1")
    outcome = send(f"http://{NAME}:{receiver.port}/a?b=c", Sender(SystemClock(), private=True, resolve=names))
    [got] = receiver.got
    assert (outcome.code, outcome.answer, outcome.error) == (200, "ok", "")
    assert (names.asked, got.path, got.headers["host"]) == ([NAME], "/a?b=c", f"{NAME}:{receiver.port}")
    assert got.verified(SECRET) == {"type": "test.ping"}


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    head = f"HTTP/1.1 302 Found\r\nlocation: {receiver.url}\r\ncontent-length: 0\r\n\r\n"
    receiver.answer = head.encode()
    outcome = send(receiver.url, Sender(ManualClock(), private=True))
    assert (outcome.code, outcome.good, outcome.error) == (302, False, "Redirects are not followed.")
    assert receiver.connections == 1


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(BAD) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url, Sender(ManualClock(), private=True)).code == 200
        assert proxy.connections == 0


def test_a_refusal_keeps_what_was_answered(receiver: Receiver) -> None:
    receiver.answer = BAD
    outcome = send(receiver.url, Sender(ManualClock(), private=True))
    assert (outcome.code, outcome.answer, outcome.good) == (500, "broke", False)


def test_of_an_answer_without_end_hardly_anything_is_read(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"\x00" + "你".encode() * 3_000_000
    outcome = send(receiver.url, Sender(ManualClock(), private=True))
    assert outcome.answer == "\N{REPLACEMENT CHARACTER}" + "你" * (ANSWER_MAX - 1)


def test_a_silent_one_is_waited_for_no_longer_than_the_patience(receiver: Receiver) -> None:
    outcome = send(receiver.slow, Sender(ManualClock(), private=True, patience=0.2))
    assert (outcome.code, outcome.error) == (None, "No answer within 0.2 seconds.")


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"])
def test_what_is_no_answer_is_a_failure(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = answer
    outcome = send(receiver.url, Sender(ManualClock(), private=True))
    assert (outcome.code, outcome.error != "") == (None, True)


def test_nobody_there_is_a_failure() -> None:
    with receiving() as gone:
        url = gone.url
    assert send(url, Sender(ManualClock(), private=True)).code is None
    assert send("https://nobody.invalid/", Sender(ManualClock(), private=False)).code is None


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server of that name, and for clients that trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.fromtimestamp(SystemClock().now() / 1_000_000, UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*private))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.mark.parametrize(("name", "good"), [(NAME, True), ("other.example.com", False)])
def test_a_certificate_is_checked_against_the_name(tmp_path: Path, name: str, good: bool) -> None:
    server, trusting = certificate(tmp_path, name)
    with receiving(tls=server) as receiver:
        sender = Sender(SystemClock(), private=True, resolve=Names("127.0.0.1"), tls=trusting)
        outcome = send(f"https://{NAME}:{receiver.port}/", sender)
        assert (outcome.good, len(receiver.got)) == (good, int(good)), outcome.error
    assert good or "certificate" in outcome.error.lower()
