import pytest
from hypothesis import given, strategies as st

from puyun.catalog.model import Engine
from puyun.providers.engine import COUNT_MAX, LINE_MAX, Condition, condition_of, conditions_of

VLLM = """\
# HELP vllm:num_requests_running Number of requests currently running on GPU.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 8.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 3.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct",reason="deferred"} 90.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 0.4567
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="meta-llama/Llama-3.1-8B-Instruct"} 7.0
"""

OLD_VLLM = """\
vllm:num_requests_waiting{model_name="m"} 0.0
vllm:gpu_cache_usage_perc{model_name="m"} 0.91
vllm:cpu_cache_usage_perc{model_name="m"} 0.1
"""

SGLANG = """\
# TYPE sglang:token_usage gauge
sglang:token_usage{model_name="m"} 0.28
sglang:num_queue_reqs{model_name="m"} 12.0
sglang:num_running_reqs{model_name="m"} 161.0
sglang:max_running_requests{model_name="m"} 256
"""

LLAMACPP = """\
# HELP llamacpp:requests_deferred Number of requests deferred.
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 46
llamacpp:kv_cache_usage_ratio 0.5
"""

WHOLE = [
    (Engine.VLLM, VLLM, "meta-llama/Llama-3.1-8B-Instruct", Condition(waiting=3, kv=456)),
    (Engine.VLLM, OLD_VLLM, "m", Condition(waiting=0, kv=910)),
    (Engine.VLLM, VLLM.replace("\n", "\r\n"), "meta-llama/Llama-3.1-8B-Instruct", Condition(waiting=3, kv=456)),
    (Engine.SGLANG, SGLANG, "m", Condition(waiting=12, kv=280, capacity=256)),
    (Engine.LLAMACPP, LLAMACPP, "", Condition(waiting=46, kv=500)),
    (Engine.LLAMACPP, "llamacpp:requests_deferred 1", "", Condition(waiting=1)),
]


@pytest.mark.parametrize(("engine", "text", "model", "condition"), WHOLE)
def test_what_engines_say(engine: Engine, text: str, model: str, condition: Condition) -> None:
    assert conditions_of(engine, text) == {model: condition}


FIGURES = [
    ("0", 0),
    ("2.0", 2),
    ("2e1", 20),
    ("1e300", COUNT_MAX),
    ("5 1732500000000", 5),
    ("NaN", None),
    ("nan", None),
    ("+Inf", None),
    ("-Inf", None),
    ("-1", None),
    ("", None),
    ("many", None),
    ("3 4 5", None),
    ("1" * 5_000, None),
]


@pytest.mark.parametrize(("figure", "waiting"), FIGURES)
def test_a_figure_that_is_none_is_not_said(figure: str, waiting: int | None) -> None:
    told = conditions_of(Engine.LLAMACPP, f"llamacpp:requests_deferred {figure}\n")
    assert told == ({} if waiting is None else {"": Condition(waiting=waiting)})


@pytest.mark.parametrize(("figure", "kv"), [("0.0", 0), ("1", 1000), ("1.5", 1000), ("1e308", 1000), ("-0.1", None)])
def test_a_cache_is_never_more_than_full(figure: str, kv: int | None) -> None:
    told = conditions_of(Engine.VLLM, f"vllm:num_requests_waiting 1\nvllm:kv_cache_usage_perc {figure}\n")
    assert told == {"": Condition(waiting=1, kv=kv)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "<html>502 Bad Gateway</html>",
        '{"vllm:num_requests_waiting": 3}',
        "vllm:num_requests_waiting",
        'vllm:num_requests_waiting{model_name="m" 3',
        'vllm:num_requests_waiting{model_name="m"}3',
        'vllm:num_requests_waiting{model_name="m} 3',
        "vllm:num_requests_waiting{model_name=m} 3",
        'vllm:num_requests_waiting{model_name="m" engine="0"} 3',
        "# vllm:num_requests_waiting 3",
        "vllm:num_requests_waiting_total 3",
        'vllm:num_requests_waiting{x="%s"} 3' % ("x" * LINE_MAX),
        SGLANG,
    ],
)
def test_what_is_no_metric_of_the_engine_says_nothing(text: str) -> None:
    assert conditions_of(Engine.VLLM, text) == {}


def test_a_whole_answer_of_labels_without_end_is_read_in_one_go() -> None:
    line = "vllm:num_requests_waiting{%s} 1\n" % ("a" * (LINE_MAX - 40))
    assert conditions_of(Engine.VLLM, line * 256) == {}


def test_replicas_queue_together_and_the_fullest_cache_counts() -> None:
    text = "".join(
        f'vllm:num_requests_waiting{{engine="{engine}",model_name="m"}} {waiting}\n'
        f'vllm:kv_cache_usage_perc{{engine="{engine}",model_name="m"}} {kv}\n'
        for engine, waiting, kv in ((0, 2, 0.5), (1, 3, 0.75))
    )
    assert conditions_of(Engine.VLLM, text) == {"m": Condition(waiting=5, kv=750)}


def test_ranks_of_one_replica_tell_the_same_once() -> None:
    text = "".join(
        f'sglang:num_queue_reqs{{dp_rank="{dp}",model_name="m",tp_rank="{tp}"}} 4\n' for dp in (0, 1) for tp in (0, 1)
    )
    assert conditions_of(Engine.SGLANG, text) == {"m": Condition(waiting=8)}


def test_of_several_models_each_has_its_own() -> None:
    text = 'sglang:num_queue_reqs{model_name="a"} 1\nsglang:num_queue_reqs{model_name="b \\"x\\", c"} 2\n'
    told = conditions_of(Engine.SGLANG, text)
    assert condition_of("a", told) == Condition(waiting=1)
    assert condition_of('b "x", c', told) == Condition(waiting=2)
    assert condition_of("c", told) is None


def test_one_model_alone_is_told_for_its_aliases_too() -> None:
    told = conditions_of(Engine.SGLANG, SGLANG)
    assert condition_of("an-adapter-of-m", told) == told["m"]
    assert condition_of("m", {}) is None


@given(st.sampled_from(Engine), st.text() | st.text('vllm:num_requests_waiting{}="\\0123456789.eE+-, \n'))
def test_no_text_is_too_strange(engine: Engine, text: str) -> None:
    for start in ("vllm:num_requests_waiting", "sglang:token_usage{", "llamacpp:kv_cache_usage_ratio "):
        for condition in conditions_of(engine, start + text).values():
            assert all(value is None or 0 <= value <= COUNT_MAX for value in (condition.waiting, condition.kv))
