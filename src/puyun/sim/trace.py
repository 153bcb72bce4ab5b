"""Traffic to simulate: recorded, or made up from a seed. A trace tells when calls came and how long they were."""

import csv
from collections.abc import Iterable
from datetime import datetime
from random import Random  # noqa: TID251 - seeded: a simulation is the same every time
from typing import NamedTuple

from puyun.metering.ratio import Script

SPEED = 50
"""Output tokens a second."""

FIRST_TOKEN_MS = 500

_BYTES = {Script.LATIN: 4.3, Script.CODE: 3.3, Script.CJK: 4.2}
"""Bytes of JSON a token, on average: what the common vocabularies come to."""

_SCRIPTS = (Script.LATIN, Script.CODE, Script.CJK)
_SHARES = (80, 12, 8)

_CAPS = (1_024, 2_048, 4_096, 8_192)
"""What callers set as `max_tokens`, when they set anything."""

OUTPUT_MAX = 16_384
KEYS = 40


class Arrival(NamedTuple):
    """When a call came, in milliseconds from the first one, and its tokens."""

    at: int
    input: int
    output: int


class Asked(NamedTuple):
    """A call as the server sees it come, and beside it what only its end will tell: `input` and `output` tokens."""

    at: int
    key: int
    text: int
    script: Script
    most: int
    input: int
    output: int


def recorded(lines: Iterable[str]) -> list[Arrival]:
    """A CSV with the columns TIMESTAMP, ContextTokens, GeneratedTokens. Raises KeyError, ValueError for any other."""
    rows = [
        (datetime.fromisoformat(row["TIMESTAMP"][:26]), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
        for row in csv.DictReader(lines)
    ]
    rows.sort()
    return [
        Arrival(round((at - rows[0][0]).total_seconds() * 1000), inputs, max(outputs, 1))
        for at, inputs, outputs in rows
    ]


def synthetic(seed: int, calls: int) -> list[Arrival]:
    """Poisson arrivals; prompts and answers of every length, with a long tail, and a few that are very long."""
    dice, at, found = _dice(seed), 0.0, list[Arrival]()
    for _ in range(calls):
        at += dice.expovariate(1 / 180)
        inputs = min(round(dice.lognormvariate(6.9, 1.1)) + 10, 100_000)
        outputs = round(dice.lognormvariate(8.3, 0.6) if dice.random() < 0.03 else dice.lognormvariate(5.0, 0.9))
        found.append(Arrival(round(at), inputs, min(max(outputs, 1), OUTPUT_MAX)))
    return found


def dressed(arrivals: Iterable[Arrival], seed: int) -> list[Asked]:
    """What a trace does not tell: whose key it is, how many bytes the tokens were, and where the caller set an end."""
    dice, found = _dice(seed), list[Asked]()
    for at, inputs, outputs in arrivals:
        script = dice.choices(_SCRIPTS, _SHARES)[0]
        text = max(round(inputs * _BYTES[script] * dice.lognormvariate(0, 0.12)), inputs) + 120
        caps = [cap for cap in _CAPS if cap >= outputs]
        most = dice.choice(caps) if caps and dice.random() < 0.6 else OUTPUT_MAX
        found.append(Asked(at, dice.randrange(KEYS), text, script, most, inputs, outputs))
    return found


def _dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - nothing here is a secret
