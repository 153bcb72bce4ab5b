"""Live fairness: Flex organizations that always have calls waiting, some with small calls and some with large ones.

Part of `python -m bench.tiers`. What each was served is what it was charged: both count a token by its price.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

from bench.columns.column import ROOT
from bench.process import Process

WORDS = {"fair-1": 10, "fair-2": 10, "fair-3": 100, "fair-4": 400}
"""Organizations, and words in each of their calls."""

WAITING = 24
"""Calls of each at once: more than a quarter of the seats, less than its queue holds."""


def body(words: int) -> bytes:
    prompt = " ".join(["word"] * words)
    message = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": prompt}]}
    return json.dumps(message).encode()


def crowd(folder: Path, port: int, requests: dict[str, bytes], seconds: float) -> None:
    """All of them call for so long, each with as many calls at once."""
    with ExitStack() as stack:
        running: list[Process] = []
        for name, request in requests.items():
            file = folder / f"{name}.http"
            file.write_bytes(request)
            load = [ROOT / "bench" / "build" / "load", "--port", str(port), "--request", str(file)]
            load += ["--connections", str(WAITING), "--seconds", str(seconds), "--refusals", "--drain", "1"]
            process = Process(load, core=1, log=folder / f"{name}.log")
            stack.callback(process.stop)
            running.append(process)
        for process in running:
            process.wait(seconds)


def jain(shares: Sequence[Decimal]) -> Decimal:
    """1 where all have the same, 1/n where one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))
