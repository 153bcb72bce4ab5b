import pytest
from hypothesis import given, strategies as st

from puyun.kit.canonical import SAFE_INTEGER, NotCanonicalError, decode, encode

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-SAFE_INTEGER, SAFE_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ_09"), inner, max_size=3),
    max_leaves=12,
)


def test_the_form_is_that_of_rfc_8785() -> None:
    document = {"b": 1, "a": ['\u20ac$\x0f\nA\'B"\\\\"/', None, True], "C": {}}
    assert encode(document) == b'{"C":{},"a":["\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/",null,true],"b":1}'


@given(DOCUMENTS)
def test_reading_gives_the_document_back_however_it_is_ordered(value: object) -> None:
    document = {"a": value, "z": 1}
    assert decode(encode(document)) == document
    assert encode({"z": 1, "a": value}) == encode(document)


@pytest.mark.parametrize("value", [0.5, 1.0, SAFE_INTEGER + 1, b"x", "\ud800", {1: 2}, {"é": 1}, {1, 2}])
def test_what_readers_would_not_agree_about_has_no_form(value: object) -> None:
    with pytest.raises(NotCanonicalError):
        encode({"a": value})


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":1.0}', '{"a":1e2}', '{"a":NaN}', "[1]", "", "{", '{"a":9007199254740992}', "[" * 9999],
)
def test_a_text_that_says_two_things_is_refused(text: str) -> None:
    with pytest.raises(NotCanonicalError):
        decode(text)
