"""The child as a program, as far as it goes without a model."""

import json
import subprocess
import sys

import pytest


def child(order: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "puyun.localmodel"], input=order, capture_output=True, check=False)


@pytest.mark.parametrize("order", [b"", b"\n", b"{}\n", b"hello\n", b'{"path": 1}\n'])
def test_without_an_order_it_says_who_should_have_given_one(order):
    ended = child(order)
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert b"puyun serve starts this process by itself" in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.model
@pytest.mark.parametrize("content", [None, b"GGUFnope"])
def test_a_model_that_cannot_be_loaded_is_named(content, tmp_path):
    path = tmp_path / "broken.gguf"
    if content:
        path.write_bytes(content)
    order = {"path": str(path), "name": "local/broken", "api_key": "s3cret", "packaged": False}
    ended = child(json.dumps(order).encode() + b"\n")
    assert ended.returncode == 1
    [announced] = ended.stdout.splitlines()
    assert f"the engine cannot serve {path}" in json.loads(announced)["failure"]
    assert b"s3cret" not in ended.stderr + ended.stdout
