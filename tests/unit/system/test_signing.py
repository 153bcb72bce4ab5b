import stat
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from puyun.kit.errors import PuyunError
from puyun.system.signing import BadSignatureError, PublicKey, load_key, new_key, save_key, verify

DOCUMENT = {"id": "req_1", "charge": "0.5", "lines": [{"tokens": 1}], "signature": None}


def test_a_signature_is_the_same_every_time_and_says_whose_it_is() -> None:
    key = new_key()
    signed = key.sign(DOCUMENT)
    assert signed == key.sign(DOCUMENT) == key.sign(signed)
    assert list(signed) == list(DOCUMENT)
    assert verify(signed, [new_key().public, key.public]) == key.public


def test_a_known_answer_of_the_standard() -> None:
    """RFC 8037, appendix A: the key's name."""
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert PublicKey(x, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").kty == "OKP"
    forged = {
        "signature": {"algorithm": "Ed25519", "key": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "value": "AA"}
    }
    with pytest.raises(BadSignatureError, match="something in it was changed"):
        verify(forged, [PublicKey(x, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")])


def test_no_other_key_can_take_a_name() -> None:
    key, other = new_key(), new_key()
    forged = other.sign(DOCUMENT)
    forged["signature"] = {**forged["signature"], "key": key.public.kid}
    imposter = msgspec.structs.replace(other.public, kid=key.public.kid)
    with pytest.raises(BadSignatureError, match="not the one that its name"):
        verify(forged, [imposter])


def test_every_spelling_but_one_is_refused() -> None:
    """The last letter of 64 bytes in base64 has four bits that say nothing."""
    key = new_key()
    signed = key.sign(DOCUMENT)
    value: str = signed["signature"]["value"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in letters.replace(value[-1], ""):
        with pytest.raises(BadSignatureError):
            verify({**signed, "signature": {**signed["signature"], "value": value[:-1] + letter}}, [key.public])
    for spelled in (value + "==", value + "\n", " " + value, value.replace("-", "+")[:-1], ""):
        with pytest.raises(BadSignatureError):
            verify({**signed, "signature": {**signed["signature"], "value": spelled}}, [key.public])


@pytest.mark.parametrize(
    "signature",
    [None, "x", {}, {"algorithm": "none", "key": "k", "value": ""}, {"algorithm": "Ed25519", "key": "k"}],
)
def test_what_is_no_signature_of_ours_is_refused(signature: object) -> None:
    with pytest.raises(BadSignatureError):
        verify({**DOCUMENT, "signature": signature}, [new_key().public])


def test_a_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert load_key(path) is None
    key = new_key()
    assert save_key(path, key, replace=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not save_key(path, new_key(), replace=False)
    kept = load_key(path)
    assert kept is not None
    assert kept.public == key.public
    assert save_key(path, new_key(), replace=True)
    replaced = load_key(path)
    assert replaced is not None
    assert replaced.public != key.public
    assert [file.name for file in tmp_path.iterdir()] == ["key.pem"]


def test_of_many_that_start_together_one_makes_the_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: save_key(path, new_key(), replace=False), range(8))) == [False] * 7 + [True]


@pytest.mark.parametrize("text", ["", "nonsense", urlsafe_b64encode(b"x" * 32).decode()])
def test_a_file_that_is_no_key_is_the_operators_to_mend(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(text)
    with pytest.raises(PuyunError, match="cannot be read"):
        load_key(path)
