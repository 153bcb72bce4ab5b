"""What engines say of themselves, in the words of each."""

import pytest
from hypothesis import given, strategies as st

from puyun.catalog.model import Engine
from puyun.providers.engine import COUNT_MAX, Strain, Strains, capacity_of, capacity_paths, strains_of

VLLM = """\
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_running{engine="0",model_name="qwen"} 12.0
vllm:num_requests_waiting{engine="0",model_name="qwen"} 3.0
vllm:num_requests_waiting{engine="1",model_name="qwen"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="qwen",reason="capacity"} 3.0
vllm:gpu_cache_usage_perc{engine="0",model_name="qwen"} 0.1
vllm:kv_cache_usage_perc{engine="0",model_name="qwen"} 0.4
vllm:kv_cache_usage_perc{engine="1",model_name="qwen"} 0.9126
"""

SGLANG = """\
sglang:token_usage{model_name="llama",tp_rank="0",pp_rank="0",dp_rank="0"} 0.28
sglang:token_usage{model_name="llama",tp_rank="1",pp_rank="0",dp_rank="0"} 0.28
sglang:num_queue_reqs{model_name="llama",tp_rank="0",pp_rank="0",dp_rank="0",priority=""} 4
sglang:num_queue_reqs{model_name="llama",tp_rank="0",pp_rank="0",dp_rank="0",priority="5"} 4
sglang:num_queue_reqs{model_name="llama",tp_rank="1",pp_rank="0",dp_rank="0",priority=""} 4
sglang:num_queue_reqs{model_name="llama",tp_rank="0",pp_rank="0",dp_rank="1",priority=""} 1
"""

LLAMACPP = """\
llamacpp:requests_processing 4
llamacpp:requests_deferred 7
llamacpp:kv_cache_usage_ratio 0.5
"""

SAID = [
    (Engine.VLLM, VLLM, "qwen", Strain(waiting=5, kv=913)),
    (Engine.VLLM, 'vllm:gpu_cache_usage_perc{model_name="old"} 1', "old", Strain(waiting=None, kv=1_000)),
    (Engine.VLLM, 'vllm:num_requests_waiting{model_name="old"} 0', "old", Strain(waiting=0, kv=None)),
    (Engine.SGLANG, SGLANG, "llama", Strain(waiting=5, kv=280)),
    (Engine.LLAMACPP, LLAMACPP, "any", Strain(waiting=7, kv=500)),
    (Engine.LLAMACPP, "llamacpp:requests_deferred 2", "any", Strain(waiting=2, kv=None)),
    (Engine.LLAMACPP, "llamacpp:requests_deferred NaN\nllamacpp:kv_cache_usage_ratio 3", "any", Strain(None, 1_000)),
    (Engine.LLAMACPP, "llamacpp:requests_deferred 1e300", "any", Strain(COUNT_MAX, None)),
]


@pytest.mark.parametrize(("engine", "text", "model", "strain"), SAID)
def test_what_each_says(engine: Engine, text: str, model: str, strain: Strain) -> None:
    found = strains_of(engine, text)
    assert found is not None
    assert found.of(model)[1] == strain


NOTHING = [
    (Engine.VLLM, ""),
    (Engine.VLLM, SGLANG),
    (Engine.SGLANG, VLLM),
    (Engine.LLAMACPP, "llamacpp:requests_deferred -1"),
    (Engine.LLAMACPP, "llamacpp:requests_processing 3"),
    (Engine.VLLM, "<html>not found</html>"),
]


@pytest.mark.parametrize(("engine", "text"), NOTHING)
def test_an_answer_may_say_nothing(engine: Engine, text: str) -> None:
    assert strains_of(engine, text) is None


def test_each_model_of_an_engine_has_its_own() -> None:
    text = 'vllm:num_requests_waiting{model_name="a"} 1\nvllm:num_requests_waiting{model_name="b"} 2\n'
    found = strains_of(Engine.VLLM, text)
    assert found == Strains({"a": Strain(1), "b": Strain(2)}, Strain(3))
    assert [found.of(model) for model in "abc"] == [("a", Strain(1)), ("b", Strain(2)), ("", Strain(3))]


@given(st.sampled_from(Engine), st.text(max_size=300))
def test_any_text_says_something_or_nothing(engine: Engine, text: str) -> None:
    strains_of(engine, text)


CAPACITIES = [
    (b'{"total_slots": 4, "model_path": "m"}', 4),
    (b'{"internal_states": [{"effective_max_running_requests_per_dp": 48}, {"other": 1}]}', 48),
    (b'{"internal_states": [{"effective_max_running_requests_per_dp": 48}]}', 48),
    (b'{"internal_states": [{"effective_max_running_requests_per_dp": 8}] , "max_running_requests": 9}', 8),
    (b'{"max_running_requests": 32, "internal_states": []}', 32),
    (b'{"max_running_requests": null}', None),
    (b'{"total_slots": 0}', None),
    (b'{"total_slots": -4}', None),
    (b'{"total_slots": "4"}', None),
    (b'{"total_slots": 99999999999}', COUNT_MAX),
    (b"{", None),
    (b"[]", None),
    (b"\xff", None),
    (b"[" * 100_000, None),
]


@pytest.mark.parametrize(("body", "capacity"), CAPACITIES)
def test_how_many_calls_it_takes_at_once(body: bytes, capacity: int | None) -> None:
    assert capacity_of(body) == capacity


def test_where_they_say_so() -> None:
    assert [capacity_paths(engine)[:1] for engine in Engine] == [(), ("/server_info",), ("/props",)]
