"""The child process: one model served over HTTP on loopback until the parent ends. Only here is the engine imported."""

import importlib
import os
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

import msgspec

from puyun.localmodel.lifeline import die_with_parent, until_parent_ends

CONTEXT = 4_096
"""Tokens of prompt and answer together, for each call."""

PARALLEL = 2
"""Calls worked on at once; more of them wait inside the engine."""

MAX_OUTPUT = 1_024
"""Tokens of an answer whose call sets no limit."""

_BATCH = 128
"""Tokens per step. Larger steps are not faster on a CPU, and an embedding needs 200 KB for each token of one."""

_TEMPERATURE = 0.2

_SYSTEM = "You are a helpful AI assistant."

_CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\\n" + _SYSTEM + "<|im_end|>\\n' }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""The packaged model's own template but for the system message of a call that brings none: with the one it was trained
to introduce itself with, this model babbles."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent sends on stdin, one line of JSON: the secret must not be in a command line, which all can read."""

    path: str
    name: str
    api_key: str
    packaged: bool


class Announcement(msgspec.Struct, frozen=True):
    """What the child answers on stdout, one line of JSON: its port once the model can be called, or why it cannot be.

    Not on stderr, where the engine's own log comes in late and out of order.
    """

    port: int = 0
    failure: str = ""


def main() -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent lets running calls finish
    order = _order()
    try:
        server = _serve(order)
        port = _port(server)
    except RuntimeError as error:
        _announce(Announcement(failure=f"the engine cannot serve {order.path}: {error}"))
        raise SystemExit(1) from error
    _announce(Announcement(port=port))
    until_parent_ends(sys.stdin.buffer)
    os._exit(0)  # the server's destructor would wait for the answers it is writing, and nobody is left to read them


def _order() -> Order:
    try:
        return msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    except msgspec.DecodeError as error:
        raise SystemExit(f"no order on stdin ({error}); puyun serve starts this process by itself") from error


def _announce(announcement: Announcement) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(announcement) + b"\n")
    sys.stdout.buffer.flush()


def _serve(order: Order) -> Any:
    """Raises RuntimeError when the engine cannot load the model."""
    # The engine has no type stubs, and is absent where it has no wheel: the import must fail in the child alone.
    xllamacpp: Any = importlib.import_module("xllamacpp")
    return xllamacpp.Server(_parameters(xllamacpp, order))


def _parameters(xllamacpp: Any, order: Order) -> Any:
    wanted = xllamacpp.CommonParams()
    wanted.model.path = order.path
    wanted.model_alias = [order.name]  # otherwise answers and the model list tell the path
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = 0
    wanted.api_keys = [order.api_key]
    wanted.offline = True
    wanted.ui = False
    wanted.verbosity = 1  # errors only; they hold no text of a call
    wanted.n_parallel = PARALLEL
    wanted.n_ctx = CONTEXT * PARALLEL
    wanted.n_predict = MAX_OUTPUT
    wanted.n_batch = wanted.n_ubatch = _BATCH
    wanted.cache_type_k = wanted.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0  # half the memory of 16 bits
    wanted.cache_ram_mib = 0  # past conversations are not kept: up to 8 GB of them by default
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 1) // 2)
    wanted.sampling.temp = _TEMPERATURE  # for calls that set none; at 0 and at 0.8 small models do worse
    wanted.embedding = True
    wanted.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    if order.packaged:
        wanted.chat_template = _CHATML
    return wanted


def _port(server: Any) -> int:
    """Raises RuntimeError when the engine does not say it, which would be a change of its interface."""
    port = urlsplit(str(server.listening_address)).port
    if port is None:
        raise RuntimeError(f"the engine does not say where it listens: {server.listening_address}")
    return port
