import pytest
from hypothesis import given, strategies as st

from puyun.metering.ratio import ENOUGH, LEAST, SIZE_MIN, START, Ratios, Script, script_of

CODE = b'{"content": "def add(a, b):\\n    return a + b\\n\\n\\nprint(add(1, 2))\\n"}'

SCRIPTS = [
    (b"", Script.LATIN),
    (b"Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about.", Script.LATIN),
    (CODE, Script.CODE),
    ("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, und noch weiter.".encode(), Script.LATIN),
    ("A smile 🙂 among a good many plain words, which it does not change at all.".encode(), Script.LATIN),
    ("话说天下大势，分久必合，合久必分。".encode(), Script.CJK),
    ("春はあけぼの。やうやう白くなりゆく山ぎは".encode(), Script.CJK),
    ("나라의 말이 중국과 달라".encode(), Script.CJK),
    ("Все счастливые семьи похожи друг на друга".encode(), Script.OTHER),
    ("كان يا ما كان في قديم الزمان".encode(), Script.OTHER),
]


@pytest.mark.parametrize(("text", "script"), SCRIPTS, ids=[str(n) for n in range(len(SCRIPTS))])
def test_scripts_are_told_by_their_bytes(text: bytes, script: Script) -> None:
    assert script_of(text) is script


@given(st.binary(max_size=2_000))
def test_any_bytes_are_of_some_script(text: bytes) -> None:
    assert script_of(text) in START


def taught(*pairs: tuple[int, int], times: int = 1) -> Ratios:
    ratios = Ratios()
    for _ in range(times):
        for size, tokens in pairs:
            ratios.observe("m", Script.LATIN, size=size, tokens=tokens)
    return ratios


def test_nothing_is_believed_before_enough_was_seen() -> None:
    assert Ratios().most("m", Script.CJK) == START[Script.CJK]
    assert taught((1000, 250), times=ENOUGH - 1).most("m", Script.LATIN) == START[Script.LATIN]
    ratios = taught((1000, 250), times=ENOUGH)
    assert 250 < ratios.most("m", Script.LATIN) <= 258
    assert ratios.mean("m", Script.LATIN) == 250
    assert ratios.most("n", Script.LATIN) == START[Script.LATIN]
    assert ratios.most("m", Script.CODE) == START[Script.CODE]
    assert Ratios().mean("m", Script.LATIN) is None


def test_one_call_in_a_thousand_may_be_above() -> None:
    assert taught(*[(1000, 250)] * 999, (1000, 700), times=2).most("m", Script.LATIN) > 250
    seen = taught(*[(1000, 250)] * 1_999, (1000, 700), times=2)
    assert 250 < seen.most("m", Script.LATIN) <= 258
    often = taught(*[(1000, 250)] * 499, (1000, 700), times=4)
    assert 700 < often.most("m", Script.LATIN) <= 708


def test_thin_texts_set_no_ratio_that_others_would_exceed() -> None:
    assert taught((10_000, 3), times=1_000).most("m", Script.LATIN) == LEAST


def test_small_texts_and_missing_counts_teach_nothing() -> None:
    assert taught((SIZE_MIN - 1, 200), (1000, 0), times=1_000).most("m", Script.LATIN) == START[Script.LATIN]


def test_the_past_fades() -> None:
    ratios = taught(*[(1000, 900)] * 500, *[(1000, 250)] * 500)
    for _ in range(800_000 // 10):
        for _ in range(10):
            ratios.observe("m", Script.LATIN, size=1000, tokens=250)
    assert ratios.most("m", Script.LATIN) <= 258


def test_memory_is_bounded_and_what_is_used_stays() -> None:
    ratios = Ratios(cells=3)
    for _ in range(ENOUGH):
        ratios.observe("kept", Script.LATIN, size=1000, tokens=250)
    for number in range(10):
        ratios.observe(f"m{number}", Script.LATIN, size=1000, tokens=250)
        ratios.observe("kept", Script.LATIN, size=1000, tokens=250)
    assert len(ratios._seen) == 3
    assert ratios.mean("kept", Script.LATIN) == 250


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(-5, 10**7)), max_size=300))
def test_whatever_is_fed_a_bound_stays_a_bound(pairs: list[tuple[int, int]]) -> None:
    assert LEAST <= taught(*pairs).most("m", Script.LATIN) <= 1_024
