"""What a customer can keep and prove: signed receipts, and statements that are the same bytes however they are asked for."""

import json
import time
import urllib.request
from pathlib import Path

import pytest
from stage.platform import Account, Platform

SAYS = [{"role": "user", "content": "one two three"}]


@pytest.fixture
def account(platform: Platform) -> Account:
    return platform.account()


def call(platform: Platform, account: Account) -> str:
    with platform.client(account) as client:
        answer = client.chat.completions.with_raw_response.create(model="mock", messages=SAYS)
    return answer.headers["x-request-id"]


def fetch(platform: Platform, path: str, key: str = "") -> bytes:
    request = urllib.request.Request(
        platform.base_url + path, headers={"Authorization": f"Bearer {key}"} if key else {}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def test_a_receipt_is_proved_offline_and_survives_a_rotation(
    platform: Platform, account: Account, tmp_path: Path
) -> None:
    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    number = call(platform, account)
    receipt.write_bytes(fetch(platform, f"/v1/receipts/{number}", account.key))
    assert receipt.read_bytes() == fetch(platform, f"/v1/receipts/{number}", account.key)
    keys.write_bytes(fetch(platform, "/.well-known/puyun-receipt-keys"))
    offline = ("receipt", "verify", str(receipt), "--keys", str(keys), "--data", str(tmp_path / "nothing"))
    assert "genuine" in platform.cli(*offline)
    platform.cli("receipt", "keys", "--rotate")
    newer = json.loads(fetch(platform, f"/v1/receipts/{number}", account.key))
    assert newer["signature"]["key"] != json.loads(receipt.read_text())["signature"]["key"]
    published = json.loads(fetch(platform, "/.well-known/puyun-receipt-keys"))["keys"]
    assert newer["signature"]["key"] in {key["kid"] for key in published}
    assert {key["kty"] for key in published} == {"OKP"}
    platform.cli("receipt", "verify", str(receipt))
    receipt.write_text(receipt.read_text().replace('"model":"mock"', '"model":"mick"'))
    assert platform.run(*offline).returncode == 6
    assert (platform.data / "receipt-key.pem").stat().st_mode & 0o777 == 0o600


def test_a_statement_is_the_same_bytes_by_api_and_by_hand(platform: Platform, account: Account) -> None:
    call(platform, account)
    month = time.strftime("%Y-%m", time.gmtime())
    by_api = fetch(platform, f"/v1/statements/{month}", account.key)
    by_hand = platform.cli("statement", account.organization.name, "--month", month, "--json")
    assert by_api.decode() == by_hand
    statement = json.loads(by_api)
    assert statement["closing"]["total"] == platform.get("/v1/balance", account.key)["balance"]
    assert platform.status("/v1/statements/2999-01", account.key) == 404
    assert platform.status("/v1/statements/nonsense", account.key) == 400
    assert platform.status(f"/v1/statements/{month}", "sk-puyun-nonsense") == 401
