"""Prometheus' text format, as far as gauges go: one sample a line, `name{label="value"} 1.5`, and maybe a time."""

import re
from collections.abc import Iterator

import msgspec

SAMPLES_MAX = 1_000
"""Of the names that are wanted; an engine has a few for each model and rank."""

LINE_MAX = 4_096

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]++(\S++)(?:[ \t]++-?[0-9]+)?[ \t]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)')
_NUMBER = re.compile(r"\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ESCAPE = re.compile(r"\\(.)")


class Sample(msgspec.Struct, frozen=True):
    name: str
    labels: dict[str, str]
    value: float
    """Finite, and not below zero."""


def samples(text: str, wanted: tuple[str, ...]) -> Iterator[Sample]:
    """Those of the wanted names, in order. What is not a sample, or no finite number from zero up, is passed over."""
    found = 0
    for line in text.split("\n"):
        if not line.startswith(wanted) or len(line) > LINE_MAX:
            continue
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None or match[1] not in wanted:
            continue
        labels, value = _labels(match[2] or ""), _value(match[3])
        if labels is None or value is None:
            continue
        yield Sample(match[1], labels, value)
        found += 1
        if found == SAMPLES_MAX:
            return


def _labels(text: str) -> dict[str, str] | None:
    """None for what is not a list of labels."""
    labels: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None:
            return None
        labels[match[1]] = _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], match[2])
        at = match.end()
    return labels


def _value(text: str) -> float | None:
    """NaN, infinities and what is below zero say nothing of how full an engine is."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if value < float("inf") else None
