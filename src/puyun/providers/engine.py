"""What an engine of the operator's own says of how full it is: calls in its queue, its cache, how many it takes at once.

Names: vLLM's "Production Metrics", SGLang's `SchedulerMetricsCollector` and `/server_info`, llama.cpp's
`tools/server/README.md` (its newer servers do not say how full their cache is).
"""

from collections import defaultdict

import msgspec

from puyun.catalog.model import Engine
from puyun.providers.exposition import Sample, samples

COUNT_MAX = 1_000_000
"""No engine has more calls than that, whatever it says."""

METRICS = "/metrics"

_WAITING = {
    Engine.VLLM: ("vllm:num_requests_waiting",),
    Engine.SGLANG: ("sglang:num_queue_reqs",),
    Engine.LLAMACPP: ("llamacpp:requests_deferred",),
}
_CACHE = {
    Engine.VLLM: ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
    Engine.SGLANG: ("sglang:token_usage",),
    Engine.LLAMACPP: ("llamacpp:kv_cache_usage_ratio",),
}
"""Of several names the first that is there; all are parts of 1, whatever they are called."""

_CAPACITY = {
    Engine.VLLM: (),
    Engine.SGLANG: ("/server_info", "/get_server_info"),
    Engine.LLAMACPP: ("/props",),
}
"""vLLM tells nobody its `max_num_seqs`: what it bears is seen by its queue."""

_RANKS = ("tp_rank", "pp_rank", "moe_ep_rank")
"""Parts of one engine that all say the same; replicas (`dp_rank`, `engine`) say their own."""


class Strain(msgspec.Struct, frozen=True):
    """`waiting`: calls in the engine's own queue; `kv`: per mille of its key-value cache in use. None: not said."""

    waiting: int | None = None
    kv: int | None = None


class Strains(msgspec.Struct, frozen=True):
    """What one answer says of each model, and of the engine as a whole."""

    by_model: dict[str, Strain]
    whole: Strain

    def of(self, model: str) -> tuple[str, Strain]:
        """What is said of a model, and whose it is: empty where the engine does not know it by that name, or has one
        name for everything.
        """
        return (model, self.by_model[model]) if model in self.by_model else ("", self.whole)


def strains_of(engine: Engine, text: str) -> Strains | None:
    """Out of an answer to METRICS; None when it says nothing of a queue or a cache. Replicas' queues are added up, and
    the fullest cache counts.
    """
    names = _WAITING[engine] + _CACHE[engine]
    by_model: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples(text, names):
        if _is_whole(sample):
            by_model[sample.labels.get("model_name", "")].append(sample)
    whole = _strain(engine, [sample for found in by_model.values() for sample in found])
    if whole == Strain():
        return None
    by_model.pop("", None)
    return Strains({model: _strain(engine, found) for model, found in by_model.items()}, whole)


def capacity_paths(engine: Engine) -> tuple[str, ...]:
    """Where it says how many calls it takes at once; the first that answers counts. Empty: nowhere."""
    return _CAPACITY[engine]


class _Replica(msgspec.Struct):
    effective_max_running_requests_per_dp: int | None = None


class _Properties(msgspec.Struct):
    """llama.cpp's `/props` and SGLang's `/server_info`, which have no field in common."""

    total_slots: int | None = None
    max_running_requests: int | None = None
    internal_states: tuple[_Replica, ...] = ()


def capacity_of(body: bytes) -> int | None:
    """Calls at once, out of an answer to one of `capacity_paths`; None when it does not say."""
    try:
        told = msgspec.json.decode(body, type=_Properties)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    each = [replica.effective_max_running_requests_per_dp or 0 for replica in told.internal_states]
    found = told.total_slots or sum(each) or told.max_running_requests or 0
    return min(found, COUNT_MAX) if found > 0 else None


def _is_whole(sample: Sample) -> bool:
    """Not a repetition by another rank, nor the part of a queue that has one priority."""
    labels = sample.labels
    return not labels.get("priority") and all(labels.get(rank, "0") == "0" for rank in _RANKS)


def _strain(engine: Engine, found: list[Sample]) -> Strain:
    queues, caches = _values(found, _WAITING[engine]), _values(found, _CACHE[engine])
    return Strain(
        waiting=int(min(sum(queues), COUNT_MAX)) if queues else None,
        kv=round(min(max(caches), 1.0) * 1_000) if caches else None,
    )


def _values(found: list[Sample], names: tuple[str, ...]) -> list[float]:
    for name in names:
        if values := [each.value for each in found if each.name == name]:
            return values
    return []
