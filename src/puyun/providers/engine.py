"""What an engine's metrics say of how it is: the text that Prometheus reads, of vLLM, SGLang and llama.cpp.

Names: docs.vllm.ai "Production Metrics", docs.sglang.io "Production Metrics", the README of llama.cpp's server. Of
several spellings the first that is there counts; older and newer releases differ.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from puyun.catalog.model import Engine

COUNT_MAX = 1_000_000
"""Calls; no engine works on more, whatever it says."""

LINE_MAX = 4_096
"""Characters of a line that are looked at."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine is; what is None was not said."""

    waiting: int | None = None
    """Calls in its own queue."""
    kv: int | None = None
    """Per mille of its key-value cache in use."""
    capacity: int | None = None
    """Calls it works on at once. Only some releases of SGLang say it."""


class _Metrics(msgspec.Struct, frozen=True):
    waiting: tuple[str, ...]
    kv: tuple[str, ...]
    capacity: tuple[str, ...] = ()


_METRICS = {
    Engine.VLLM: _Metrics(("vllm:num_requests_waiting",), ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")),
    Engine.SGLANG: _Metrics(("sglang:num_queue_reqs",), ("sglang:token_usage",), ("sglang:max_running_requests",)),
    Engine.LLAMACPP: _Metrics(("llamacpp:requests_deferred",), ("llamacpp:kv_cache_usage_ratio",)),
}

_PARTS = ("engine", "dp_rank")
"""Labels that tell the replicas behind one address apart: of vLLM, and of SGLang."""

_LINE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?[ \t]+([^\s{}]+)(?:[ \t]+-?[0-9]+)?\s*")
_LABEL = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")

_Samples = Mapping[str, Mapping[str, float]]
"""By metric, by replica."""


def conditions_of(engine: Engine, text: str) -> dict[str, Condition]:
    """By the names of the models that the engine told about; an empty name where it gave none.

    A line that is malformed, or whose figure is negative or no number, counts as not said.
    """
    names = _METRICS[engine]
    samples = _samples(text, (*names.waiting, *names.kv, *names.capacity))
    return {
        model: Condition(
            waiting=_count(_first(told, names.waiting)),
            kv=_per_mille(_first(told, names.kv)),
            capacity=_count(_first(told, names.capacity)),
        )
        for model, told in samples.items()
    }


def condition_of(model: str, told: Mapping[str, Condition]) -> Condition | None:
    """Of the model that the engine calls so; None where it told of others.

    An engine that told of one model alone means each of its deployments: aliases and adapters have no metrics of
    their own.
    """
    return next(iter(told.values())) if len(told) == 1 else told.get(model)


def _samples(text: str, wanted: tuple[str, ...]) -> dict[str, dict[str, dict[str, float]]]:
    """By model, by metric, by replica."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for line in text.split("\n"):
        if not line.startswith(wanted) or len(line) > LINE_MAX:
            continue
        sample = _LINE.fullmatch(line)
        if sample is None or sample[1] not in wanted:
            continue
        value, labels = _number(sample[3]), _labels(sample[2] or "")
        if value is None or labels is None:
            continue
        part = next((labels[name] for name in _PARTS if name in labels), "")
        parts = found[labels.get("model_name", "")][sample[1]]
        parts[part] = max(value, parts.get(part, value))  # ranks of one replica say the same of it
    return found


def _labels(text: str) -> dict[str, str] | None:
    """None where they are malformed. Each character is looked at once, whatever the text."""
    labels: dict[str, str] = {}
    at = 0
    while at < len(text):
        label = _LABEL.match(text, at)
        if label is None:
            return None
        labels[label[1]] = _ESCAPED.sub(r"\1", label[2])
        at = label.end()
    return labels


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _first(told: _Samples, names: Iterable[str]) -> list[float]:
    return next((list(told[name].values()) for name in names if name in told), list[float]())


def _count(values: list[float]) -> int | None:
    """Of all replicas together."""
    return int(min(sum(values), COUNT_MAX)) if values else None


def _per_mille(values: list[float]) -> int | None:
    """Of the replica that is fullest."""
    return int(min(max(values), 1) * 1000) if values else None
