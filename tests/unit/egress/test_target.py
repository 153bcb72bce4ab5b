from pathlib import Path

import pytest

from puyun.catalog.model import Deployment, Dialect, Provider
from puyun.catalog.snapshot import Candidate
from puyun.egress.target import Secretless, read_secret, target_at, target_of

CANDIDATE = Candidate(5, Deployment(name="m@p", provider="p", upstream_model="m"), Provider(name="p", dialect="openai"))

PLACES = """
https://api.openai.com/v1        | api.openai.com 443 True  /v1     | api.openai.com
https://api.openai.com/v1/       | api.openai.com 443 True  /v1     | api.openai.com
http://host:8080                 | host 8080 False          -       | host:8080
http://host                      | host 80 False            -       | host
https://host:8443/a/b            | host 8443 True           /a/b    | host:8443
http://[::1]:9000/v1             | ::1 9000 False           /v1     | [::1]:9000
https://user:pass@host/v1        | host 443 True            /v1     | host
"""


@pytest.mark.parametrize("row", PLACES.strip().splitlines())
def test_an_address_is_taken_apart_once(row: str) -> None:
    url, place, authority = (part.strip() for part in row.split("|"))
    host, port, tls, path = place.split()
    target = target_at(CANDIDATE, url, "")
    assert (target.host, target.port, target.tls) == (host, int(port), tls == "True") == target.origin
    assert target.path == path.replace("-", "")
    assert target.head.startswith(f"host: {authority}\r\n".encode())
    assert b"authorization" not in target.head
    assert not target.echo
    assert target.head.endswith(b"\r\n")


def test_the_secret_goes_into_the_head_and_is_known_as_a_secret() -> None:
    target = target_at(CANDIDATE, "https://host/v1", "sk-1")
    assert b"\r\nauthorization: Bearer sk-1\r\n" in target.head
    assert target.secrets == ("sk-1", "host")


def test_another_deployment_at_the_same_place() -> None:
    other = Candidate(6, CANDIDATE.deployment, CANDIDATE.provider)
    target = target_at(CANDIDATE, "https://host/v1", "").at(other)
    assert (target.id, target.candidate, target.host) == (6, other, "host")


def test_the_echo_provider_is_nowhere() -> None:
    provider = Provider(name="e", dialect=Dialect.ECHO)
    target = target_of(Candidate(7, CANDIDATE.deployment, provider))
    assert target.echo
    assert (target.host, target.port, target.tls, target.head, target.secrets) == ("", 0, False, b"", ())


def test_secrets_are_read_from_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_KEY", "sk-env")
    (tmp_path / "key").write_text("sk-file\n")
    assert read_secret("env:PROVIDER_KEY") == "sk-env"
    assert read_secret(f"file:{tmp_path}/key") == "sk-file"
    assert read_secret("") == ""
    provider = Provider(name="p", dialect=Dialect.OPENAI, base_url="https://h", api_key="env:PROVIDER_KEY")
    assert b"Bearer sk-env\r\n" in target_of(Candidate(8, CANDIDATE.deployment, provider)).head


@pytest.mark.parametrize("value", [None, "", "ключ", "sk\r\nx-admin: 1", "sk\x00", "sk\tx"])
def test_what_is_no_secret_is_not_sent(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """A line break in it would be a header of somebody else's choice."""
    if value is None or "\x00" in value:
        monkeypatch.delenv("PROVIDER_KEY", raising=False)
    else:
        monkeypatch.setenv("PROVIDER_KEY", value)
    with pytest.raises(Secretless, match="env:PROVIDER_KEY holds no secret"):
        read_secret("env:PROVIDER_KEY")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Secretless):
        read_secret(f"file:{tmp_path}/none")
